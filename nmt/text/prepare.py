"""Prepare a corpus for training: learn the tokenizer, clean and encode the text, write shards.

A manifest of content hashes records what each step was made from. A step is redone only if that
changed.
"""

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from nmt.config import DataSettings, Recipe, TextFiles
from nmt.errors import NmtError
from nmt.system.atomic import write_bytes
from nmt.system.log import Notify, progress_bar
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.encode import VERDICTS, encode_pairs
from nmt.text.learning import learn_tokenizer
from nmt.text.manifest import Manifest, PreparedFolder, Step, hash_of
from nmt.text.shards import ENDINGS, Shard, is_intact, new_shard, open_shard
from nmt.text.tokenizer import Tokenizer, load_tokenizer

# Steps of the manifest; each shard is a step too.
DEV = "dev"  # the dev set, which is recorded but read as it is
TOKENIZER = "tokenizer"
MODEL = "model"  # the tokenizer's file, in its step


@dataclass(frozen=True)
class Prepared:
    """A corpus ready to train on."""

    tokenizer: Tokenizer
    shards: tuple[Shard, ...]
    names: tuple[str, ...]  # the text files of each shard, for messages
    fingerprint: str  # changes if the tokenizer, any shard or the dev set changes


def prepare(
    recipe: Recipe,
    data: DataFolder,
    folder: PreparedFolder,
    notify: Notify,
    given_tokenizer: bytes | None = None,
) -> Prepared:
    """Learn the tokenizer and encode the training corpora, as far as that is not done yet.

    given_tokenizer: the bytes of a tokenizer to use instead of learning one. Raises NmtError for a
    corpus that is missing, misaligned, empty or too small.
    """
    if not recipe.data.train:
        raise NmtError(f"recipe {recipe.name} names no training text; set data.train")
    check_test_sets(recipe, data, notify)
    manifest = Manifest(folder.manifest)
    dev_changed = record_dev_set(recipe, data, folder, manifest)
    hashes = [
        [manifest.hash_file(data.find(name, recipe)) for name in files.names]
        for files in recipe.data.train
    ]
    if given_tokenizer is None:
        key = hash_of(hash_of(hashes), asdict(recipe.tokenizer))
        tokenizer = prepare_tokenizer(recipe, data, folder, manifest, key, notify)
    else:
        tokenizer = store_tokenizer(given_tokenizer, folder, manifest)
    for index, files in enumerate(recipe.data.train):
        limits = [recipe.data.max_length, recipe.data.max_ratio]
        key = hash_of(sha256(tokenizer.model), hashes[index], limits)
        name = shard_name(index)
        if needs_encoding(folder, manifest, name, key, notify):
            manifest.forget(name)
            step = encode_corpus(recipe, files, data, folder, index, tokenizer, key)
            manifest.steps[name] = step
            manifest.save()
            notify(describe(files, step.counts, recipe.data))
    if dev_changed:
        manifest.save()
    remove_unused(folder.shards, manifest, set(map(shard_name, range(len(recipe.data.train)))))
    prepared = open_prepared(recipe, folder)
    if not any(map(len, prepared.shards)):
        raise NmtError(
            f"no training pair is left after cleaning: {describe_dropped(manifest, recipe.data)}"
        )
    return prepared


def shard_name(index: int) -> str:
    """Return the name of the shard of a training corpus by its index in the recipe."""
    return f"train-{index}"


def open_prepared(recipe: Recipe, folder: PreparedFolder) -> Prepared:
    """Return the corpus that `prepare` left; raises NmtError if it is missing or damaged."""
    manifest = Manifest(folder.manifest)
    tokenizer = load_tokenizer(folder.tokenizer)
    names = [shard_name(index) for index in range(len(recipe.data.train))]
    return Prepared(
        tokenizer,
        tuple(open_shard(folder.shards, name, len(tokenizer)) for name in names),
        tuple(" + ".join(files.names) for files in recipe.data.train),
        hash_of(*(manifest.steps[name].key for name in [*names, DEV])),
    )


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def remove_unused(folder: Path, manifest: Manifest, names: set[str]) -> None:
    """Remove all shards but those with these names, and their steps."""
    for step in [each for each in manifest.steps if each.startswith("train-")]:
        if step not in names:
            manifest.forget(step)
    for path in folder.glob("train-*"):
        if path.suffix[1:] in ENDINGS and path.stem not in names:
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


