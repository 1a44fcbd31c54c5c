"""Choose the segments of batches, of similar lengths, and lay them in rows (section 5.1).

A training with several languages samples its directions by a temperature.

Dimensions: B segments, S source positions.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy
from numpy.typing import NDArray

from nmt.text.shards import FlatSegments, Integers, flatten
from nmt.text.subwords.tokenizer import EOS, PAD

Lengths = NDArray[numpy.uint16]
POSITION_BITS = 32
WINDOW_PAIRS = 1 << 26  # sorted together; planning a larger corpus takes 10 bytes a pair, not 24
BLOCK_PAIRS = 1 << 16  # consecutive pairs that are in the same window


@dataclass(frozen=True)
class EpochPlan:
    """The batches of an epoch, in training order."""

    order: NDArray[numpy.uint32]  # the index of every pair, batch by batch
    starts: Integers  # of each batch in `order`; the last number is the total
    sequence: Integers  # batches in training order

    def __len__(self) -> int:
        return len(self.sequence)

    def __getitem__(self, index: int) -> Integers:
        """Return the indices of one batch's pairs."""
        batch = self.sequence[index]
        return self.order[self.starts[batch] : self.starts[batch + 1]].astype(numpy.int64)


def plan_epoch(
    source_lengths: Lengths,
    target_lengths: Lengths,
    *,
    source_tokens: int,
    target_tokens: int,
    seed: int,
    epoch: int,
) -> EpochPlan:
    """Return the batches of an epoch; they depend on the lengths, the seed and the epoch only.

    source_lengths, target_lengths (n,): tokens of each pair. source_tokens, target_tokens: the
    budget of a batch in real tokens of each side; a pair longer than a budget is a batch alone.

    Pairs are shuffled and then sorted by length, so that pairs of equal length meet in a new order
    each epoch. The sorted pairs are cut where either budget is full, and the batches are shuffled.
    A corpus of more than `WINDOW_PAIRS` is planned window by window, one after another in training:
    this bounds the memory for sorting, and the part of the files that is read in the same time.
    """
    random = numpy.random.default_rng([seed, epoch])
    order = numpy.empty(len(source_lengths), numpy.uint32)
    starts, sequence = [numpy.zeros(1, numpy.int64)], [numpy.empty(0, numpy.int64)]
    pairs = batches = 0  # that are planned
    for shuffled in windows(len(order), random):
        own = order[pairs : pairs + len(shuffled)]
        by_length = order_by_length(source_lengths, target_lengths, shuffled)
        numpy.take(shuffled, by_length, out=own, mode="clip")  # this mode makes no copy first
        del shuffled, by_length
        ends = batch_starts(source_lengths, target_lengths, own, source_tokens, target_tokens)[1:]
        starts.append(pairs + ends)
        sequence.append(batches + random.permutation(len(ends)))
        pairs, batches = pairs + len(own), batches + len(ends)
    return EpochPlan(order, numpy.concatenate(starts), numpy.concatenate(sequence))


