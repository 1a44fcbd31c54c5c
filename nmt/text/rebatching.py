"""Batches dealt anew where pairs are cut into other pieces each epoch.

A plan goes by the lengths of the prepared pieces. BPE-dropout cuts finer, one pair more so than its
neighbour: of batches as planned a quarter was padding.
"""

from collections.abc import Callable

import numpy
from numpy.typing import NDArray

from nmt.text.plan import EpochPlan, by_length

Integers = NDArray[numpy.int64]

WINDOW = 128  # batches: with half as many padding is half as much again
LONGEST = numpy.iinfo(numpy.uint16).max  # what sorting tells apart


class RebatchedPlan:
    """A plan's batches, as many of the same pairs a window, dealt by the lengths pairs really have.

    What a batch holds depends on the plan, the seed and the epoch alone, not on which batches were
    asked for before: a run that goes on in mid-window deals it again.
    """

    def __init__(
        self,
        plan: EpochPlan,
        seed: int,
        epoch: int,
        lengths: Callable[[Integers], tuple[Integers, Integers]],  # of pairs: source and target
    ) -> None:
        self._plan = plan
        self._seed = seed, epoch
        self._lengths = lengths
        self._window = -1
        self._batches: list[Integers] = []

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> Integers:
        """The pairs of one batch."""
        last = max(0, len(self) // WINDOW - 1)  # it takes what is left over
        window = min(index // WINDOW, last)
        if window != self._window:
            end = len(self) if window == last else (window + 1) * WINDOW
            self._batches = self._deal(window, range(window * WINDOW, end))
            self._window = window
        return self._batches[index - window * WINDOW]

    def _deal(self, window: int, indices: range) -> list[Integers]:
        planned = [self._plan[each] for each in indices]
        # Batch by batch: cutting a whole window at once would take memory.
        source, target = (
            numpy.concatenate(side) for side in zip(*map(self._lengths, planned), strict=True)
        )
        order = by_length(
            numpy.minimum(source, LONGEST).astype(numpy.uint16),
            numpy.minimum(target, LONGEST).astype(numpy.uint16),
            numpy.arange(len(source), dtype=numpy.uint32),
        )
        ends = even_batches(source[order], target[order], len(planned))
        batches = numpy.split(numpy.concatenate(planned)[order], ends[:-1])
        sequence = numpy.random.default_rng([*self._seed, window]).permutation(len(batches))
        return [batches[each] for each in sequence]


def even_batches(source: Integers, target: Integers, count: int) -> list[int]:
    """Where `count` batches of pairs in this order end, the largest as small as can be.

    A batch's size is that of its larger side, padding included; each has a pair at least. To a
    fiftieth, found by halving.
    """
    least = int(max(source.sum(), target.sum())) // count
    most = 2 * least + 1
    while len(ends := cut_padded(source, target, most)) > count:
        least, most = most, 2 * most
    while most - least > max(1, least // 50):
        middle = (least + most) // 2
        found = cut_padded(source, target, middle)
        if len(found) > count:
            least = middle
        else:
            most, ends = middle, found
    while len(ends) < count:  # halve the batch of the most pairs
        rows = numpy.diff([0, *ends])
        place = int(rows.argmax())
        ends.insert(place, ends[place] - int(rows[place]) // 2)
    return ends


def cut_padded(source: Integers, target: Integers, budget: int) -> list[int]:
    """Where batches end that take pairs in order until either side, padded, is over the budget."""
    ends = [0]
    while ends[-1] < len(source):
        most = max(1, budget // int(target[ends[-1]]))  # pairs; the order is by target length
        window = slice(ends[-1], ends[-1] + most)
        longest = numpy.maximum.accumulate(numpy.maximum(source[window], target[window]))
        sizes = longest * numpy.arange(1, len(longest) + 1)
        ends.append(ends[-1] + max(1, int(numpy.searchsorted(sizes, budget, "right"))))
    return ends[1:]
