"""Learn a run's tokenizer from its training corpora."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from nmt.config import Recipe, TokenizerSettings
from nmt.errors import DamagedError, NmtError
from nmt.system.atomic import write_bytes
from nmt.system.files import is_present, read_bytes
from nmt.system.log import Notify
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.manifest import Manifest, PreparedFolder, Step, hash_of, sha256
from nmt.text.tokenizer import Tokenizer, learn_subwords, load_tokenizer

TOKENIZER = "tokenizer"  # the step of the manifest
MODEL = "model"  # the tokenizer's file, in its step
SAMPLE_CHARACTERS = 300_000_000  # of text to learn from; SentencePiece keeps all of it in memory
BOTH_SIDES = slice(2)
IMPORTED = "imported"  # the kind of tokenizer that only an initial model has
TOKEN_NAMES = {"bpe": "BPE tokens", "char": "characters", "word": "words"}


def learn_tokenizer(recipe: Recipe, data: DataFolder, notify: Notify) -> Tokenizer:
    """Learn the tokenizer of a recipe, from a sample if the corpora are large.

    Raises NmtError for a corpus that is missing, misaligned, empty or too small.
    """
    check_learnable(recipe)
    # Each of two vocabularies has a sample of its own.
    sides = [BOTH_SIDES] if recipe.tokenizer.joint else [slice(0, 1), slice(1, 2)]
    sizes = [measure(training_segments(recipe, data, side)) for side in sides]
    most = recipe.tokenizer.sample_lines
    shares = [min(1, most / size.lines, SAMPLE_CHARACTERS / size.characters) for size in sizes]
    lines = sum(size.lines for size in sizes)
    sampled = sum(round(share * size.lines) for share, size in zip(shares, sizes, strict=True))
    notify(
        f"learning {describe_vocabulary(recipe.tokenizer)} from {lines:,} lines"
        + (f", of which about {sampled:,} are sampled" if sampled < lines else "")
    )
    if recipe.tokenizer.joint:
        segments = sample(training_segments(recipe, data), shares[0])
        subwords = learn_subwords(segments, recipe.tokenizer, tags=recipe.data.tags)
        return Tokenizer(subwords.model)
    source, target = (
        learn_subwords(
            sample(training_segments(recipe, data, sides[side]), shares[side]),
            recipe.tokenizer,
            f"the {name} side of this corpus",
            recipe.data.tags if name == "source" else (),
        )
        for side, name in enumerate(("source", "target"))
    )
    return Tokenizer.from_two(source, target)


def check_learnable(recipe: Recipe) -> None:
    """Raise NmtError if a recipe's tokenizer is not learned but that of an initial model."""
    if recipe.tokenizer.kind == IMPORTED:
        raise NmtError(
            f"recipe {recipe.name}: tokenizer.kind={IMPORTED} is the tokenizer of an imported model"
            " and cannot be learned; name the model with --init-from, or set tokenizer.kind to bpe"
        )


def tokenizer_key(recipe: Recipe, text: str) -> str:
    """Return the hash of what a learned tokenizer depends on; text: the hash of the corpora.

    Without tags, the hash is that of versions that had no tags, so that old runs resume.
    """
    return hash_of(text, asdict(recipe.tokenizer), *filter(None, [recipe.data.tags]))


def check_tags(recipe: Recipe, tokenizer: Tokenizer) -> None:
    """Raise NmtError unless the vocabulary of sources has the tags of the training corpora."""
    for tag in recipe.data.tags:
        if tokenizer.source.tag_id(tag) is None:
            raise NmtError(
                f"recipe {recipe.name}: data.train has the tag {tag}, which the vocabulary of the"
                " initial model lacks; leave the tag out, or train without train.init_from, so that"
                " a vocabulary with this tag is learned"
            )


