"""Batches of an epoch with BPE-dropout, regrouped by the lengths that its pairs really have.

An epoch is planned by the lengths of the prepared segments. BPE-dropout lengthens each segment by a
different amount: a quarter of the planned batches was padding.
"""

from collections.abc import Callable

import numpy
from numpy.typing import NDArray

from nmt.text.plan import EpochPlan, order_by_length

Integers = NDArray[numpy.int64]

WINDOW = 128  # batches regrouped together; with 64, padding is half as much again
MAX_LENGTH = numpy.iinfo(numpy.uint16).max  # tokens; the sort treats longer segments as equal


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
        planned = [self._plan[each] for each in indices]
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
        return [batches[each] for each in sequence]


def even_batches(source: Integers, target: Integers, count: int) -> list[int]:
    """Return where `count` consecutive batches of sorted pairs end, with the largest minimal.

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
        place = int(rows.argmax())
        ends.insert(place, ends[place] - int(rows[place]) // 2)
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
