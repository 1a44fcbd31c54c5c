"""BPE-dropout: segment the text into different subwords each epoch, so that rare ones are learned.

Provilkov, Emelianenko and Voita, 2020, "BPE-Dropout: Simple and Effective Subword Regularization",
Algorithm 1. Each iteration drops every possible merge of a word with probability p, independently
of other iterations. Of the merges left it applies the one of highest priority, the leftmost if
several are equal. The word is done when no merge is left. With p = 0 the result is SentencePiece's
own BPE, with p = 1 it is single characters.

SentencePiece can sample too, but its generator cannot be seeded again, and it drops a merge for
good, which gives shorter subwords at the same p. Here the draw for a merge is a hash, so that a
segment's subwords depend on the seed, the epoch and the segment's key only.

An epoch is planned by the lengths of the prepared segments. BPE-dropout lengthens each segment by a
different amount: a quarter of the planned batches was padding. So batches are regrouped by the
lengths that their pairs really have.
"""

import math
from collections.abc import Callable

import numpy
from numpy.typing import NDArray

from nmt.text.plan import EpochPlan, order_by_length
from nmt.text.shards import FlatSegments, Integers, bounds, stretches
from nmt.text.subwords.tokenizer import EOS, SPACE, SubwordModel, Tokenizer

Unsigned = NDArray[numpy.uint64]

NONE = 2**31 - 1  # means "no merge": greater than every id, hence of the lowest priority
GONE = -1  # replaces a symbol that was merged into the symbol before it
WINDOW = 128  # batches regrouped together; with 64, padding is half as much again
MAX_LENGTH = numpy.iinfo(numpy.uint16).max  # tokens; the sort treats longer segments as equal
GOLDEN = numpy.uint64(0x9E3779B97F4A7C15)  # SplitMix64's step, 2^64 over the golden ratio


def unsigned(number: int) -> Unsigned:
    """Return a number modulo 2^64, as an array (1,) because numpy warns if scalars overflow."""
    return numpy.array([number % 2**64], numpy.uint64)


def split_mix(states: Unsigned, numbers: Unsigned) -> Unsigned:
    """Return outputs of SplitMix64 generators.

    states, numbers: arrays that broadcast; `numbers` counts a generator's outputs from 0. An output
    can serve as the state of another generator. Source: Steele, Lea and Flood, 2014, "Fast
    Splittable Pseudorandom Number Generators".
    """
    return mix_bits(states + (numbers + numpy.uint64(1)) * GOLDEN)


def mix_bits(bits: Unsigned) -> Unsigned:
    """Mix numbers in place by SplitMix64's last step, and return them."""
    bits ^= bits >> numpy.uint64(30)
    bits *= numpy.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> numpy.uint64(27)
    bits *= numpy.uint64(0x94D049BB133111EB)
    bits ^= bits >> numpy.uint64(31)
    return bits


class Merges:
    """The merges of a BPE vocabulary.

    SentencePiece merges two pieces if their concatenation is a piece. A lower id of the result
    means a higher priority: SentencePiece's BPE numbers pieces in the order in which it learned
    them, and each scores one less than the piece before it.
    """

    def __init__(self, ids: dict[str, int], size: int) -> None:
        """Build the table from the ids of the pieces that may merge; size: of the vocabulary V."""
        found = [
            (ids[piece[:cut]] * size + ids[piece[cut:]], merged)
            for piece, merged in ids.items()
            for cut in range(1, len(piece))
            if piece[:cut] in ids and piece[cut:] in ids
        ]
        # A last key, greater than all that are looked up, so that every search ends at a key.
        table = numpy.array([*sorted(found), (size * size, NONE)], numpy.int64)
        self._keys, self._merged = table.T.copy()
        self._size = size

    def find(self, left: Integers, right: Integers) -> Integers:
        """Return the id that each left and right piece merge into, or NONE; all arrays (m,)."""
        keys = left * self._size + right
        indices = numpy.searchsorted(self._keys, keys)
        return numpy.where(self._keys[indices] == keys, self._merged[indices], NONE)


