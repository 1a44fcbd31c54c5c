"""Parallel text whose sides belong together, for the tests of the checks."""

import random
from collections.abc import Iterable
from pathlib import Path

from nmt.text.reading.corpus import Pair

SOURCE = ["the", "old", "man", "small", "house", "garden", "walks", "sees", "with", "under"]
SOURCE += ["never", "children", "water", "bridge"]
TARGET = ["der", "alte", "mann", "kleines", "haus", "garten", "geht", "sieht", "mit", "unter"]
TARGET += ["nie", "kinder", "wasser", "brucke"]
NAMES = ["Anna", "Boston", "Maria", "Robert", "Sydney", "Viktor", "Warschau", "Xenia"]

Pairs = list[tuple[str, str]]


def corpus(count: int, seed: int = 1) -> Pairs:
    """Return pairs of different sentences: equally many words, equal numbers and names."""
    draw = random.Random(seed)
    pairs = []
    for number in range(count):
        words = draw.choices(range(len(SOURCE)), k=draw.randint(2, 14))
        name = draw.choice(NAMES) if draw.random() < 0.5 else ""
        end = draw.choice([".", ".", "?", "!"]) + str(number % 97) * (draw.random() < 0.2)
        sides = [
            " ".join([*(side[word] for word in words), name or side[number % 13], code(number)])
            for side in (SOURCE, TARGET)
        ]
        pairs.append((sides[0] + end, sides[1] + end))
    return pairs


def as_pairs(texts: Iterable[tuple[str, str]]) -> list[Pair]:
    return [Pair(*pair) for pair in texts]


def code(number: int) -> str:
    """Return a word of letters for a number, so that no two sentences are near duplicates."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


def write(folder: Path, pairs: Pairs, name: str = "c") -> tuple[Path, Path]:
    paths = folder / f"{name}.en", folder / f"{name}.de"
    for path, side in zip(paths, (0, 1), strict=True):
        lines = "".join(f"{pair[side]}\n" for pair in pairs)
        path.write_text(lines, encoding="utf-8", newline="\n")
    return paths
