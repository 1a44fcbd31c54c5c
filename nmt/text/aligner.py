"""Align the tokens of parallel text: IBM model 2 with a prior for the diagonal, both directions.

Dyer et al. (2013), "A Simple, Fast, and Effective Reparameterization of IBM Model 2": a token y at
place i of n comes from no source token with probability P0, else from token x at place j of m with
a probability proportional to exp(-TENSION |i / n - j / m|) t(y | x). EM learns t, with a Dirichlet
prior so that rare tokens do not explain everything (variational Bayes).

Dimensions: p pairs, C cells (a target token and a source token of its pair), T target tokens, K
distinct pairs of tokens, V tokens of the vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy
from numpy.typing import NDArray

# The values of the authors' program, fast_align.
P0 = 0.08
TENSION = 4.0
ITERATIONS = 5
DIRICHLET = 0.01

UNSEEN = 1e-9  # t of two tokens that EM never saw together
NONE = -1  # place of a token that is aligned to none
BLOCK_CELLS = 1 << 20  # cells that are worked on at once, to bound memory

Integers = NDArray[numpy.int64]
Numbers = NDArray[numpy.float64]


@dataclass(frozen=True)
class TokenPairs:
    """Encoded pairs, p of them, none with an empty side."""

    source: Integers  # ids end to end
    target: Integers
    source_lengths: Integers  # (p,)
    target_lengths: Integers  # (p,)

    def swapped(self) -> "TokenPairs":
        """Return the pairs in the other direction."""
        return TokenPairs(self.target, self.source, self.target_lengths, self.source_lengths)

    def blocks(self) -> "Iterator[TokenPairs]":
        """Yield consecutive pairs of at most `BLOCK_CELLS` cells together, or one larger pair."""
        total = (self.source_lengths * self.target_lengths).cumsum()
        ends = [0]
        while ends[-1] < len(total):
            used = total[ends[-1] - 1] if ends[-1] else 0
            end = int(numpy.searchsorted(total, used + BLOCK_CELLS, "right"))
            ends.append(max(ends[-1] + 1, end))
        sources, targets = first_tokens(self.source_lengths), first_tokens(self.target_lengths)
        for begin, end in pairwise(ends):
            yield TokenPairs(
                self.source[sources[begin] : sources[end]],
                self.target[targets[begin] : targets[end]],
                self.source_lengths[begin:end],
                self.target_lengths[begin:end],
            )


def first_tokens(lengths: Integers) -> Integers:
    """Return where segments of these lengths begin, and the total (p + 1,)."""
    return numpy.concatenate([[0], lengths.cumsum()])


@dataclass(frozen=True)
class Cells:
    """The cells of pairs: for each target token, in order, all source tokens of its pair."""

    keys: Integers  # (C,) source id times V, plus target id
    prior: NDArray[numpy.float32]  # (C,) of the source place, before the tokens are seen
    places: NDArray[numpy.int32]  # (C,) of the source token in its segment
    starts: Integers  # (T,) first cell of each target token
    widths: Integers  # (T,) its number of cells


def cells_of(pairs: TokenPairs, vocab_size: int) -> Cells:
    """Return the cells of pairs."""
    m, n = pairs.source_lengths, pairs.target_lengths
    widths = numpy.repeat(m, n)
    starts = first_tokens(widths)[:-1]
    places = numpy.arange(widths.sum()) - numpy.repeat(starts, widths)
    first_source = numpy.repeat(first_tokens(m)[:-1], n)
    ids = pairs.source[numpy.repeat(first_source, widths) + places]
    own_places = numpy.arange(len(widths)) - numpy.repeat(first_tokens(n)[:-1], n)
    relative = (own_places + 1) / numpy.repeat(n, n)
    distance = numpy.repeat(relative, widths) - (places + 1) / numpy.repeat(widths, widths)
    prior = numpy.exp(-TENSION * numpy.abs(distance))
    prior *= numpy.repeat((1 - P0) / numpy.add.reduceat(prior, starts), widths)
    keys = ids * vocab_size + numpy.repeat(pairs.target, widths)
    return Cells(keys, prior.astype(numpy.float32), places.astype(numpy.int32), starts, widths)


@dataclass(frozen=True)
class Lexicon:
    """The probabilities t(target token | source token) of tokens that were seen together."""

    vocab_size: int
    keys: Integers  # (K,) sorted, as in `Cells`
    probabilities: Numbers  # (K + 1,); the last one is for tokens that were not seen together
    of_none: Numbers  # (V,) of each target token if it comes from no source token

    def find(self, keys: Integers) -> NDArray[numpy.int32]:
        """Return where keys stand in `probabilities`."""
        found = numpy.searchsorted(self.keys, keys)
        is_known = self.keys[numpy.minimum(found, len(self.keys) - 1)] == keys
        return numpy.where(is_known, found, len(self.keys)).astype(numpy.int32)


def learn_lexicon(pairs: TokenPairs, vocab_size: int) -> Lexicon:
    """Learn a lexicon from pairs by EM, from equal probabilities on; it keeps 8 bytes a cell."""
    keys = numpy.empty(0, numpy.int64)
    for block in pairs.blocks():
        keys = numpy.union1d(keys, cells_of(block, vocab_size).keys)
    of_none = numpy.full(vocab_size, 1 / vocab_size)
    lexicon = Lexicon(vocab_size, keys, numpy.full(len(keys) + 1, 1 / vocab_size), of_none)
    blocks = []
    for block in pairs.blocks():
        cells = cells_of(block, vocab_size)
        blocks.append((block.target, lexicon.find(cells.keys), cells.prior, cells.widths))
    for _ in range(ITERATIONS):
        seen, from_none = numpy.zeros(len(keys)), numpy.zeros(vocab_size)
        for target, found, prior, widths in blocks:
            weights = lexicon.probabilities[found] * prior
            none = P0 * lexicon.of_none[target]
            total = numpy.add.reduceat(weights, first_tokens(widths)[:-1]) + none
            weights /= numpy.repeat(total, widths)
            seen += numpy.bincount(found, weights, len(keys))
            from_none += numpy.bincount(target, none / total, vocab_size)
        expected = expected_probabilities(seen, keys // vocab_size, vocab_size)
        lexicon = Lexicon(
            vocab_size,
            keys,
            numpy.append(expected, UNSEEN),
            expected_probabilities(from_none, numpy.zeros(vocab_size, numpy.int64), 1),
        )
    return lexicon


def expected_probabilities(counts: Numbers, groups: Integers, number: int) -> Numbers:
    """Return exp(psi(count) - psi(sum of its group)), with `DIRICHLET` added to each count.

    Beal (2003), section 3.4. groups: the group of each count, from 0 to number - 1.
    """
    counts = counts + DIRICHLET
    totals = numpy.maximum(numpy.bincount(groups, counts, number), DIRICHLET)  # 0: an unused group
    expected: Numbers = numpy.exp(digamma(counts) - digamma(totals)[groups])
    return expected


def digamma(x: Numbers) -> Numbers:
    """Return the derivative of log gamma(x) for x > 0: recurrence to x + 6, then its series."""
    y = x + 6
    result: Numbers = numpy.log(y) - 1 / (2 * y) - 1 / (12 * y**2) + 1 / (120 * y**4)
    for k in range(6):
        result -= 1 / (x + k)
    return result


def best_sources(pairs: TokenPairs, lexicon: Lexicon) -> Integers:
    """Return the place of the source token that each target token most likely comes from (T,).

    `NONE` stands for a target token that comes from no source token.
    """
    found = []
    for block in pairs.blocks():
        cells = cells_of(block, lexicon.vocab_size)
        weights = lexicon.probabilities[lexicon.find(cells.keys)] * cells.prior
        best = numpy.maximum.reduceat(weights, cells.starts)
        # The first of equal ones, as `argmax` would take.
        later = numpy.where(weights == numpy.repeat(best, cells.widths), cells.places, len(weights))
        places = numpy.minimum.reduceat(later, cells.starts).astype(numpy.int64)
        places[P0 * lexicon.of_none[block.target] > best] = NONE
        found.append(places)
    return numpy.concatenate(found) if found else numpy.empty(0, numpy.int64)


@dataclass(frozen=True)
class Aligner:
    """A lexicon for each direction."""

    forward: Lexicon
    backward: Lexicon

    @classmethod
    def learn(cls, pairs: TokenPairs, vocab_size: int) -> "Aligner":
        """Learn both lexicons from pairs; every token id is below `vocab_size`."""
        return cls(learn_lexicon(pairs, vocab_size), learn_lexicon(pairs.swapped(), vocab_size))

    def align(self, pairs: TokenPairs) -> Integers:
        """Return the place of the source token that each target token is aligned to, or `NONE`.

        Both directions agree on each of these links: their intersection misses some, but few of
        them are wrong.
        """
        forward = best_sources(pairs, self.forward)
        backward = best_sources(pairs.swapped(), self.backward)
        n = pairs.target_lengths
        own_places = numpy.arange(len(forward)) - numpy.repeat(first_tokens(n)[:-1], n)
        first_source = numpy.repeat(first_tokens(pairs.source_lengths)[:-1], n)
        agrees = backward[first_source + numpy.maximum(forward, 0)] == own_places
        return numpy.where(agrees & (forward != NONE), forward, NONE)
