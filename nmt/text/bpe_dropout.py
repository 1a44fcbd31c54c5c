"""BPE-dropout: the same text in other pieces each epoch, so that rare pieces are learned too.

Provilkov, Emelianenko and Voita, 2020, "BPE-Dropout: Simple and Effective Subword Regularization",
Algorithm 1. In each iteration every possible merge of a word is dropped with probability p, anew;
of those left the one of highest priority, the leftmost of equals, is applied; the word is done when
none is left. With p = 0 that is SentencePiece's own BPE, with p = 1 single characters.

SentencePiece samples too, but from a generator that cannot be reseeded, and it drops a merge once
and for all, which cuts finer at the same p. Here a merge's draw is a hash of what it is drawn for,
so that a segment's pieces depend on (seed, epoch, the segment's key) and on nothing else.
"""

import math

import numpy
from numpy.typing import NDArray

from nmt.text.tokenizer import EOS, SPACE, SubwordModel, Tokenizer

Integers = NDArray[numpy.int64]
Unsigned = NDArray[numpy.uint64]

NONE = 2**31 - 1  # "no merge": greater than every id, hence of the lowest priority
GONE = -1  # in place of a symbol that was merged into the one before it
GOLDEN = numpy.uint64(0x9E3779B97F4A7C15)  # SplitMix64's step, 2^64 over the golden ratio


def unsigned(number: int) -> Unsigned:
    """A number modulo 2^64; an array (1,), because numpy warns where scalars overflow."""
    return numpy.array([number % 2**64], numpy.uint64)


def split_mix(states: Unsigned, numbers: Unsigned) -> Unsigned:
    """Output `numbers`, counted from 0, of the SplitMix64 generators in `states`; they broadcast.

    Steele, Lea and Flood, 2014, "Fast Splittable Pseudorandom Number Generators". An output serves
    as the state of another generator.
    """
    bits = states + (numbers + numpy.uint64(1)) * GOLDEN
    bits ^= bits >> numpy.uint64(30)
    bits *= numpy.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> numpy.uint64(27)
    bits *= numpy.uint64(0x94D049BB133111EB)
    bits ^= bits >> numpy.uint64(31)
    return bits


def bounds(lengths: Integers) -> Integers:
    """Where n runs of these lengths begin, and where the last one ends: (n + 1,)."""
    return numpy.concatenate([[0], numpy.cumsum(lengths)])


class Merges:
    """Which two pieces make a third: SentencePiece merges two wherever their concatenation is one.

    The lower the merged id, the higher the priority: SentencePiece's BPE numbers pieces in the
    order in which it learned them, and each scores one less than the piece before it.
    """

    def __init__(self, ids: dict[str, int], size: int) -> None:
        """From the pieces that take part and the number of all pieces V."""
        found = [
            (ids[piece[:cut]] * size + ids[piece[cut:]], merged)
            for piece, merged in ids.items()
            for cut in range(1, len(piece))
            if piece[:cut] in ids and piece[cut:] in ids
        ]
        # One key more, greater than any that is looked for, so that every search ends at a key.
        table = numpy.array([*sorted(found), (size * size, NONE)], numpy.int64)
        self._keys, self._merged = table.T.copy()
        self._size = size

    def find(self, left: Integers, right: Integers) -> Integers:
        """What each left piece makes with its right one, an id or NONE; all arrays (m,)."""
        keys = left * self._size + right
        places = numpy.searchsorted(self._keys, keys)
        return numpy.where(self._keys[places] == keys, self._merged[places], NONE)


