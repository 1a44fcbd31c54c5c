"""Which pairs make a batch: similar lengths that fill a budget of tokens a side (section 5.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

Lengths = NDArray[numpy.uint16]
POSITION_BITS = 32


@dataclass(frozen=True)
class EpochPlan:
    """The batches of an epoch, in the order in which they are trained on."""

    order: NDArray[numpy.uint32]  # every pair's index, batch by batch
    begins: NDArray[numpy.int64]  # of each batch in `order`, the total last
    sequence: NDArray[numpy.int64]  # batches in training order

    def __len__(self) -> int:
        return len(self.sequence)

    def __getitem__(self, index: int) -> NDArray[numpy.int64]:
        """The pairs of one batch."""
        batch = self.sequence[index]
        return self.order[self.begins[batch] : self.begins[batch + 1]].astype(numpy.int64)


def plan_epoch(
    source_lengths: Lengths,
    target_lengths: Lengths,
    *,
    source_tokens: int,
    target_tokens: int,
    seed: int,
    epoch: int,
) -> EpochPlan:
    """Batches, and their order, that (seed, epoch) alone determines.

    Pairs are sorted by length after shuffling, so that equal lengths meet in a new order each
    epoch, cut where either side's budget is full, and the batches shuffled. Budgets count real
    tokens; a pair longer than a budget is a batch of its own.
    """
    random = numpy.random.default_rng([seed, epoch])
    shuffled = random.permutation(numpy.arange(len(source_lengths), dtype=numpy.uint32))
    order = shuffled[by_length(source_lengths, target_lengths, shuffled)]
    begins = cut(source_lengths, target_lengths, order, source_tokens, target_tokens)
    return EpochPlan(order, begins, random.permutation(len(begins) - 1))


def by_length(
    source_lengths: Lengths, target_lengths: Lengths, shuffled: NDArray[numpy.uint32]
) -> NDArray[numpy.int64]:
    """The order of the shuffled pairs by target length, then source length.

    Source lengths rise and fall in turn from one target length to the next, so that a batch that
    spans two of them stays of one source length, hence with little padding. Both lengths and the
    place, which keeps equals in shuffled order, make one 64-bit key: sorting these in place takes
    a third of the memory that sorting by columns does.
    """
    target, source = target_lengths[shuffled], source_lengths[shuffled]
    numpy.invert(source, out=source, where=target % 2 == 1)
    keys = target.astype(numpy.uint64)
    keys <<= numpy.uint64(16)
    keys |= source
    keys <<= numpy.uint64(POSITION_BITS)
    del target, source
    keys |= numpy.arange(len(keys), dtype=numpy.uint32)
    keys.sort()
    keys &= numpy.uint64(2**POSITION_BITS - 1)
    return keys.view(numpy.int64)


def cut(
    source_lengths: Lengths,
    target_lengths: Lengths,
    order: NDArray[numpy.uint32],
    source_tokens: int,
    target_tokens: int,
) -> NDArray[numpy.int64]:
    """Where batches begin: each takes the next pairs until either side's budget is full."""
    shortest = int(min(source_lengths.min(), target_lengths.min()))
    most = max(1, min(source_tokens, target_tokens) // shortest)  # pairs of any batch
    begins = [0]
    while begins[-1] < len(order):
        window = order[begins[-1] : begins[-1] + most]
        ends = (
            numpy.searchsorted(numpy.cumsum(lengths[window], dtype=numpy.int64), budget, "right")
            for lengths, budget in (
                (source_lengths, source_tokens),
                (target_lengths, target_tokens),
            )
        )
        begins.append(begins[-1] + max(1, min(map(int, ends))))
    return numpy.array(begins)


def batches_for_processes(lengths: Sequence[int], max_tokens: int, workers: int) -> list[list[int]]:
    """`batches_by_length`, a little smaller where that leaves no worker without one at the end."""
    batches: list[list[int]] = []
    for percent in range(100, 0, -2):
        batches = list(batches_by_length(lengths, max(1, max_tokens * percent // 100)))
        if len(batches) % workers == 0:
            break
    return batches


def batches_by_length(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Indices in batches of at most `max_tokens`, padding included, longest first.

    A segment longer than that is a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    begin = 0
    while begin < len(order):
        longest = lengths[order[begin]]
        end = begin + max(1, max_tokens // longest)
        yield order[begin:end]
        begin = end
