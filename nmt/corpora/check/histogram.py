"""The lengths of a text's segments, in few classes."""

from dataclasses import dataclass

from nmt.corpora.check.block import LONGEST, Counts

EDGES = (0, 1, 3, 6, 11, 16, 21, 31, 41, 51, 71, LONGEST)  # the least length of each class


@dataclass(frozen=True)
class Histogram:
    """Segments by length, on both sides."""

    units: tuple[str, str]  # words; characters for scripts without spaces between words
    labels: tuple[str, ...]  # of the classes, such as "6-10"
    source: tuple[int, ...]
    target: tuple[int, ...]


def histogram_of(lengths: Counts, by_character: tuple[bool, bool]) -> Histogram:
    """Return the histogram of lengths (2, LONGEST + 1), without empty classes at its end."""
    ends = [*EDGES[1:], LONGEST + 1]
    classes = [
        [int(side[first:end].sum()) for first, end in zip(EDGES, ends, strict=True)]
        for side in lengths
    ]
    last = max([place for side in classes for place, count in enumerate(side) if count], default=0)
    source, target = (tuple(side[: last + 1]) for side in classes)
    first, second = ("characters" if each else "words" for each in by_character)
    labels = tuple(label_of(begin, end - 1) for begin, end in zip(EDGES, ends, strict=True))
    return Histogram((first, second), labels[: last + 1], source, target)


def label_of(first: int, last: int) -> str:
    """Return the name of a class of lengths."""
    if first == LONGEST:
        return f"{first}+"
    return str(first) if first == last else f"{first}-{last}"
