"""Text for the tests of `nmt init`, and the sets that its recipes name."""

import random
from pathlib import Path

from nmt.config import Recipe
from nmt.text.corpus import DataFolder, read_pairs

SYLLABLES = ["ba", "do", "fi", "ka", "lu", "me", "no", "pi", "ra", "su", "te", "vo"]

Pairs = list[tuple[str, str]]


def text(count: int, seed: int = 1) -> Pairs:
    """Return pairs with different sources; a target has its source's words in reverse."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(count // 2 + 9)]
    sources = [f"{' '.join(draw.choices(words, k=draw.randint(2, 9)))} {n}." for n in range(count)]
    return [(source, " ".join(reversed(source.split()))) for source in sources]


def write(folder: Path, pairs: Pairs, name: str = "c") -> tuple[Path, Path]:
    """Write pairs as two files, and return their paths."""
    paths = folder / f"{name}.en", folder / f"{name}.de"
    for path, side in zip(paths, zip(*pairs, strict=True), strict=True):
        path.write_text("".join(f"{line}\n" for line in side), encoding="utf-8", newline="\n")
    return paths


def sets(recipe: Recipe, data: Path = Path("data")) -> list[Pairs]:
    """Return the training, dev and test pairs of a recipe with one file pair for each."""
    (train,), (dev,), (test,) = recipe.data.train, recipe.data.dev, recipe.data.test.values()
    return [
        [(pair.source, pair.target) for pair in read_pairs(files, DataFolder(data), recipe)]
        for files in (train, dev, test)
    ]
