"""Tell how much a text is like the training text, from pairs of neighbouring tokens.

A model translates text that is unlike its corpus wrongly, and often with confidence. A model file
has the pairs of source tokens that the corpus has most often, each with a level: the logarithm of
its frequency. The mean level of a segment tells how usual its words and their order are.
`docs/howto/quality-flags.md` has what this finds.
"""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from nmt.errors import DamagedError
from nmt.text.shards import FlatSegments
from nmt.text.subwords.tokenizer import BOS

MOST_PAIRS = 1 << 15  # in a file: 4 bytes each
SHARE = 0.02  # of the dev set's sources is less like the training text than the limit
FEWEST_TOKENS = 5  # shorter segments have too few pairs
LEVEL_BITS = 5
LEVELS_PER_DOUBLING = 2  # of a pair's frequency
MIX = numpy.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio

Codes = NDArray[numpy.uint32]  # of pairs, ascending: 27 bits of a hash, then the level
Floats = NDArray[numpy.float64]


@dataclass(frozen=True)
class KnownText:
    """The frequent pairs of source tokens of a training text."""

    codes: Codes
    limits: NDArray[numpy.float32]  # the least usual score, and the longest usual length in tokens

    @classmethod
    def count(cls, pairs: Codes, dev: FlatSegments) -> "KnownText | None":
        """Return the frequent pairs of a text, with limits from the dev set's sources.

        pairs: the result of `hash_pairs` for all sources. None if the text has too little in common
        with the dev set to tell what is unlike it.
        """
        # Sorting is several times as fast as numpy.unique.
        ordered = numpy.sort(pairs)
        starts = numpy.flatnonzero(numpy.append(True, ordered[1:] != ordered[:-1]))
        counts = numpy.diff(numpy.append(starts, len(ordered)))
        few = len(counts) <= MOST_PAIRS
        least = 1 if few else int(numpy.partition(counts, -MOST_PAIRS)[-MOST_PAIRS])
        levels = numpy.rint(LEVELS_PER_DOUBLING * numpy.log2(counts / least)).astype(numpy.int64)
        levels = levels.clip(0, (1 << LEVEL_BITS) - 1)
        codes = ordered[starts] << numpy.uint32(LEVEL_BITS) | levels.astype(numpy.uint32)
        codes = codes[levels > 0]
        longest = numpy.quantile(dev.lengths, 1 - SHARE)
        judged = dev.lengths >= FEWEST_TOKENS
        if not (len(codes) and judged.any()):
            return None
        scores = cls(codes, numpy.array([1, longest], "<f4")).likeness(dev)
        # Rounded down, so that no source of a uniform dev set is below the limit.
        lowest = numpy.nextafter(numpy.float32(numpy.quantile(scores[judged], SHARE)), -1)
        return cls(codes, numpy.array([lowest, longest], "<f4")) if lowest > 0 else None

    @classmethod
    def from_bytes(cls, content: bytes, origin: str) -> "KnownText | None":
        """Return what `to_bytes` wrote, None for nothing; raises DamagedError, naming `origin`."""
        if not content:
            return None
        if len(content) % 4 == 0 and len(content) >= 12:
            limits = numpy.frombuffer(content[:8], "<f4")
            if ((limits > 0) & (limits < numpy.inf)).all():
                return cls(numpy.frombuffer(content[8:], "<u4"), limits)
        raise DamagedError(f"{origin} is damaged")

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        return self.limits.tobytes() + self.codes.astype("<u4").tobytes()

    def likeness(self, segments: FlatSegments) -> Floats:
        """Return how much each segment is like the training text (n,); below 1 it is unlike it.

        It is the mean level of a segment's tokens, where the end counts as a token of level 0, over
        the limit. The mean of a long segment varies less, so that its limit is higher. Segments of
        less than `FEWEST_TOKENS` are always like it.
        """
        pairs = hash_pairs(segments)
        bits = numpy.uint32(LEVEL_BITS)
        indices = numpy.searchsorted(self.codes, pairs << bits).clip(max=len(self.codes) - 1)
        near = self.codes[indices]
        levels = numpy.where(near >> bits == pairs, near & numpy.uint32((1 << LEVEL_BITS) - 1), 0)
        lowest, longest = map(float, self.limits)
        lengths = segments.lengths
        owners = numpy.repeat(numpy.arange(len(lengths)), lengths)
        means = numpy.bincount(owners, levels, len(lengths)) / (lengths + 1)
        scores = means / numpy.sqrt(numpy.maximum(1, lengths / max(1, longest)))
        return numpy.where(lengths < FEWEST_TOKENS, numpy.inf, scores / lowest)


def hash_pairs(segments: FlatSegments) -> Codes:
    """Return a number of 27 bits for each token and the one before it; BOS is before the first."""
    tokens = segments.ids.astype(numpy.uint64)
    before = numpy.roll(tokens, 1)
    is_written = segments.lengths > 0
    before[(segments.lengths.cumsum() - segments.lengths)[is_written]] = BOS
    mixed = (before << numpy.uint64(32) | tokens) * MIX
    return (mixed >> numpy.uint64(32 + LEVEL_BITS)).astype(numpy.uint32)
