"""Batches of pairs of similar length that fill a budget of tokens on each side (section 5.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.text.shards import Shard
from nmt.text.tokenizer import BOS, EOS, PAD


@dataclass(frozen=True)
class Batch:
    """B pairs, padded to S source and T target tokens, on one device."""

    source: Tensor  # (B, S) ids, each segment ending in EOS
    target_input: Tensor  # (B, T) ids, each beginning with BOS
    labels: Tensor  # (B, T) ids, each ending in EOS
    source_tokens: int  # real tokens, EOS counted, padding not
    target_tokens: int

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(
            self.source.to(device),
            self.target_input.to(device),
            self.labels.to(device),
            self.source_tokens,
            self.target_tokens,
        )

    def split(self, max_tokens: int) -> "Iterator[Batch]":
        """Micro-batches of at most `max_tokens` a side, padding included; 0: the whole."""
        rows = len(self.source)
        longest = max(self.source.shape[1], self.labels.shape[1])
        step = max(1, max_tokens // longest) if max_tokens else rows
        if step >= rows:
            yield self
            return
        for begin in range(0, rows, step):
            part = slice(begin, begin + step)
            source, labels = self.source[part], self.labels[part]
            source_lengths, target_lengths = (source != PAD).sum(1), (labels != PAD).sum(1)
            S, T = int(source_lengths.max()), int(target_lengths.max())
            yield Batch(
                source[:, :S],
                self.target_input[part, :T],
                labels[:, :T],
                int(source_lengths.sum()),
                int(target_lengths.sum()),
            )


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of ids of different lengths as one (B, longest) tensor."""
    padded = numpy.full((len(rows), max(map(len, rows))), PAD, numpy.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return torch.from_numpy(padded)


def source_batch(sources: Sequence[Sequence[int]]) -> Tensor:
    """Encoded source segments as the encoder reads them: EOS at the end, padded; (B, S)."""
    return pad([[*ids, EOS] for ids in sources])


class PairDataset:
    """The pairs of all shards under one index."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = shards
        self._begins = numpy.cumsum([0, *map(len, shards)])
        lengths = [shard.lengths() for shard in shards]
        # Lengths as the model sees them: with EOS.
        self.source_lengths = numpy.concatenate([source for source, _ in lengths]) + 1
        self.target_lengths = numpy.concatenate([target for _, target in lengths]) + 1

    def __len__(self) -> int:
        return int(self._begins[-1])

    def batch(self, indices: NDArray[numpy.int64]) -> Batch:
        """The pairs at these indices as one padded batch."""
        which = numpy.searchsorted(self._begins, indices, side="right") - 1
        pairs = [
            self._shards[shard].pair(int(index - self._begins[shard]))
            for shard, index in zip(which, indices, strict=True)
        ]
        return make_batch(pairs)


def make_batch(pairs: Sequence[tuple[list[int], list[int]]]) -> Batch:
    """Encoded pairs as the model reads them."""
    source = source_batch([source for source, _ in pairs])
    target = pad([[BOS, *target, EOS] for _, target in pairs])
    labels = target[:, 1:].contiguous()
    # EOS is no input: where it stands is padding, so that shorter rows read as they do alone.
    target_input = target[:, :-1].masked_fill(target[:, :-1] == EOS, PAD)
    return Batch(
        source,
        target_input,
        labels,
        sum(len(source) + 1 for source, _ in pairs),
        sum(len(target) + 1 for _, target in pairs),
    )


def plan_epoch(
    source_lengths: NDArray[numpy.int32],
    target_lengths: NDArray[numpy.int32],
    *,
    source_tokens: int,
    target_tokens: int,
    seed: int,
    epoch: int,
) -> list[NDArray[numpy.int64]]:
    """The pairs' indices batch by batch, in an order that (seed, epoch) alone determines.

    Pairs are sorted by length after shuffling, so that equal lengths meet in a new order each
    epoch, cut where either side's budget is full, and the batches shuffled. Budgets count real
    tokens; a pair longer than a budget is a batch of its own.
    """
    random = numpy.random.default_rng([seed, epoch])
    shuffled = random.permutation(len(source_lengths))
    target = target_lengths[shuffled]
    # Source lengths rise and fall in turn from one target length to the next, so that a batch that
    # spans two of them stays of one source length, hence with little padding.
    source = source_lengths[shuffled]
    snake = numpy.where(target % 2 == 0, source, -source)
    order = shuffled[numpy.lexsort((snake, target))]
    source_ends = numpy.cumsum(source_lengths[order], dtype=numpy.int64)
    target_ends = numpy.cumsum(target_lengths[order], dtype=numpy.int64)
    batches = []
    begin = 0
    while begin < len(order):
        used_source, used_target = (
            (int(ends[begin - 1]) if begin else 0) for ends in (source_ends, target_ends)
        )
        end = min(
            int(numpy.searchsorted(source_ends, used_source + source_tokens, side="right")),
            int(numpy.searchsorted(target_ends, used_target + target_tokens, side="right")),
        )
        end = max(end, begin + 1)
        batches.append(order[begin:end])
        begin = end
    return [batches[index] for index in random.permutation(len(batches))]
