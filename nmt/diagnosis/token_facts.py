"""Count the tokens of a training corpus, and compare those of the dev set with them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy
from numpy.typing import NDArray

from nmt.text.corpus import Pair
from nmt.text.shards import Shard
from nmt.text.tokenizer import EOS, UNK, SubwordModel, Tokenizer

BLOCK_PAIRS = 1 << 16  # pairs that are counted at once, to bound memory
MOST_BLOCKS = 16  # a million pairs: more would delay the start and change no finding
RARE = 10  # a token that is seen less often is rare
BYTE = re.compile("<0x[0-9A-F]{2}>")  # a piece of a vocabulary with `tokenizer.byte_fallback`

Counts = NDArray[numpy.int64]


@dataclass(frozen=True)
class SideFacts:
    """Describe the tokens of one side of the training text, or of the part that was counted."""

    segments: int
    tokens: int  # without EOS
    unknown: int  # tokens outside the vocabulary
    entropy: float  # nats a token with EOS: the loss of a model that knows only frequencies
    once: int = (
        0  # tokens that occur once; by Good and Turing, as many new ones come in such a text
    )


@dataclass(frozen=True)
class DevFacts:
    """Describe the tokens of one side of the dev set."""

    segments: int
    tokens: int  # without EOS
    unknown: int
    cross_entropy: float  # nats a token with EOS, by the frequencies in the training text


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
    dev: tuple[DevFacts, DevFacts] | None = None  # None: the dev set is not at hand


def token_facts(
    shards: Sequence[Shard],
    tokenizer: Tokenizer,
    dev_pairs: Sequence[Pair] = (),
) -> TokenFacts:
    """Return the facts of prepared text; of a large text, about a million pairs are read."""
    counts, pairs = count_tokens(shards, len(tokenizer))
    sides = [side_facts(each, pairs) for each in counts]
    dev = None
    if dev_pairs:
        texts = [pair.source for pair in dev_pairs], [pair.target for pair in dev_pairs]
        encoded = (
            subwords.encode(text) for subwords, text in zip(tokenizer.sides, texts, strict=True)
        )
        source, target = (
            dev_facts(segments, each) for segments, each in zip(encoded, counts, strict=True)
        )
        dev = source, target
    return TokenFacts((sides[0], sides[1]), vocabularies(counts, tokenizer), dev)


def count_tokens(shards: Sequence[Shard], vocab_size: int) -> tuple[Counts, int]:
    """Return how often each token occurs on each side (2, V), EOS included, and in how many pairs.

    If the text has more than MOST_BLOCKS blocks of pairs, blocks at equal distances are counted.
    """
    counts = numpy.zeros(2 * vocab_size, numpy.int64)
    blocks = [(each, first) for each in shards for first in range(0, len(each), BLOCK_PAIRS)]
    pairs = 0
    for shard, first in blocks[:: max(1, -(-len(blocks) // MOST_BLOCKS))]:
        last = min(first + BLOCK_PAIRS, len(shard))
        offsets = shard.offsets[2 * first : 2 * last + 1]
        ids = shard.ids[offsets[0] : offsets[-1]].astype(numpy.int64)
        shift = numpy.tile([0, vocab_size], last - first)  # the target counts follow
        ids += numpy.repeat(shift, numpy.diff(offsets))
        counts += numpy.bincount(ids, minlength=2 * vocab_size)
        pairs += last - first
    sides = counts.reshape(2, vocab_size)
    sides[:, EOS] += pairs
    return sides, pairs


def side_facts(counts: Counts, segments: int) -> SideFacts:
    """Return the facts of one side; counts (V,)."""
    total = int(counts.sum())
    seen = counts[counts > 0]
    entropy = float(numpy.log(total) - (seen * numpy.log(seen)).sum() / total) if total else 0.0
    once = int((counts == 1).sum())
    return SideFacts(segments, total - segments, int(counts[UNK]), entropy, once)


def dev_facts(segments: Sequence[Sequence[int]], counts: Counts) -> DevFacts:
    """Return the facts of one side of the dev set; counts (V,): those of the training text.

    A token that the training text lacks counts as half a token there.
    """
    ids = numpy.fromiter(chain.from_iterable(segments), numpy.int64)
    with_ends = numpy.concatenate([ids, numpy.full(len(segments), EOS, numpy.int64)])
    smooth = counts + 0.5
    surprise = -numpy.log(smooth / smooth.sum())[with_ends]
    unknown = int(numpy.count_nonzero(ids == UNK))
    return DevFacts(len(segments), len(ids), unknown, float(surprise.mean()))


def vocabularies(counts: Counts, tokenizer: Tokenizer) -> tuple[Vocabulary, ...]:
    """Return each vocabulary with its rare tokens; counts (2, V)."""
    if tokenizer.is_joint:
        return (vocabulary("", tokenizer.source, counts.sum(0)),)
    return tuple(
        vocabulary(side, subwords, used)
        for side, subwords, used in zip(("source", "target"), tokenizer.sides, counts, strict=True)
    )


def vocabulary(side: str, subwords: SubwordModel, counts: Counts) -> Vocabulary:
    """Return a vocabulary with its rare tokens; counts (V,).

    Characters, bytes and special tokens are none: a smaller vocabulary must have them, too.
    """
    size = len(subwords)
    rare = numpy.flatnonzero(counts[:size] < RARE)
    return Vocabulary(side, size, sum(is_merged(subwords, int(each)) for each in rare))


def is_merged(subwords: SubwordModel, piece_id: int) -> bool:
    """Return whether an id is that of a piece of several characters of text."""
    if piece_id <= EOS or subwords.is_tag(piece_id):
        return False
    piece = subwords.piece(piece_id)
    return len(piece) > 1 and not BYTE.fullmatch(piece)
