"""Examine a block of consecutive pairs; blocks are examined in several processes at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy
from numpy.typing import NDArray

from nmt.corpora.check.detectors import detectors, faults
from nmt.corpora.check.finding import SHOWN, Example
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.norms import Norms
from nmt.corpora.check.segment import Segment
from nmt.corpora.check.traits import Traits
from nmt.text.encode import Chunk

HASH_BYTES = 8
LONGEST = 100  # words; the last bin of a histogram also counts longer segments

Hashes = NDArray[numpy.uint64]
Counts = NDArray[numpy.int64]


@dataclass(frozen=True)
class Context:
    """Hold what every block of a text is examined with."""

    norms: Norms
    limits: CheckLimits
    common: frozenset[str]  # beginnings of words that are no evidence of a pair
    by_character: tuple[bool, bool]  # whether a side's length is counted in characters


@dataclass(frozen=True)
class BlockFacts:
    """Hold the findings of a block of n pairs."""

    counts: dict[str, int]  # pairs by kind of fault
    examples: dict[str, list[Example]]  # the first ones of each kind
    usable: NDArray[numpy.bool_]  # (n,) whether both sides have text
    exact: Hashes  # (2, n): of the segments of source and target
    folded: Hashes  # (2, n): of the segments without case, punctuation, spaces and digits
    lengths: Counts  # (2, LONGEST + 1): segments by number of words
    words: Counts  # (2,)
    characters: Counts  # (2,)
    traits: tuple[Traits, Traits]


def examine(chunk: Chunk, refused: frozenset[int], context: Context) -> BlockFacts:
    """Return what is in a chunk. refused: places of pairs that training would refuse."""
    known = detectors(context.norms, context.limits)
    counts: dict[str, int] = {}
    examples: dict[str, list[Example]] = {}
    sides = [[Segment(text) for text in side] for side in (chunk.sources, chunk.targets)]
    for place, (source, target) in enumerate(zip(*sides, strict=True)):
        if place in refused:
            continue
        for kind, reason in faults(source, target, known).items():
            counts[kind] = counts.get(kind, 0) + 1
            shown = examples.setdefault(kind, [])
            if len(shown) < SHOWN:
                example = Example(chunk.first_line + place, reason)
                shown.append(example.with_texts(source.text, target.text))
    sizes = [
        sizes_of(side, by_character)
        for side, by_character in zip(sides, context.by_character, strict=True)
    ]
    usable = [
        not (source.is_blank or target.is_blank) for source, target in zip(*sides, strict=True)
    ]
    source, target = (Traits.of(side, context.common) for side in sides)
    return BlockFacts(
        counts,
        examples,
        numpy.array(usable, numpy.bool_),
        numpy.array([[hash_of(each.text) for each in side] for side in sides], numpy.uint64),
        numpy.array([[hash_of(each.folded) for each in side] for side in sides], numpy.uint64),
        numpy.array(
            [numpy.bincount(each.clip(max=LONGEST), minlength=LONGEST + 1) for each in sizes]
        ),
        numpy.array([each.sum() for each in sizes]),
        numpy.array([sum(len(each.text) for each in side) for side in sides]),
        (source, target),
    )


def sizes_of(segments: Sequence[Segment], by_character: bool) -> Counts:
    """Return the number of words of segments, or of characters other than white space."""
    if by_character:
        return numpy.array([len("".join(each.text.split())) for each in segments], numpy.int64)
    return numpy.array([len(each.text.split()) for each in segments], numpy.int64)


def hash_of(text: str) -> int:
    """Return the hash of a text; it is the same in every process."""
    # Half of a surrogate pair cannot come from UTF-8, but from a character reference in .sgm.
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()
    )
