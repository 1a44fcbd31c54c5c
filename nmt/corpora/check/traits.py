"""Compare two segments by their lengths, numbers, punctuation and cognates.

The traits of a corpus are arrays, so that many pairings can be compared at once.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Self
from zlib import crc32

import numpy
from numpy.typing import NDArray

from nmt.corpora.check.segment import Segment

NUMBER = re.compile(r"\d+")
MARKS = re.compile("[,;:\"'()\u2013\u2014\u2018-\u201e\u00ab\u00bb-]")
MOST_MARKS = 3  # more count as so many
PREFIX = 4  # letters that cognates begin with, such as "comp" of computer
COMMON_SHARE = 0.01  # of the segments; a prefix in more of them says little
BITS = 64  # of a signature
FINALS = {".": 1, "\u3002": 1, "?": 2, "\uff1f": 2, "!": 3, "\uff01": 3}
LETTER, OTHER = 4, 0
FINAL_KINDS = 5

POPULATION = numpy.array([number.bit_count() for number in range(256)], numpy.uint8)


@dataclass(frozen=True)
class Traits:
    """The traits of the n segments of one side."""

    lengths: NDArray[numpy.float32]  # characters
    numbers: NDArray[numpy.uint32]  # a hash of the numbers in the segment; 0: none
    finals: NDArray[numpy.uint8]  # the kind of the last character
    marks: NDArray[numpy.uint8]  # punctuation marks inside, at most `MOST_MARKS`
    prefixes: NDArray[numpy.uint64]  # a bit for each rare beginning of a word

    @classmethod
    def of(cls, segments: Sequence[Segment], common: frozenset[str]) -> Self:
        """Return the traits of segments; common: prefixes to leave out."""
        return cls(
            numpy.array([len(each.text) for each in segments], numpy.float32),
            numpy.array([numbers_of(each.text) for each in segments], numpy.uint32),
            numpy.array([final_of(each.text) for each in segments], numpy.uint8),
            numpy.array(
                [min(MOST_MARKS, len(MARKS.findall(each.text))) for each in segments], numpy.uint8
            ),
            numpy.array([prefixes_of(each.words, common) for each in segments], numpy.uint64),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the traits of consecutive parts of a text."""
        return cls(
            *(
                numpy.concatenate([getattr(part, each.name) for part in parts])
                for each in fields(cls)
            )
        )

    def __len__(self) -> int:
        return len(self.lengths)


def numbers_of(text: str) -> int:
    """Return a hash of the numbers in a text, in any order; 0 if it has none."""
    found = NUMBER.findall(text)
    return crc32(" ".join(sorted(found)).encode()) or 1 if found else 0


def final_of(text: str) -> int:
    """Return the kind of a text's last character: full stop, question, exclamation, letter."""
    last = text[-1:]
    return FINALS.get(last, LETTER if last.isalnum() else OTHER)


def prefixes_of(words: Iterable[str], common: frozenset[str]) -> int:
    """Return a signature of the beginnings of words that are not common."""
    signature = 0
    for word in words:
        if len(word) >= PREFIX and (prefix := word[:PREFIX]) not in common:
            signature |= bit_of(prefix)
    return signature


@lru_cache(maxsize=100_000)
def bit_of(prefix: str) -> int:
    """Return the bit that stands for a beginning of words, and for others."""
    return 1 << (crc32(prefix.encode("utf-8", "surrogatepass")) % BITS)


def common_prefixes(segments: Sequence[Segment]) -> frozenset[str]:
    """Return the beginnings of words that are in many of some segments."""
    counts = Counter(
        prefix
        for segment in segments
        for prefix in {word[:PREFIX] for word in segment.words if len(word) >= PREFIX}
    )
    most = max(1.0, COMMON_SHARE * len(segments))
    return frozenset(prefix for prefix, count in counts.items() if count > most)


def bits_of(signatures: NDArray[numpy.uint64]) -> NDArray[numpy.uint8]:
    """Return the number of bits that are set in each signature (n,)."""
    contiguous = numpy.ascontiguousarray(signatures)
    bits: NDArray[numpy.uint8] = POPULATION[contiguous.view(numpy.uint8)]
    counts: NDArray[numpy.uint8] = bits.reshape(-1, 8).sum(1, dtype=numpy.uint8)
    return counts
