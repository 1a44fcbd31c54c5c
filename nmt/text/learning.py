"""Learn a run's tokenizer from its training corpora."""

import random
from collections.abc import Iterable, Iterator

from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.system.log import Notify
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.tokenizer import Tokenizer, describe_vocabulary, learn_subwords

SAMPLE_CHARACTERS = 300_000_000  # of text to learn from; SentencePiece keeps all of it in memory
BOTH_SIDES = slice(2)


def learn_tokenizer(recipe: Recipe, data: DataFolder, notify: Notify) -> Tokenizer:
    """Learn the tokenizer of a recipe, from a sample if the corpora are large.

    Raises NmtError for a corpus that is missing, misaligned, empty or too small.
    """
    lines, characters = measure(training_segments(recipe, data))
    share = min(recipe.tokenizer.sample_lines / lines, SAMPLE_CHARACTERS / characters)
    notify(
        f"learning {describe_vocabulary(recipe.tokenizer)} from {lines:,} lines"
        + (f", of which about {round(share * lines):,} are sampled" if share < 1 else "")
    )
    if recipe.tokenizer.joint:
        segments = sample(training_segments(recipe, data), share)
        return Tokenizer(learn_subwords(segments, recipe.tokenizer).model)
    source, target = (
        learn_subwords(
            sample(training_segments(recipe, data, slice(side, side + 1)), share),
            recipe.tokenizer,
            f"the {name} side of this corpus",
        )
        for side, name in enumerate(("source", "target"))
    )
    return Tokenizer.from_two(source, target)


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


def measure(segments: Iterable[str]) -> tuple[int, int]:
    """Return the number of segments and of their characters."""
    lines, characters = 0, 0
    for segment in segments:
        lines += 1
        characters += len(segment)
    return lines, characters


def sample(segments: Iterable[str], share: float) -> Iterator[str]:
    """Yield about this share of the segments, the same ones each time; all if it is 1 or more."""
    draw = random.Random(1)  # noqa: S311 (not for secrets)
    return (segment for segment in segments if share >= 1 or draw.random() < share)
