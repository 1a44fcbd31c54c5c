"""Check a prepared corpus quickly before a training: a second for millions of pairs.

Everything is read from token ids in arrays: repetition, copies, unknown characters, the overlap
with the dev set, and stretches in which the sides do not belong together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy
from numpy.typing import NDArray

from nmt.check.limits import CheckLimits
from nmt.check.repeats import Hashes, pair_hashes
from nmt.text.prepare import Prepared
from nmt.text.shards import Ids, Shard
from nmt.text.tokenizer import UNK

BLOCK_PAIRS = 1 << 11  # pairs that are hashed at once: their arrays fit into a core's cache
BASE = 0x9E3779B97F4A7C15  # an odd number: 2^64 / golden ratio
INVERSE = pow(BASE, -1, 2**64)
WINDOW = 500  # pairs whose lengths are correlated together
# Of log lengths. It is at least 0.76 in each window of clean Multi30k, Tatoeba, newstest 2013 and
# pocket, and at most 0.26 if one of the files lacks its first line.
LEAST_CORRELATION = 0.4
# A window whose log lengths vary less than this share of the whole corpus's says nothing: its
# lengths are nearly equal, as in a corpus that is sorted by length.
LEAST_SPREAD = 0.5
LIMITS = CheckLimits()
UNKNOWN_SHARE = 0.001  # of the tokens
COPIED_SHARE = 0.05  # of the pairs

Floats = NDArray[numpy.float64]


@dataclass(frozen=True)
class Quick:
    """Hold the findings of a quick look at a training corpus of n pairs."""

    pairs: int
    repeated: int  # pairs that repeat others
    copied: int  # targets equal to their sources
    unknown: int  # tokens outside the vocabulary
    tokens: int
    overlap: int  # dev pairs whose source is a source of the training text
    dev_pairs: int
    unrelated: tuple[str, ...]  # places from which on sides do not belong together


def quick_look(prepared: Prepared, dev_sources: Sequence[Sequence[int]]) -> Quick:
    """Look at a prepared corpus and the dev set; dev_sources: the token ids of its sources."""
    size, tags = len(prepared.tokenizer), prepared.tokenizer.source.tag_ids()
    parts = [part for shard in prepared.shards for part in shard_hashes(shard, size, tags)]
    sides = numpy.concatenate(parts, axis=1)
    overlap = overlapping(dev_sources, size, sides[0])
    known_powers.cache_clear()
    pairs = sides.shape[1]
    unknown, tokens = 0, 0
    for shard in prepared.shards:
        for start in range(0, len(shard.ids), 1 << 22):
            block = shard.ids[start : start + (1 << 22)]
            unknown += int(numpy.count_nonzero(block == UNK))
            tokens += len(block)
    copied = int((sides[0] == sides[1]).sum()) if prepared.tokenizer.is_joint else 0
    return Quick(
        pairs,
        repetitions(pair_hashes(sides)),
        copied,
        unknown,
        tokens,
        overlap,
        len(dev_sources),
        tuple(unrelated_places(prepared)),
    )


def lines_of(look: Quick) -> list[str]:
    """Return lines for the user: counts of what was found, and what stands out."""
    counts = (
        (look.repeated, f"{look.repeated:,} of {look.pairs:,} pairs repeat others"),
        (look.copied, f"{look.copied:,} copy their source"),
        (look.unknown, f"{look.unknown:,} of {look.tokens:,} tokens are unknown"),
        (
            look.overlap,
            f"{look.overlap:,} of {look.dev_pairs:,} dev sources are in the training text",
        ),
    )
    facts = "; ".join(text for count, text in counts if count)
    faults = [
        *look.unrelated[:1],
        *(["much is repeated"] if look.repeated > LIMITS.repeated_share * look.pairs else []),
        *(["many targets copy their source"] if look.copied > COPIED_SHARE * look.pairs else []),
        *(
            ["the vocabulary lacks characters"]
            if look.unknown > UNKNOWN_SHARE * look.tokens
            else []
        ),
        *(
            ["dev scores will be too high"]
            if look.overlap > LIMITS.overlap_share * look.dev_pairs
            else []
        ),
    ]
    if faults:
        faults.append("`nmt check` with this recipe looks closer")
    return [f"check: {each}" for each in (facts, "; ".join(faults)) if each]


def shard_hashes(shard: Shard, vocab_size: int, tags: Sequence[int]) -> Iterator[Hashes]:
    """Yield the hashes of the segments of a shard (2, block) in blocks of pairs.

    tags: ids that a source may begin with; dev sources have none, so they are left out.
    """
    for first in range(0, len(shard), BLOCK_PAIRS):
        last = min(first + BLOCK_PAIRS, len(shard))
        offsets = shard.offsets[2 * first : 2 * last + 1]
        ids = shard.ids[offsets[0] : offsets[-1]]
        hashes = segment_hashes(ids, numpy.diff(offsets), vocab_size).reshape(-1, 2).T
        if tags:
            firsts = shard.ids[offsets[:-1:2]]
            tagged = numpy.isin(firsts, tags)
            hashes[0, tagged] -= token_weights(vocab_size)[firsts[tagged]]
            hashes[0, tagged] *= numpy.uint64(INVERSE)
        yield hashes


def segment_hashes(ids: Ids, lengths: NDArray[numpy.int64], vocab_size: int) -> Hashes:
    """Return the hash of each segment: the sum over its places i of its token's weight times B^i.

    ids: of all segments, end to end. All numbers are modulo 2^64, where the odd B has an inverse: a
    segment is hashed at its place in the text, and then moved to place 0.
    """
    terms = token_weights(vocab_size)[ids]
    terms *= powers(BASE, len(ids))
    totals = numpy.zeros(len(ids) + 1, numpy.uint64)
    numpy.cumsum(terms, out=totals[1:])
    ends = lengths.cumsum()
    starts = ends - lengths
    hashes: Hashes = (totals[ends] - totals[starts]) * powers(INVERSE, len(ids) + 1)[starts]
    return hashes


@lru_cache(maxsize=1)
def token_weights(vocab_size: int) -> Hashes:
    """Return a random number for each token, which are kept for the next block."""
    return numpy.random.default_rng(1).integers(1, 2**63, vocab_size, numpy.uint64)


def powers(base: int, count: int) -> Hashes:
    """Return base^0 to base^(count - 1) modulo 2^64."""
    return known_powers(base, 1 << count.bit_length())[:count]


@lru_cache(maxsize=4)
def known_powers(base: int, count: int) -> Hashes:
    """Return powers of a base, which are kept for the next block."""
    factors = numpy.full(count, base, numpy.uint64)
    factors[0] = 1
    products: Hashes = numpy.cumprod(factors)
    return products


def overlapping(dev_sources: Sequence[Sequence[int]], vocab_size: int, sources: Hashes) -> int:
    """Return how many dev sources are among those with these hashes."""
    lengths = numpy.array([len(each) for each in dev_sources], numpy.int64)
    ids = numpy.fromiter(chain.from_iterable(dev_sources), numpy.uint32, lengths.sum())
    wanted = segment_hashes(ids, lengths, vocab_size)[lengths > 0]
    # Most sources share their last 16 bits with no dev source, and need not be sorted. numpy.isin
    # would sort them all, and import modules for 20 milliseconds.
    ends = numpy.zeros(1 << 16, numpy.bool_)
    ends[wanted.astype(numpy.uint16)] = True
    near = numpy.sort(sources[ends[sources.astype(numpy.uint16)]])
    places = numpy.searchsorted(near, wanted, side="right") - numpy.searchsorted(near, wanted)
    return int(numpy.count_nonzero(places))


def repetitions(hashes: Hashes) -> int:
    """Return how many hashes repeat others."""
    ordered = numpy.sort(hashes)  # several times as fast as numpy.unique
    return int(numpy.count_nonzero(ordered[1:] == ordered[:-1]))


def unrelated_places(prepared: Prepared) -> Iterator[str]:
    """Yield a phrase for each corpus in which lengths of sources and targets are unrelated.

    It names the first line of such a window.
    """
    for shard, name in zip(prepared.shards, prepared.names, strict=True):
        first, whole = 0, spread(shard)
        for source, target in shard.lengths():
            found, spreads = correlations(source, target)
            varied = (spreads >= LEAST_SPREAD * whole).all(0)
            low = numpy.flatnonzero((found < LEAST_CORRELATION) & varied)
            if len(low):
                line = int(shard.lines[first + int(low[0]) * WINDOW])
                yield f"the sides of {name} may not belong together from about line {line:,} on"
                break
            first += len(source)


def spread(shard: Shard) -> Floats:
    """Return the standard deviations (2, 1) of the log lengths of sources and targets."""
    count, total, squares = 0, numpy.zeros(2), numpy.zeros(2)
    for sides in shard.lengths():
        logs = numpy.log1p(numpy.stack(sides))
        count += logs.shape[1]
        total += logs.sum(1)
        squares += (logs**2).sum(1)
    mean = total / max(1, count)
    found: Floats = numpy.sqrt(numpy.maximum(0, squares / max(1, count) - mean**2))
    return found[:, None]


def correlations(
    source: NDArray[numpy.int64], target: NDArray[numpy.int64]
) -> tuple[Floats, Floats]:
    """Return the correlation of log lengths in each whole window, and their standard deviations.

    The correlations (windows,) are NaN if lengths do not vary; the deviations are (2, windows).
    """
    windows = len(source) // WINDOW
    logs = [
        numpy.log1p(side[: windows * WINDOW]).reshape(windows, WINDOW) for side in (source, target)
    ]
    first, second = (each - each.mean(1, keepdims=True) for each in logs)
    squares = numpy.stack([(first**2).sum(1), (second**2).sum(1)])
    with numpy.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (first * second).sum(1) / numpy.sqrt(squares[0] * squares[1])
    return found, numpy.sqrt(squares / WINDOW)