def store_tokenizer(model: bytes, folder: PreparedFolder, manifest: Manifest) -> Tokenizer:
    """Store the bytes of another model's tokenizer as the run's own, and return it."""
    tokenizer = Tokenizer(model, "the tokenizer of the initial model")
    digest = sha256(model)
    key = hash_of("given", digest)
    if manifest.needs(TOKENIZER, key, folder) or not has_content(folder.tokenizer, model):
        write_bytes(folder.tokenizer, model)
        manifest.steps[TOKENIZER] = Step(key, {MODEL: digest})
        manifest.save()
    return tokenizer


def has_content(path: Path, content: bytes) -> bool:
    """Return whether a file exists with this content."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def prepare_tokenizer(
    recipe: Recipe,
    data: DataFolder,
    folder: PreparedFolder,
    manifest: Manifest,
    key: str,
    notify: Notify,
) -> Tokenizer:
    """Return the run's tokenizer; learn it if it is missing, damaged, or has another key."""
    if not manifest.needs(TOKENIZER, key, folder) and folder.tokenizer.is_file():
        tokenizer = load_tokenizer(folder.tokenizer)
        if sha256(tokenizer.model) == manifest.steps[TOKENIZER].sha256.get(MODEL):
            return tokenizer
    tokenizer = learn_tokenizer(recipe, data, notify)
    write_bytes(folder.tokenizer, tokenizer.model)
    manifest.steps[TOKENIZER] = Step(key, {MODEL: sha256(tokenizer.model)})
    manifest.save()
    return tokenizer


def needs_encoding(
    folder: PreparedFolder, manifest: Manifest, name: str, key: str, notify: Notify
) -> bool:
    """Return whether a shard must be written; print a note if it was but is damaged."""
    if manifest.needs(name, key, folder):
        return True
    if is_intact(folder.shards, name, manifest.steps[name].sha256):
        return False
    notify(f"{folder.shards / name} is damaged or missing and is created again")
    return True


def encode_corpus(
    recipe: Recipe,
    files: TextFiles,
    data: DataFolder,
    folder: PreparedFolder,
    index: int,
    tokenizer: Tokenizer,
    key: str,
) -> Step:
    """Encode and clean the training corpus `files`, number `index`, into a shard."""
    counts = Counter(dict.fromkeys(VERDICTS, 0))
    pairs = read_pairs(files, data, recipe)
    with (
        new_shard(folder.shards, shard_name(index), len(tokenizer)) as writer,
        progress_bar(unit="pair", unit_scale=True, desc="encode") as bar,
    ):
        for chunk in encode_pairs(pairs, tokenizer, recipe.data):
            writer.add(chunk.pairs)
            counts.update(chunk.counts)
            bar.update(sum(chunk.counts.values()))
    return Step(key, writer.digests(), dict(counts))


def describe(files: TextFiles, counts: dict[str, int], limits: DataSettings) -> str:
    """Return one line about what cleaning kept and dropped."""
    return (
        f"{' + '.join(files.names)}: {counts['kept']:,} pairs kept; dropped {counts['empty']:,}"
        f" with an empty side, {counts['too_long']:,} longer than {limits.max_length} tokens,"
        f" {counts['ratio']:,} beyond a length ratio of {limits.max_ratio:g}"
    )


def describe_dropped(manifest: Manifest, limits: DataSettings) -> str:
    """Return a phrase with the totals that cleaning dropped from all corpora."""
    counts = [step.counts for name, step in manifest.steps.items() if name.startswith("train-")]
    empty, long, ratio = (sum(each[k] for each in counts) for k in ("empty", "too_long", "ratio"))
    return (
        f"{empty:,} with an empty side, {long:,} longer than data.max_length={limits.max_length},"
        f" {ratio:,} beyond data.max_ratio={limits.max_ratio:g}"
    )