def training_segments(recipe: Recipe, data: DataFolder, sides: slice = BOTH_SIDES) -> Iterator[str]:
    """Yield the segments of the training corpora that are not blank.

    sides: the sides of a pair to read. Raises NmtError if there are none.
    """
    empty = True
    for files in recipe.data.train:
        for pair in read_pairs(files, data, recipe):
            for side in pair[sides]:
                if side.strip():
                    empty = False
                    yield side
    if empty:
        names = ", ".join(name for files in recipe.data.train for name in files.names)
        raise NmtError(f"the training corpus is empty: {names}")


class Size(NamedTuple):
    """How much text there is."""

    lines: int
    characters: int


def measure(segments: Iterable[str]) -> Size:
    """Return the number of segments and of their characters."""
    lines, characters = 0, 0
    for segment in segments:
        lines += 1
        characters += len(segment)
    return Size(lines, characters)


def sample(segments: Iterable[str], share: float) -> Iterator[str]:
    """Yield about this share of the segments, the same ones each time; all if it is 1 or more."""
    draw = random.Random(1)  # noqa: S311 (not for secrets)
    return (segment for segment in segments if share >= 1 or draw.random() < share)


def store_tokenizer(
    model: bytes, folder: PreparedFolder, manifest: Manifest, key: str
) -> Tokenizer:
    """Store the bytes of another model's tokenizer as the run's own, and return it."""
    tokenizer = Tokenizer(model, "the tokenizer of the initial model")
    if manifest.needs(TOKENIZER, key, folder) or not has_content(folder.tokenizer, model):
        write_bytes(folder.tokenizer, model)
        manifest.steps[TOKENIZER] = Step(key, {MODEL: sha256(model)})
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
    """Return the run's tokenizer; learn it if it is missing, damaged, or has another key.

    A run in use whose record is lost keeps its tokenizer: its shards' keys depend on it, and so the
    fingerprint shows whether it still fits.
    """
    if folder.in_use and TOKENIZER not in manifest.steps and is_present(folder.tokenizer):
        tokenizer = load_tokenizer(folder.tokenizer)
        manifest.steps[TOKENIZER] = Step(key, {MODEL: sha256(tokenizer.model)})
        return tokenizer
    if not manifest.needs(TOKENIZER, key, folder) and is_present(folder.tokenizer):
        content = read_bytes(folder.tokenizer, "the tokenizer")
        if sha256(content) == manifest.steps[TOKENIZER].sha256.get(MODEL):
            return Tokenizer(content, str(folder.tokenizer))
        if folder.in_use:
            raise DamagedError(
                f"{folder.tokenizer} is damaged; remove it, then the same command restores it"
            )
        notify(f"{folder.tokenizer} is damaged and is learned again")
    tokenizer = learn_tokenizer(recipe, data, notify)
    write_bytes(folder.tokenizer, tokenizer.model)
    manifest.steps[TOKENIZER] = Step(key, {MODEL: sha256(tokenizer.model)})
    manifest.save()
    return tokenizer


def check_learned(folder: PreparedFolder, manifest: Manifest, key: str, machines: int) -> None:
    """Raise NmtError unless the first machine has learned the tokenizer of this key."""
    if TOKENIZER not in manifest.steps or not is_present(folder.tokenizer):
        raise NmtError(
            f"{folder.tokenizer} has not been learned yet; start the same command with"
            f" `--part 1/{machines}`, and the other parts as soon as this file is there"
        )
    if manifest.needs(TOKENIZER, key, folder):
        raise NmtError(
            f"{folder.tokenizer} was learned from other text; give all machines the same text, or"
            f" start the same command with `--part 1/{machines}` again if the text has changed"
        )


def describe_vocabulary(settings: TokenizerSettings) -> str:
    """Return a phrase such as "8,000 BPE tokens" for the vocabulary that is to be learned."""
    most = "" if settings.kind == "bpe" else "at most "
    each = "" if settings.joint else " of each language"
    return f"{most}{settings.vocab_size:,} {TOKEN_NAMES[settings.kind]}{each}"