class BpeDropout:
    """A random resegmentation of encoded segments with one vocabulary."""

    def __init__(self, vocabulary: SubwordModel, probability: float, seed: int) -> None:
        """Prepare the tables; `probability` is that of dropping a merge, from 0 to 1."""
        pieces = [*map(vocabulary.piece, range(len(vocabulary)))]
        ids = {
            piece: piece_id
            for piece_id, piece in enumerate(pieces)
            if piece_id > EOS and not vocabulary.is_byte(piece) and not vocabulary.is_tag(piece_id)
        }
        # A piece stays whole if one of its characters is not a piece; so do special pieces, and
        # bytes, whose names are spelled with ordinary characters.
        ids = {
            piece: piece_id for piece, piece_id in ids.items() if all(char in ids for char in piece)
        }
        symbols = [
            [ids[char] for char in piece] if ids.get(piece) == piece_id else [piece_id]
            for piece_id, piece in enumerate(pieces)
        ]
        self._symbols = numpy.array([symbol for row in symbols for symbol in row], numpy.int64)
        self._counts = numpy.array([len(row) for row in symbols], numpy.int64)
        self._ends = self._counts.cumsum()
        self._starts_word = numpy.array([piece.startswith(SPACE) for piece in pieces])
        self._merges = Merges(ids, len(pieces))
        self._threshold = numpy.uint64(math.ceil(probability * 2**53))  # of a draw of 53 bits
        self._seed = seed

    def resegment(self, segments: FlatSegments, keys: Integers, epoch: int) -> FlatSegments:
        """Return n segments with the subwords drawn for an epoch.

        keys (n,): a number that identifies each segment, whatever batch it is in.
        """
        lengths = self._counts[segments.ids]
        symbols = stretches(self._symbols, self._ends[segments.ids], lengths)
        starts = bounds(lengths)[bounds(segments.lengths)]  # of each segment in `symbols`
        counts = numpy.diff(starts)
        index = numpy.arange(len(symbols)) - numpy.repeat(starts[:-1], counts)
        words = numpy.flatnonzero(self._starts_word[symbols] | (index == 0))
        epochs = split_mix(unsigned(self._seed), unsigned(epoch))
        streams = split_mix(epochs, keys.astype(numpy.uint64))
        noise = split_mix(numpy.repeat(streams, counts), index.astype(numpy.uint64))
        merged = self._merge(symbols, words, noise)
        remain = merged != GONE
        return FlatSegments(merged[remain], numpy.diff(bounds(remain)[starts]))

    def _merge(self, symbols: Integers, starts: Integers, noise: Unsigned) -> Integers:
        """Run Algorithm 1 on all words at once; each iteration merges one pair in every word.

        symbols (m,): characters. starts: where words start among them. noise (m,): a generator for
        the pairs that start with that character, of which each iteration uses one output. Returns
        an array (m,) with each subword at the index of its first character, and GONE at those of
        the others.
        """
        result = symbols.copy()
        # For all symbols of unfinished words: the index in `result`, and the merge with the next
        # symbol. Finished words leave these arrays, so that later iterations are cheap.
        indices = numpy.arange(len(symbols))
        lengths = numpy.diff(starts, append=len(symbols))
        pairs = numpy.full(len(symbols), NONE, numpy.int64)
        pairs[:-1] = self._merges.find(symbols[:-1], symbols[1:])
        pairs[starts + lengths - 1] = NONE
        iteration = 0
        while len(starts):
            draws = split_mix(noise, unsigned(iteration)) >> numpy.uint64(11)
            # Id in the high bits, index in the low: the minimum is the leftmost best merge.
            ranks = numpy.where(draws < self._threshold, NONE, pairs) << 32
            best = numpy.minimum.reduceat(ranks + numpy.arange(len(ranks)), starts)
            active = best < NONE << 32
            left = best[active] & (2**32 - 1)
            result[indices[left]] = pairs[left]
            result[indices[left + 1]] = GONE
            keep = numpy.repeat(active, lengths)
            keep[left + 1] = False
            kept = numpy.flatnonzero(keep)
            indices, pairs, noise = indices[kept], pairs[kept], noise[kept]
            within = left - starts[active]
            lengths = lengths[active] - 1
            starts = numpy.cumsum(lengths) - lengths
            left = starts + within
            # A merged symbol forms new pairs with the symbol after it and with the one before it.
            pairs[left] = NONE
            new = numpy.concatenate([left[within + 1 < lengths], left[within > 0] - 1])
            pairs[new] = self._merges.find(result[indices[new]], result[indices[new + 1]])
            iteration += 1
        return result


