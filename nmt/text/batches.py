"""Batches of padded pairs, as the model reads them; `plan` decides which pairs make a batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.text.bpe_dropout import BpeDropout
from nmt.text.plan import EpochPlan
from nmt.text.rebatching import RebatchedPlan
from nmt.text.shards import FlatSegments, Shard
from nmt.text.tokenizer import BOS, EOS, PAD

Integers = NDArray[numpy.int64]


@dataclass(frozen=True)
class Batch:
    """A batch of B pairs, padded to S source and T target tokens, on one device."""

    source: Tensor  # (B, S) ids, each segment ending in EOS
    target_input: Tensor  # (B, T) ids, each segment starting with BOS
    labels: Tensor  # (B, T) ids, each segment ending in EOS
    source_tokens: int  # real tokens: with EOS, without padding
    target_tokens: int

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device."""
        return Batch(
            self.source.to(device),
            self.target_input.to(device),
            self.labels.to(device),
            self.source_tokens,
            self.target_tokens,
        )

    def split(self, max_tokens: int) -> "Iterator[Batch]":
        """Yield micro-batches of at most `max_tokens` a side, padding included; 0: one batch."""
        rows = len(self.source)
        longest = max(self.source.shape[1], self.labels.shape[1])
        step = max(1, max_tokens // longest) if max_tokens else rows
        if step >= rows:
            yield self
            return
        for start in range(0, rows, step):
            yield self.rows(slice(start, start + step))

    def split_evenly(self, parts: int) -> "list[Batch]":
        """Return up to `parts` batches with nearly equal numbers of tokens, in the same order.

        Neighbours have similar lengths, so that consecutive pairs need little padding.
        """
        tokens = ((self.source != PAD).sum(1) + (self.labels != PAD).sum(1)).cumsum(0)
        shares = torch.arange(1, parts + 1) * int(tokens[-1]) / parts
        ends = torch.searchsorted(tokens, shares.round().long()) + 1
        bounds = [0, *ends.clamp(max=len(tokens)).tolist()]
        return [self.rows(slice(start, end)) for start, end in pairwise(bounds) if start < end]

    def rows(self, part: slice) -> "Batch":
        """Return some of the pairs, with no more padding than they need."""
        source, labels = self.source[part], self.labels[part]
        source_lengths, target_lengths = (source != PAD).sum(1), (labels != PAD).sum(1)
        S, T = int(source_lengths.max()), int(target_lengths.max())
        return Batch(
            source[:, :S],
            self.target_input[part, :T],
            labels[:, :T],
            int(source_lengths.sum()),
            int(target_lengths.sum()),
        )


def flatten(rows: Sequence[Sequence[int]]) -> FlatSegments:
    """Return rows of ids end to end."""
    lengths = numpy.fromiter(map(len, rows), numpy.int64, len(rows))
    ids = numpy.fromiter(chain.from_iterable(rows), numpy.int64, int(lengths.sum()))
    return FlatSegments(ids, lengths)


def source_batch(sources: Sequence[Sequence[int]]) -> Tensor:
    """Return encoded source segments as the encoder reads them: (B, S), with EOS, padded."""
    return pad_with_eos(flatten(sources))


def pad_with_eos(segments: FlatSegments) -> Tensor:
    """Return segments as rows with EOS at their ends, padded: (B, longest + 1)."""
    lengths = segments.lengths
    width = int(lengths.max()) + 1
    padded = numpy.full((len(lengths), width), PAD, numpy.int64)
    padded[numpy.arange(width) < lengths[:, None]] = segments.ids
    padded[numpy.arange(len(lengths)), lengths] = EOS
    return torch.from_numpy(padded)


def make_batch(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Batch:
    """Return the batch of encoded (source, target) pairs."""
    source, target = (flatten(side) for side in zip(*pairs, strict=True))
    return assemble(source, target)


def assemble(source: FlatSegments, target: FlatSegments) -> Batch:
    """Return the batch of encoded source segments and their targets."""
    labels = pad_with_eos(target)
    # EOS is never an input: padding takes its place, so that a short row reads as it does alone.
    target_input = labels.roll(1, 1).masked_fill_(labels.roll(1, 1) == EOS, PAD)
    target_input[:, 0] = BOS
    rows = len(source.lengths)
    return Batch(
        pad_with_eos(source),
        target_input,
        labels,
        int(source.lengths.sum()) + rows,
        int(target.lengths.sum()) + rows,
    )


class PairDataset:
    """The pairs of several shards under one index."""

    def __init__(
        self,
        shards: Sequence[Shard],
        names: Sequence[str],
        dropouts: tuple[BpeDropout, BpeDropout] | None = None,
    ) -> None:
        """Read the lengths of all pairs.

        names: of each shard's text files, for messages. dropouts: BPE-dropout of source and target,
        or None.
        """
        self._shards = shards
        self._names = names
        self._dropouts = dropouts
        self._starts = numpy.cumsum([0, *map(len, shards)])
        # Lengths as the model sees them: with EOS. 16 bits hold the maximum of data.max_length.
        self.source_lengths = numpy.empty(len(self), numpy.uint16)
        self.target_lengths = numpy.empty(len(self), numpy.uint16)
        start = 0
        for shard in shards:
            for source, target in shard.lengths():
                end = start + len(source)
                self.source_lengths[start:end] = source + 1
                self.target_lengths[start:end] = target + 1
                start = end

    def __len__(self) -> int:
        return int(self._starts[-1])

    def locate(self, indices: Integers) -> Iterator[tuple[int, int]]:
        """Yield the shard of each pair and the pair's index in it."""
        which = numpy.searchsorted(self._starts, indices, side="right") - 1
        return zip(which.tolist(), (indices - self._starts[which]).tolist(), strict=True)

    def rebatched(self, plan: EpochPlan, seed: int, epoch: int) -> EpochPlan | RebatchedPlan:
        """Return an epoch's plan, regrouped if BPE-dropout changes the lengths of its pairs."""
        if not self._dropouts:
            return plan

        def lengths(indices: Integers) -> tuple[Integers, Integers]:
            source, target = self.pairs(indices, epoch)
            return source.lengths + 1, target.lengths + 1

        return RebatchedPlan(plan, seed, epoch, lengths)

    def batch(self, indices: Integers, epoch: int) -> Batch:
        """Return the pairs with these indices as one batch; BPE-dropout depends on the epoch."""
        return assemble(*self.pairs(indices, epoch))

    def pairs(self, indices: Integers, epoch: int) -> tuple[FlatSegments, FlatSegments]:
        """Return the source and the target segments of the pairs with these indices."""
        rows = [self._shards[shard].pair(index) for shard, index in self.locate(indices)]
        ids = numpy.concatenate([row for row, _ in rows]).astype(numpy.int64)
        totals = numpy.fromiter((len(row) for row, _ in rows), numpy.int64, len(rows))
        middles = numpy.fromiter((middle for _, middle in rows), numpy.int64, len(rows))
        lengths = numpy.stack([middles, totals - middles], 1).reshape(-1)  # source, target, ...
        is_source = numpy.repeat(numpy.arange(len(lengths)) % 2 == 0, lengths)
        source = FlatSegments(ids[is_source], lengths[0::2])
        target = FlatSegments(ids[~is_source], lengths[1::2])
        if self._dropouts:
            source_dropout, target_dropout = self._dropouts
            source = source_dropout.resegment(source, 2 * indices, epoch)
            target = target_dropout.resegment(target, 2 * indices + 1, epoch)
        return source, target

    def lines(self, indices: Integers) -> dict[str, list[int]]:
        """Return the sorted line numbers of pairs in their text files, by the files' names."""
        lines: dict[str, list[int]] = {}
        for shard, index in self.locate(indices):
            lines.setdefault(self._names[shard], []).append(int(self._shards[shard].lines[index]))
        return {name: sorted(numbers) for name, numbers in lines.items()}
