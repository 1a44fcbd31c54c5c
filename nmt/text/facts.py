"""Read from the shards of a training corpus what stands out before a training begins.

A quick look takes a second for millions of pairs. It reads token ids in arrays: repetition, copies,
unknown characters, the overlap with the dev set, and stretches in which the sides do not belong
together. The facts about tokens are counts of them, also in the dev set.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy
from numpy.typing import NDArray

from nmt.config import DataSettings
from nmt.text.encode import encode_whole
from nmt.text.known_text import MIX, KnownText, hash_pairs
from nmt.text.reading.corpus import Pair
from nmt.text.shards import Ids, Integers, Shard, damaged, flatten, split_sides, without_controls
from nmt.text.subwords.tokenizer import EOS, UNK, SubwordModel, Tokenizer

HASHED_PAIRS = 1 << 11  # at once: their arrays fit into a core's cache
COUNTED_PAIRS = 1 << 16  # at once, to bound memory
MOST_BLOCKS = 16  # a million pairs: more would delay the start and change no finding
RARE = 10  # a token that is seen less often is rare

BASE = int(MIX)  # an odd number
INVERSE = pow(BASE, -1, 2**64)

WINDOW = 500  # pairs whose lengths are correlated together
# Of log lengths. It is at least 0.76 in each window of clean Multi30k, Tatoeba, newstest 2013 and
# pocket, and at most 0.26 if one of the files lacks its first line.
LEAST_CORRELATION = 0.4
# A window whose log lengths vary less than this share of the whole corpus's says nothing: its
# lengths are nearly equal, as in a corpus that is sorted by length.
LEAST_SPREAD = 0.5
# The first two are thresholds of `nmt check`, too.
REPEATED_SHARE = 0.1  # of the pairs
OVERLAP_SHARE = 0.5  # of the dev set
COPIED_SHARE = 0.05  # of the pairs
UNKNOWN_SHARE = 0.001  # of the tokens

ALONE = DataSettings()  # pairs without context

Hashes = NDArray[numpy.uint64]
Floats = NDArray[numpy.float64]


def read_block(shard: Shard, vocab_size: int, first: int, count: int) -> tuple[Ids, Integers]:
    """Return the ids of pairs from a first one on, end to end, and the lengths of their segments.

    The segments are source, target, source, target and so on. At the end there are fewer pairs.
    Raises DamagedError for numbers that no shard has: size and time do not show that a disk failed.
    """
    offsets = shard.offsets[2 * first : 2 * (first + count) + 1]
    ids, lengths = shard.ids[offsets[0] : offsets[-1]], numpy.diff(offsets)
    is_whole = lengths.min() >= 0 and lengths.sum() == len(ids)
    if not is_whole or ids.max(initial=0) >= vocab_size:
        raise damaged(shard.path)
    return ids, lengths


@dataclass(frozen=True)
class QuickLook:
    """Hold the findings of a quick look at a training corpus of n pairs."""

    pairs: int
    repeated: int  # pairs that repeat others
    copied: int  # targets equal to their sources
    unknown: int  # tokens outside the vocabulary
    tokens: int
    overlap: int  # dev pairs whose source is a source of the training text
    dev_pairs: int
    unrelated: tuple[str, ...]  # phrases about where the sides do not belong together

    def lines(self) -> list[str]:
        """Return lines for the user: counts of what was found, and what stands out."""
        counts = (
            (self.repeated, f"{self.repeated:,} of {self.pairs:,} pairs repeat others"),
            (self.copied, f"{self.copied:,} copy their source"),
            (self.unknown, f"{self.unknown:,} of {self.tokens:,} tokens are unknown"),
            (
                self.overlap,
                f"{self.overlap:,} of {self.dev_pairs:,} dev sources are in the training text",
            ),
        )
        facts = "; ".join(text for count, text in counts if count)
        shares = (
            (self.repeated > REPEATED_SHARE * self.pairs, "much is repeated"),
            (self.copied > COPIED_SHARE * self.pairs, "many targets copy their source"),
            (self.unknown > UNKNOWN_SHARE * self.tokens, "the vocabulary lacks characters"),
            (self.overlap > OVERLAP_SHARE * self.dev_pairs, "dev scores will be too high"),
        )
        faults = [*self.unrelated[:1], *(text for is_large, text in shares if is_large)]
        if faults:
            faults.append("`nmt check` with this recipe looks closer")
        return [f"check: {line}" for line in (facts, "; ".join(faults)) if line]


def quick_look(
    shards: Sequence[Shard],
    names: Sequence[str],
    tokenizer: Tokenizer,
    dev_sources: Sequence[Sequence[int]],
) -> QuickLook:
    """Look at a prepared corpus and the dev set.

    names: of the text of each shard. dev_sources: the token ids of the dev set's sources.
    """
    size, tags = len(tokenizer), [side.tag_ids() for side in tokenizer.sides]
    blocks, unknown, tokens = [], 0, 0
    for shard in shards:
        for first in range(0, len(shard), HASHED_PAIRS):
            ids, lengths = read_block(shard, size, first, HASHED_PAIRS)
            blocks.append(hash_sides(ids, lengths, size, tags))
            unknown += int(numpy.count_nonzero(ids == UNK))
            tokens += len(ids)
    sides = numpy.concatenate(blocks, axis=1)
    overlap = count_overlap(dev_sources, size, sides[0])
    powers.cache_clear()
    ordered = numpy.sort(pair_hashes(sides))  # several times as fast as numpy.unique
    return QuickLook(
        sides.shape[1],
        int(numpy.count_nonzero(ordered[1:] == ordered[:-1])),
        int((sides[0] == sides[1]).sum()) if tokenizer.is_joint else 0,
        unknown,
        tokens,
        overlap,
        len(dev_sources),
        tuple(find_unrelated(shards, names)),
    )


def hash_sides(
    ids: Ids, lengths: Integers, vocab_size: int, tags: Sequence[Sequence[int]]
) -> Hashes:
    """Return the hashes of the sides of pairs (2, n); ids and lengths are those of `read_block`.

    tags: ids of control tokens of each side; dev sources have none, so they and what is before
    are left out.
    """
    if not any(tags):
        return hash_segments(ids, lengths, vocab_size).reshape(-1, 2).T
    sides = zip(split_sides(cast(Any, ids), lengths), tags, strict=True)
    own = [without_controls(side, controls)[0] for side, controls in sides]
    return numpy.stack([hash_segments(side.ids, side.lengths, vocab_size) for side in own])


def pair_hashes(sides: Hashes) -> Hashes:
    """Return the hashes of pairs (n,) from those of their sides (2, n)."""
    hashes: Hashes = sides[0] * MIX ^ sides[1]  # equal sides do not cancel out
    return hashes


def hash_segments(ids: NDArray[numpy.integer[Any]], lengths: Integers, vocab_size: int) -> Hashes:
    """Return the hash of each segment: the sum over its tokens i of the token's weight times B^i.

    ids: of all segments, end to end. All numbers are modulo 2^64, where the odd B has an inverse: a
    segment is hashed where it stands among the ids, and then moved to the beginning.
    """
    terms = token_weights(vocab_size)[ids]
    terms *= powers(BASE, len(ids).bit_length())[: len(ids)]
    totals = numpy.zeros(len(ids) + 1, numpy.uint64)
    numpy.cumsum(terms, out=totals[1:])
    ends = lengths.cumsum()
    starts = ends - lengths
    inverses = powers(INVERSE, (len(ids) + 1).bit_length())
    hashes: Hashes = (totals[ends] - totals[starts]) * inverses[starts]
    return hashes


@lru_cache(maxsize=1)
def token_weights(vocab_size: int) -> Hashes:
    """Return a random number for each token, which are kept for the next block."""
    return numpy.random.default_rng(1).integers(1, 2**63, vocab_size, numpy.uint64)


@lru_cache(maxsize=4)
def powers(base: int, bits: int) -> Hashes:
    """Return base^0 to base^(2^bits - 1) modulo 2^64, which are kept for the next block."""
    factors = numpy.full(1 << bits, base, numpy.uint64)
    factors[0] = 1
    return numpy.cumprod(factors, dtype=numpy.uint64)


def count_overlap(dev_sources: Sequence[Sequence[int]], vocab_size: int, sources: Hashes) -> int:
    """Return how many dev sources are among those with these hashes."""
    dev = flatten(dev_sources)
    wanted = hash_segments(dev.ids, dev.lengths, vocab_size)[dev.lengths > 0]
    # Most sources share their last 16 bits with no dev source, and need not be sorted. numpy.isin
    # would sort them all, and import modules for 20 milliseconds.
    ends = numpy.zeros(1 << 16, numpy.bool_)
    ends[wanted.astype(numpy.uint16)] = True
    near = numpy.sort(sources[ends[sources.astype(numpy.uint16)]])
    counts = numpy.searchsorted(near, wanted, side="right") - numpy.searchsorted(near, wanted)
    return int(numpy.count_nonzero(counts))


def find_unrelated(shards: Sequence[Shard], names: Sequence[str]) -> Iterator[str]:
    """Yield a phrase for each shard in which lengths of sources and targets are unrelated.

    It names the first line of such a window.
    """
    for shard, name in zip(shards, names, strict=True):
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


def correlations(source: Integers, target: Integers) -> tuple[Floats, Floats]:
    """Return the correlation of log lengths in each whole window, and their standard deviations.

    The correlations (windows,) are NaN if lengths do not vary; the deviations are (2, windows).
    """
    windows = len(source) // WINDOW
    sides = numpy.stack([source, target])[:, : windows * WINDOW].reshape(2, windows, WINDOW)
    logs = numpy.log1p(sides)
    logs -= logs.mean(2, keepdims=True)
    squares = (logs**2).sum(2)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (logs[0] * logs[1]).sum(1) / numpy.sqrt(squares[0] * squares[1])
    return found, numpy.sqrt(squares / WINDOW)


@dataclass(frozen=True)
class SideFacts:
    """Describe the tokens of one side of a text, or of the part that was counted."""

    segments: int
    tokens: int  # without EOS
    # Nats a token with EOS: the loss of a model that knows only how frequent each token is in the
    # training text.
    entropy: float


@dataclass(frozen=True)
class Vocabulary:
    """Describe how often the training text uses a vocabulary of V tokens."""

    side: str  # "source", "target", or "" if both sides share it
    size: int  # V
    rare: int  # tokens of several characters that are seen less than `RARE` times


@dataclass(frozen=True)
class TokenFacts:
    """Describe a training corpus as the model reads it; source before target."""

    sides: tuple[SideFacts, SideFacts]
    vocabularies: tuple[Vocabulary, ...]
    dev: tuple[SideFacts, SideFacts] | None = None  # None: the dev set is not at hand


def token_facts(
    shards: Sequence[Shard],
    tokenizer: Tokenizer,
    dev_pairs: Sequence[Pair] = (),
    data: DataSettings = ALONE,
) -> TokenFacts:
    """Return the facts of a prepared corpus; of a large one, about a million pairs are read.

    data: the settings of the corpus, which tell the context of the pairs.
    """
    counts = count_tokens(shards, len(tokenizer))
    source, target = (side_facts(side, side) for side in counts)
    dev = None
    if pairs := [pair for pair in encode_whole(dev_pairs, tokenizer, data) if all(pair)]:
        sources, targets = zip(*pairs, strict=True)
        dev = dev_facts(sources, counts[0]), dev_facts(targets, counts[1])
    return TokenFacts((source, target), vocabularies(counts, tokenizer), dev)


def count_tokens(shards: Sequence[Shard], vocab_size: int) -> Integers:
    """Return how often each token occurs on each side (2, V); EOS occurs once a segment."""
    counts = numpy.zeros(2 * vocab_size, numpy.int64)
    for ids, lengths in counted_blocks(shards, vocab_size):
        shifts = numpy.tile([0, vocab_size], len(lengths) // 2)  # the target counts follow
        counts += numpy.bincount(ids + numpy.repeat(shifts, lengths), minlength=2 * vocab_size)
        counts[[EOS, vocab_size + EOS]] += len(lengths) // 2
    return counts.reshape(2, vocab_size)


def known_text(
    shards: Sequence[Shard], tokenizer: Tokenizer, dev_sources: Sequence[Sequence[int]]
) -> KnownText | None:
    """Return what tells whether a source is like those of a prepared corpus; see `KnownText`.

    dev_sources: the token ids of the dev set's sources. Languages and context are left out.
    """
    tags = tokenizer.source.tag_ids()
    pairs = [
        hash_pairs(without_controls(split_sides(cast(Any, ids), lengths)[0], tags)[0])
        for ids, lengths in counted_blocks(shards, len(tokenizer))
    ]
    dev, _ = without_controls(flatten(dev_sources), tags)
    return KnownText.count(numpy.concatenate(pairs), dev)


def counted_blocks(shards: Sequence[Shard], vocab_size: int) -> Iterator[tuple[Ids, Integers]]:
    """Yield the blocks of pairs that are counted, as `read_block` returns them.

    If the text has more than MOST_BLOCKS, they are at equal distances.
    """
    blocks = [(shard, first) for shard in shards for first in range(0, len(shard), COUNTED_PAIRS)]
    for shard, first in blocks[:: max(1, -(-len(blocks) // MOST_BLOCKS))]:
        yield read_block(shard, vocab_size, first, COUNTED_PAIRS)


def side_facts(counts: Integers, frequencies: NDArray[numpy.number[Any]]) -> SideFacts:
    """Return the facts of one side of a text.

    counts (V,): of its tokens, and of its segments for EOS. frequencies (V,): how often each token
    is in the training text, more than 0 for all that are counted.
    """
    total, segments = int(counts.sum()), int(counts[EOS])
    seen = numpy.flatnonzero(counts)
    surprise = -numpy.log(frequencies[seen] / frequencies.sum())
    entropy = float((counts[seen] * surprise).sum()) / max(1, total)
    return SideFacts(segments, total - segments, entropy)


def dev_facts(segments: Sequence[Sequence[int]], counts: Integers) -> SideFacts:
    """Return the facts of one side of the dev set; counts (V,): those of the training text.

    A token that the training text lacks counts as half a token there.
    """
    own_counts = numpy.bincount(flatten(segments).ids, minlength=len(counts))
    own_counts[EOS] += len(segments)
    return side_facts(own_counts, counts + 0.5)


def vocabularies(counts: Integers, tokenizer: Tokenizer) -> tuple[Vocabulary, ...]:
    """Return each vocabulary with its rare tokens; counts (2, V).

    Characters, bytes and special tokens are never rare: every vocabulary needs them.
    """
    if tokenizer.is_joint:
        used = [("", tokenizer.source, counts.sum(0))]
    else:
        used = [*zip(("source", "target"), tokenizer.sides, counts, strict=True)]
    return tuple(
        Vocabulary(
            side,
            len(subwords),
            sum(
                is_merged(subwords, int(token))
                for token in numpy.flatnonzero(numbers[: len(subwords)] < RARE)
            ),
        )
        for side, subwords, numbers in used
    )


def is_merged(subwords: SubwordModel, token: int) -> bool:
    """Return whether an id is that of a piece of several characters of text."""
    if token <= EOS or subwords.is_tag(token):
        return False
    piece = subwords.piece(token)
    return len(piece) > 1 and not subwords.is_byte(piece)