class BpeDropout:
    """Cuts encoded segments of one vocabulary anew at random."""

    def __init__(self, vocabulary: SubwordModel, probability: float, seed: int) -> None:
        """The probability is that of dropping a merge, from 0 to 1."""
        pieces = [vocabulary.piece(each) for each in range(len(vocabulary))]
        ids = {piece: each for each, piece in enumerate(pieces) if each > EOS}
        # A piece with a character that is none by itself stays whole, as special pieces do.
        ids = {piece: each for piece, each in ids.items() if all(char in ids for char in piece)}
        symbols = [
            [ids[char] for char in piece] if ids.get(piece) == each else [each]
            for each, piece in enumerate(pieces)
        ]
        self._symbols = numpy.array([each for row in symbols for each in row], numpy.int64)
        self._counts = numpy.array([len(row) for row in symbols], numpy.int64)
        self._begins = bounds(self._counts)[:-1]
        self._begins_word = numpy.array([piece.startswith(SPACE) for piece in pieces])
        self._merges = Merges(ids, len(pieces))
        self._threshold = numpy.uint64(math.ceil(probability * 2**53))  # of a draw of 53 bits
        self._seed = seed

    def resegment(
        self, ids: Integers, lengths: Integers, keys: Integers, epoch: int
    ) -> tuple[Integers, Integers]:
        """The segments in the pieces drawn for this epoch: their flat ids and lengths, as given.

        ids: piece ids of all segments, end to end; lengths (n,): how many each has, or none;
        keys (n,): a number that tells a segment from all others, whatever batch it is in.
        """
        places = bounds(self._counts[ids])
        symbols = self._expand(ids)
        segments = places[bounds(lengths)]  # where each begins in `symbols`
        counts = numpy.diff(segments)
        index = numpy.arange(len(symbols)) - numpy.repeat(segments[:-1], counts)
        words = numpy.flatnonzero(self._begins_word[symbols] | (index == 0))
        epochs = split_mix(unsigned(self._seed), unsigned(epoch))
        streams = split_mix(epochs, keys.astype(numpy.uint64))
        noise = split_mix(numpy.repeat(streams, counts), index.astype(numpy.uint64))
        merged = self._merge(symbols, words, noise)
        remain = merged != GONE
        return merged[remain], numpy.diff(bounds(remain)[segments])

    def _expand(self, ids: Integers) -> Integers:
        """The pieces' characters, end to end."""
        counts = self._counts[ids]
        shifts = self._begins[ids] - bounds(counts)[:-1]  # from places in the result to the table's
        symbols: Integers = self._symbols[numpy.repeat(shifts, counts) + numpy.arange(counts.sum())]
        return symbols

    def _merge(self, symbols: Integers, starts: Integers, noise: Unsigned) -> Integers:
        """Algorithm 1 on all words at once, each iteration merging one pair in every word.

        symbols (m,): characters; starts: where words begin among them; noise (m,): the generator
        of what is drawn for pairs that begin with that character, an output an iteration.
        Returns (m,): each piece where its first character stood, and GONE where its others did.
        """
        result = symbols.copy()
        # Of all symbols of words that are not done: their places in `result`, and what each makes
        # with the next one. Words that are done leave these arrays, so that iterations get cheap.
        places = numpy.arange(len(symbols))
        lengths = numpy.diff(starts, append=len(symbols))
        pairs = numpy.full(len(symbols), NONE, numpy.int64)
        pairs[:-1] = self._merges.find(symbols[:-1], symbols[1:])
        pairs[starts + lengths - 1] = NONE
        iteration = 0
        while len(starts):
            draws = split_mix(noise, unsigned(iteration)) >> numpy.uint64(11)
            # The id above, the place below: the least is the leftmost of the highest priority.
            ranks = numpy.where(draws < self._threshold, NONE, pairs) << 32
            best = numpy.minimum.reduceat(ranks + numpy.arange(len(ranks)), starts)
            active = best < NONE << 32
            left = best[active] & (2**32 - 1)
            result[places[left]] = pairs[left]
            result[places[left + 1]] = GONE
            keep = numpy.repeat(active, lengths)
            keep[left + 1] = False
            kept = numpy.flatnonzero(keep)
            places, pairs, noise = places[kept], pairs[kept], noise[kept]
            within = left - starts[active]
            lengths = lengths[active] - 1
            starts = numpy.cumsum(lengths) - lengths
            left = starts + within
            # A merged symbol has new pairs: with the symbol after it, and with the one before.
            pairs[left] = NONE
            new = numpy.concatenate([left[within + 1 < lengths], left[within > 0] - 1])
            pairs[new] = self._merges.find(result[places[new]], result[places[new + 1]])
            iteration += 1
        return result


def bpe_dropouts(
    tokenizer: Tokenizer, probability: float, seed: int
) -> tuple[BpeDropout, BpeDropout] | None:
    """Of source and target, which may be the same; none if nothing is dropped."""
    if not probability:
        return None
    source = BpeDropout(tokenizer.source, probability, seed)
    if tokenizer.is_joint:
        return source, source
    return source, BpeDropout(tokenizer.target, probability, seed)