def windows(count: int, random: "numpy.random.Generator") -> Iterator[NDArray[numpy.uint32]]:
    """Yield the indices of `count` pairs, shuffled, at most `WINDOW_PAIRS` at a time.

    A window is made of blocks of consecutive pairs, drawn from the whole corpus.
    """
    if count <= WINDOW_PAIRS:
        yield random.permutation(numpy.arange(count, dtype=numpy.uint32))
        return
    starts = BLOCK_PAIRS * random.permutation(-(-count // BLOCK_PAIRS))
    size = WINDOW_PAIRS // BLOCK_PAIRS
    for first in range(0, len(starts), size):
        blocks = [
            numpy.arange(start, min(start + BLOCK_PAIRS, count), dtype=numpy.uint32)
            for start in starts[first : first + size].tolist()
        ]
        shuffled = numpy.concatenate(blocks)
        random.shuffle(shuffled)
        yield shuffled


def order_by_length(
    source_lengths: Lengths, target_lengths: Lengths, shuffled: NDArray[numpy.uint32]
) -> Integers:
    """Return the order that sorts shuffled pairs by target length, then by source length.

    Source lengths ascend for even target lengths and descend for odd ones. A batch that spans two
    target lengths then has one source length, hence little padding. Both lengths and the position,
    which keeps equal pairs in shuffled order, form one 64-bit key: sorting these keys in place
    takes a third of the memory that sorting by columns takes.
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


def batch_starts(
    source_lengths: Lengths,
    target_lengths: Lengths,
    order: NDArray[numpy.uint32],
    source_tokens: int,
    target_tokens: int,
) -> Integers:
    """Return where batches start in `order`, and its length at the end.

    Each batch takes the next pairs until the budget of either side is full.
    """
    shortest = int(min(source_lengths.min(), target_lengths.min()))
    most = max(1, min(source_tokens, target_tokens) // shortest)  # pairs in any batch
    starts = [0]
    while starts[-1] < len(order):
        window = order[starts[-1] : starts[-1] + most]
        ends = (
            numpy.searchsorted(numpy.cumsum(lengths[window], dtype=numpy.int64), budget, "right")
            for lengths, budget in (
                (source_lengths, source_tokens),
                (target_lengths, target_tokens),
            )
        )
        starts.append(starts[-1] + max(1, min(map(int, ends))))
    return numpy.array(starts)


def batches_by_length(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Yield the indices of segments in batches of similar length, the longest segments first.

    lengths: tokens of each segment. max_tokens: the limit of a batch, padding included; a longer
    segment is a batch alone.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        longest = lengths[order[start]]
        end = start + max(1, max_tokens // longest)
        yield order[start:end]
        start = end


def batches_for_workers(lengths: Sequence[int], max_tokens: int, workers: int) -> list[list[int]]:
    """Return batches as `batches_by_length` does, but a multiple of `workers` if possible.

    Batches are made smaller for this, so that no worker is idle at the end: first all of them, as
    long as there are not too many batches; then those with the most segments are halved.
    """
    batches = list(batches_by_length(lengths, max_tokens))
    wanted = min(-(-len(batches) // workers) * workers, len(lengths))
    for percent in range(98, 0, -2):
        smaller = list(batches_by_length(lengths, max(1, max_tokens * percent // 100)))
        if len(smaller) > wanted:
            break
        batches = smaller
    while len(batches) < wanted:
        largest = max(batches, key=len)
        batches.remove(largest)
        half = len(largest) // 2
        batches += [largest[:half], largest[half:]]
    return batches


def source_rows(sources: Sequence[Sequence[int]]) -> Integers:
    """Return encoded source segments as the encoder reads them: (B, S), with EOS, padded."""
    return rows_with_eos(flatten(sources))


def rows_with_eos(segments: FlatSegments, multiple: int = 1) -> Integers:
    """Return segments as rows with EOS at their ends, padded: (B, longest + 1).

    multiple: more padding makes the width a multiple of this.
    """
    lengths = segments.lengths
    width = -(-(int(lengths.max()) + 1) // multiple) * multiple
    padded = numpy.full((len(lengths), width), PAD, numpy.int64)
    padded[numpy.arange(width) < lengths[:, None]] = segments.ids
    padded[numpy.arange(len(lengths)), lengths] = EOS
    return padded


Direction = TypeVar("Direction", bound=Hashable)


def sampled_sizes(sizes: Mapping[Direction, int], temperature: float) -> dict[Direction, int]:
    """Return how many pairs of each direction are drawn: together, as many as there are.

    sizes: the pairs of each direction. Arivazhagan et al. (2019), "Massively Multilingual Neural
    Machine Translation in the Wild", section 4: of directions with n_i pairs, direction i gets a
    share that is proportional to n_i^(1/T). T = 1 gives each its share of the pairs; with a large
    T, all directions get nearly the same.
    """
    weights = numpy.array([*sizes.values()], numpy.float64)
    weights[weights > 0] **= 1 / temperature
    total = sum(sizes.values())
    # Rounding where each part ends, and not the parts, keeps their sum.
    ends = numpy.rint(total * weights.cumsum() / max(1, weights.sum())).astype(numpy.int64)
    return dict(zip(sizes, numpy.diff(ends, prepend=0).tolist(), strict=True))


def describe_shares(sizes: Mapping[tuple[str, str], int], temperature: float) -> str:
    """Return one line about what share of each epoch the directions get."""
    drawn, total = sampled_sizes(sizes, temperature), max(1, sum(sizes.values()))
    parts = (
        f"{'-'.join(direction)} {drawn[direction] / total:.1%} ({size:,} pairs)"
        for direction, size in sizes.items()
    )
    return f"each epoch (train.language_sampling={temperature:g}): {', '.join(parts)}"


def draw_epoch(
    directions: Integers, temperature: float, seed: int, epoch: int
) -> NDArray[numpy.uint32]:
    """Return the indices of an epoch's pairs, as many as there are: direction by direction.

    directions (n,): the direction of each pair. A direction is repeated whole as often as it can
    be; the rest is a random part of it, which depends on the seed and the epoch only.
    """
    numbers, counts = numpy.unique(directions, return_counts=True)
    sizes = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    drawn = []
    for direction, wanted in sampled_sizes(sizes, temperature).items():
        random = numpy.random.default_rng([seed, epoch, direction, wanted])
        members = numpy.flatnonzero(directions == direction).astype(numpy.uint32)
        copies, rest = divmod(wanted, len(members))
        part = random.choice(members, rest, replace=False, shuffle=False)
        drawn += [members] * copies + [numpy.sort(part)]
    return numpy.concatenate(drawn)
