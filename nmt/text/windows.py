"""Batches dealt anew where pairs are cut into other pieces each epoch.

A plan goes by the lengths of the prepared pieces. BPE-dropout cuts finer, one pair more so than its
neighbour: of batches as planned a quarter was padding.
"""

from collections.abc import Callable

import numpy
from numpy.typing import NDArray

from nmt.text.plan import EpochPlan, by_length

Integers = NDArray[numpy.int64]

WINDOW = 128  # batches: of Multi30k's at p = 0.1, 3.5 % is padding then, with half as many 5.4 %
LONGEST = numpy.iinfo(numpy.uint16).max  # what sorting tells apart


class DealtAnew:
    """A plan's batches, as many of the same pairs a window, dealt by the lengths pairs really have.

    What a batch holds depends on the plan and the epoch alone, not on which batches were asked for
    before: a run that goes on in mid-window deals it again.
    """

    def __init__(
        self,
        plan: EpochPlan,
        epoch: int,
        lengths: Callable[[Integers], tuple[Integers, Integers]],  # of pairs: source and target
    ) -> None:
        self._plan = plan
        self._epoch = epoch
        self._lengths = lengths
        self._window = -1
        self._batches: list[Integers] = []

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> Integers:
        """The pairs of one batch."""
        window, place = divmod(index, WINDOW)
        if window != self._window:
            self._batches = self._deal(window)
            self._window = window
        return self._batches[place]

    def _deal(self, window: int) -> list[Integers]:
        first = window * WINDOW
        planned = [self._plan[each] for each in range(first, min(first + WINDOW, len(self)))]
        pairs = numpy.concatenate(planned)
        source, target = self._lengths(pairs)
        order = by_length(
            numpy.minimum(source, LONGEST).astype(numpy.uint16),
            numpy.minimum(target, LONGEST).astype(numpy.uint16),
            numpy.arange(len(pairs), dtype=numpy.uint32),
        )
        ends = equal_shares(numpy.maximum(source, target)[order], len(planned))
        batches = numpy.split(pairs[order], ends[:-1])
        sequence = numpy.random.default_rng([self._epoch, window]).permutation(len(batches))
        return [batches[each] for each in sequence]


def equal_shares(tokens: Integers, count: int) -> Integers:
    """Where `count` runs of items end that hold about as many tokens, an item each at least."""
    numbers = numpy.arange(count)
    totals = numpy.cumsum(tokens)
    ends = numpy.searchsorted(totals, totals[-1] * (numbers + 1) / count) + 1
    ends = numpy.maximum.accumulate(ends - numbers) + numbers  # each after the one before
    shares: Integers = numpy.minimum(ends, len(tokens) - (count - 1 - numbers))
    return numpy.maximum(shares, numbers + 1)
