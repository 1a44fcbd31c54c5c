"""Prepare a corpus for training: learn the tokenizer, clean and encode the text, write shards.

A manifest of content hashes records what each step was made from. A step is redone only if that
changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.system.log import Notify
from nmt.system.processes import allow_open_files
from nmt.text.alignment import ALIGNMENT, align_corpus, open_alignments
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.corpus_step import (
    describe,
    describe_dropped,
    encode_corpus,
    names_of,
    needs_encoding,
    shard_name,
)
from nmt.text.learning import (
    check_learned,
    check_tags,
    prepare_tokenizer,
    store_tokenizer,
    tokenizer_key,
)
from nmt.text.manifest import Manifest, PreparedFolder, Step, hash_of, sha256
from nmt.text.parts import ALL, Share
from nmt.text.shards import ENDINGS, Shard, open_shard
from nmt.text.tokenizer import Tokenizer, load_tokenizer

# Steps of the manifest besides the tokenizer's; each shard is a step too.
DEV = "dev"  # the dev set, which is recorded but read as it is


@dataclass(frozen=True)
class Prepared:
    """A corpus ready to train on."""

    tokenizer: Tokenizer
    shards: tuple[Shard, ...]
    names: tuple[str, ...]  # the text files of each shard, for messages; a corpus may be several
    fingerprint: str  # changes if the tokenizer, any shard or the dev set changes
    alignments: tuple[Shard, ...] = ()  # of each shard, if the training needs them


def prepare(
    recipe: Recipe,
    data: DataFolder,
    folder: PreparedFolder,
    notify: Notify,
    given_tokenizer: bytes | None = None,
    verify: bool = False,
) -> Prepared:
    """Learn the tokenizer and encode the training corpora, as far as that is not done yet.

    given_tokenizer: the bytes of a tokenizer to use instead of learning one. verify: hash all
    shards; otherwise an unchanged size and time are trusted. Raises NmtError for a corpus that is
    missing, misaligned, empty or too small.
    """
    manifest = do_steps(recipe, data, folder, notify, given_tokenizer, ALL, verify)
    shards = [name for index in range(len(recipe.data.train)) for name in names_of(manifest, index)]
    remove_unused(folder.shards, manifest, len(recipe.data.train), set(shards))
    prepared = open_shards(recipe, folder, manifest)
    if not any(map(len, prepared.shards)):
        raise NmtError(
            f"no training pair is left after cleaning: {describe_dropped(manifest, recipe.data)}"
        )
    if not recipe.train.guided_alignment:
        return prepared
    align_corpus(folder, manifest, shards, prepared.shards, prepared.tokenizer, notify, verify)
    return with_alignments(prepared, folder, shards)


def do_steps(
    recipe: Recipe,
    data: DataFolder,
    folder: PreparedFolder,
    notify: Notify,
    given_tokenizer: bytes | None,
    share: Share,
    verify: bool = False,
) -> Manifest:
    """Do the steps that the manifest lacks, or one machine's share of them; return the manifest.

    Only the first machine writes the tokenizer. Arguments and errors are those of `prepare`.
    """
    paths = training_files(recipe, data)
    check_test_sets(recipe, data, notify)
    manifest = Manifest(folder.manifest)
    if manifest.damage:
        notify(f"{manifest.damage}; the corpus is prepared again")
    dev_changed = record_dev_set(recipe, data, folder, manifest)
    hashes = [[manifest.hash_file(path) for path in files] for files in paths]
    if given_tokenizer is None:
        key = tokenizer_key(recipe, hash_of(hashes))
    else:
        key = hash_of("given", sha256(given_tokenizer))
    if share.number > 1:
        check_learned(folder, manifest, key, share.machines)
    if given_tokenizer is None:
        tokenizer = prepare_tokenizer(recipe, data, folder, manifest, key, notify)
    else:
        tokenizer = store_tokenizer(given_tokenizer, folder, manifest, key)
    check_tags(recipe, tokenizer)
    for index, files in enumerate(recipe.data.train):
        limits = [recipe.data.max_length, recipe.data.max_ratio]
        # Without a tag the key is as it was before there were tags, so that old runs go on.
        tag = filter(None, [files.tag])
        key = hash_of(sha256(tokenizer.model), hashes[index], limits, *tag)
        name = shard_name(index)
        if needs_encoding(folder, manifest, name, key, notify, verify):
            if share == ALL:
                manifest.forget(name)
            step = encode_corpus(
                recipe, files, data, folder, manifest, index, tokenizer, key, share, notify, verify
            )
            if step:
                manifest.steps[name] = step
                manifest.save()
                notify(describe(files, step.counts, recipe.data))
    if dev_changed and share.number == 1:
        manifest.save()
    return manifest


def training_files(recipe: Recipe, data: DataFolder) -> list[list[Path]]:
    """Return the paths of each training corpus.

    Raises NmtError if the recipe names none, or if a file is missing.
    """
    if not recipe.data.train:
        raise NmtError(f"recipe {recipe.name} names no training text; set data.train")
    return [[data.find(name, recipe) for name in files.names] for files in recipe.data.train]


def open_prepared(recipe: Recipe, folder: PreparedFolder) -> Prepared:
    """Return the corpus that `prepare` left; raises NmtError if it is missing or damaged."""
    manifest = Manifest(folder.manifest)
    prepared = open_shards(recipe, folder, manifest)
    if not recipe.train.guided_alignment:
        return prepared
    names = [name for index in range(len(recipe.data.train)) for name in names_of(manifest, index)]
    return with_alignments(prepared, folder, names)


def with_alignments(prepared: Prepared, folder: PreparedFolder, names: Sequence[str]) -> Prepared:
    """Return a prepared corpus with the alignments of its shards, which have these names."""
    alignments = open_alignments(folder.shards, names, prepared.shards)
    return replace(prepared, alignments=alignments)


def open_shards(recipe: Recipe, folder: PreparedFolder, manifest: Manifest) -> Prepared:
    """Return the prepared corpus that a manifest records."""
    tokenizer = load_tokenizer(folder.tokenizer)
    steps = [shard_name(index) for index in range(len(recipe.data.train))]
    fingerprint = hash_of(*map(manifest.key, [*steps, DEV]))
    opened = [
        open_corpus(folder.shards, manifest, index, len(tokenizer)) for index in range(len(steps))
    ]
    names = [
        " + ".join(files.names)
        for files, shards in zip(recipe.data.train, opened, strict=True)
        for _ in shards
    ]
    return Prepared(tokenizer, tuple(chain.from_iterable(opened)), tuple(names), fingerprint)


def open_corpus(folder: Path, manifest: Manifest, index: int, vocab_size: int) -> list[Shard]:
    """Open the shards of a training corpus by its index in the recipe; see `open_shard`."""
    names = names_of(manifest, index)
    if len(names) == 1:
        return [open_shard(folder, names[0], vocab_size)]
    # Many small files are a large corpus, which is not read into memory.
    allow_open_files(len(ENDINGS) * sum(step.parts for step in manifest.steps.values()))
    return [open_shard(folder, name, vocab_size, 0) for name in names]


def remove_unused(folder: Path, manifest: Manifest, corpora: int, names: set[str]) -> None:
    """Remove the steps of more corpora than there are, and all shards but those with these names.

    What other processes were writing when they were killed is removed too.
    """
    for step in [each for each in manifest.steps if each.startswith("train-")]:
        if step not in map(shard_name, range(corpora)):
            manifest.forget(step)
    for path in folder.glob("train-*"):
        if path.suffix[1:] in (*ENDINGS, ALIGNMENT, "json", "partial") and path.stem not in names:
            path.unlink()


def read_dev_pairs(recipe: Recipe, data: DataFolder) -> list[tuple[str, str]]:
    """Return the (source, target) pairs of all dev sets, in order.

    Raises NmtError for a missing, unreadable or misaligned file.
    """
    return [pair for files in recipe.data.dev for pair in read_pairs(files, data, recipe)]


def record_dev_set(
    recipe: Recipe, data: DataFolder, folder: PreparedFolder, manifest: Manifest
) -> bool:
    """Record the dev set's content in the manifest, and return whether it changed.

    Raises NmtError for a missing file, or if the run already trains with another dev set.
    """
    paths = [data.find(name, recipe) for files in recipe.data.dev for name in files.names]
    key = hash_of([manifest.hash_file(path) for path in paths])
    changed = manifest.needs(DEV, key, folder)
    manifest.steps[DEV] = Step(key)
    return changed


def check_test_sets(recipe: Recipe, data: DataFolder, notify: Notify) -> None:
    """Print a note for each test set that has a missing file; training does not need them."""
    for name, files in recipe.data.test.items():
        try:
            for file in (*files.names, *filter(None, [files.labels]), *files.references):
                data.find(file, recipe)
        except NmtError as error:
            notify(f"test set {name}, which `nmt evaluate` will need: {error}")