def bpe_dropouts(
    tokenizer: Tokenizer, probability: float, seed: int
) -> tuple[BpeDropout, BpeDropout] | None:
    """Return the BPE-dropout of source and target, or None if the probability is 0.

    A joint vocabulary has one for both.
    """
    if not probability:
        return None
    source = BpeDropout(tokenizer.source, probability, seed)
    if tokenizer.is_joint:
        return source, source
    return source, BpeDropout(tokenizer.target, probability, seed)


class RebatchedPlan:
    """A plan whose pairs are regrouped, window by window, into as many batches of real lengths.

    A batch depends on the plan, the seed and the epoch only, not on the batches that were read
    before: a run that resumes inside a window computes the same batches again.
    """

    def __init__(
        self,
        plan: EpochPlan,
        seed: int,
        epoch: int,
        lengths: Callable[[Integers], tuple[Integers, Integers]],
        window: int = WINDOW,
    ) -> None:
        """Regroup the batches of a plan.

        lengths: maps the indices of pairs to their source and target lengths in tokens. window:
        batches that are regrouped together.
        """
        self._plan = plan
        self._seed = seed, epoch
        self._lengths = lengths
        self._size = window
        self._window = -1
        self._batches: list[Integers] = []

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> Integers:
        """Return the indices of one batch's pairs."""
        last = max(0, len(self) // self._size - 1)  # the last window also takes the remainder
        window = min(index // self._size, last)
        if window != self._window:
            end = len(self) if window == last else (window + 1) * self._size
            self._batches = self._regroup(window, range(window * self._size, end))
            self._window = window
        return self._batches[index - window * self._size]

    def _regroup(self, window: int, indices: range) -> list[Integers]:
        planned = [self._plan[index] for index in indices]
        # Batch by batch, because resegmenting a whole window at once would take more memory.
        source, target = (
            numpy.concatenate(side) for side in zip(*map(self._lengths, planned), strict=True)
        )
        order = order_by_length(
            numpy.minimum(source, MAX_LENGTH).astype(numpy.uint16),
            numpy.minimum(target, MAX_LENGTH).astype(numpy.uint16),
            numpy.arange(len(source), dtype=numpy.uint32),
        )
        ends = even_batches(source[order], target[order], len(planned))
        batches = numpy.split(numpy.concatenate(planned)[order], ends[:-1])
        sequence = numpy.random.default_rng([*self._seed, window]).permutation(len(batches))
        return [batches[index] for index in sequence]


def even_batches(source: Integers, target: Integers, count: int) -> list[int]:
    """Return where `count` consecutive batches of sorted pairs end; the largest is minimal.

    source, target (n,): tokens of each pair, n >= count. A batch's size is that of its larger side,
    padding included; each batch has at least one pair. A binary search finds the smallest budget
    for all batches to within 2%.
    """
    least = int(max(source.sum(), target.sum())) // count
    most = 2 * least + 1
    while len(ends := padded_batch_ends(source, target, most)) > count:
        least, most = most, 2 * most
    while most - least > max(1, least // 50):
        middle = (least + most) // 2
        found = padded_batch_ends(source, target, middle)
        if len(found) > count:
            least = middle
        else:
            most, ends = middle, found
    while len(ends) < count:  # halve the batch with the most pairs
        rows = numpy.diff([0, *ends])
        index = int(rows.argmax())
        ends.insert(index, ends[index] - int(rows[index]) // 2)
    return ends


def padded_batch_ends(source: Integers, target: Integers, budget: int) -> list[int]:
    """Return where consecutive batches end that hold at most `budget` tokens a side with padding.

    A longer pair is a batch alone.
    """
    ends = [0]
    while ends[-1] < len(source):
        most = max(1, budget // int(target[ends[-1]]))  # pairs; the order is by target length
        window = slice(ends[-1], ends[-1] + most)
        longest = numpy.maximum.accumulate(numpy.maximum(source[window], target[window]))
        sizes = longest * numpy.arange(1, len(longest) + 1)
        ends.append(ends[-1] + max(1, int(numpy.searchsorted(sizes, budget, "right"))))
    return ends[1:]
