"""Batches of pairs, padded, as the model reads them."""

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
from nmt.text.shards import Shard
from nmt.text.tokenizer import BOS, EOS, PAD

Integers = NDArray[numpy.int64]


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
            yield self.rows(slice(begin, begin + step))

    def deal(self, hands: int) -> "list[Batch]":
        """Up to so many batches of nearly as many tokens each, which together hold every pair.

        Pairs stay beside their neighbours, which are like them in length: that saves padding.
        """
        tokens = ((self.source != PAD).sum(1) + (self.labels != PAD).sum(1)).cumsum(0)
        shares = torch.arange(1, hands + 1) * int(tokens[-1]) / hands
        ends = torch.searchsorted(tokens, shares.round().long()) + 1
        begins = [0, *ends.clamp(max=len(tokens)).tolist()]
        return [self.rows(slice(a, b)) for a, b in pairwise(begins) if a < b]

    def rows(self, part: slice) -> "Batch":
        """Some of the pairs, with no more padding than these need."""
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


def pad(ids: NDArray[numpy.generic], lengths: Integers, width: int) -> Integers:
    """Segments that lie end to end in `ids` as rows of one (B, width) array."""
    padded = numpy.full((len(lengths), width), PAD, numpy.int64)
    padded[numpy.arange(width) < lengths[:, None]] = ids
    return padded


def flatten(rows: Sequence[Sequence[int]]) -> tuple[Integers, Integers]:
    """Rows of ids end to end, and their lengths."""
    lengths = numpy.fromiter(map(len, rows), numpy.int64, len(rows))
    return numpy.fromiter(chain.from_iterable(rows), numpy.int64, int(lengths.sum())), lengths


def source_batch(sources: Sequence[Sequence[int]]) -> Tensor:
    """Encoded source segments as the encoder reads them: EOS at the end, padded; (B, S)."""
    return with_eos(*flatten(sources))


def with_eos(ids: NDArray[numpy.generic], lengths: Integers) -> Tensor:
    """Segments as rows that end in EOS, padded: (B, longest + 1)."""
    padded = pad(ids, lengths, int(lengths.max()) + 1)
    padded[numpy.arange(len(lengths)), lengths] = EOS
    return torch.from_numpy(padded)


def make_batch(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Batch:
    """Encoded pairs as the model reads them."""
    source, target = (flatten(side) for side in zip(*pairs, strict=True))
    return assemble(*source, *target)


def assemble(
    source_ids: NDArray[numpy.generic],
    source_lengths: Integers,
    target_ids: NDArray[numpy.generic],
    target_lengths: Integers,
) -> Batch:
    """Encoded pairs, each side's segments end to end, as the model reads them."""
    labels = with_eos(target_ids, target_lengths)
    # EOS is no input: where it stands is padding, so that shorter rows read as they do alone.
    target_input = labels.roll(1, 1).masked_fill_(labels.roll(1, 1) == EOS, PAD)
    target_input[:, 0] = BOS
    rows = len(source_lengths)
    return Batch(
        with_eos(source_ids, source_lengths),
        target_input,
        labels,
        int(source_lengths.sum()) + rows,
        int(target_lengths.sum()) + rows,
    )


class PairDataset:
    """The pairs of all shards under one index."""

    def __init__(
        self,
        shards: Sequence[Shard],
        names: Sequence[str],
        dropouts: tuple[BpeDropout, BpeDropout] | None = None,  # of source and target
    ) -> None:
        self._shards = shards
        self._names = names  # of their texts
        self._dropouts = dropouts
        self._begins = numpy.cumsum([0, *map(len, shards)])
        # Lengths as the model sees them: with EOS. 16 bits hold data.max_length's maximum.
        self.source_lengths = numpy.empty(len(self), numpy.uint16)
        self.target_lengths = numpy.empty(len(self), numpy.uint16)
        begin = 0
        for shard in shards:
            for source, target in shard.lengths():
                end = begin + len(source)
                self.source_lengths[begin:end] = source + 1
                self.target_lengths[begin:end] = target + 1
                begin = end

    def __len__(self) -> int:
        return int(self._begins[-1])

    def places(self, indices: Integers) -> Iterator[tuple[int, int]]:
        """The shard of each pair and its index there."""
        which = numpy.searchsorted(self._begins, indices, side="right") - 1
        return zip(which.tolist(), (indices - self._begins[which]).tolist(), strict=True)

    def dealt(self, plan: EpochPlan, seed: int, epoch: int) -> EpochPlan | RebatchedPlan:
        """The plan of an epoch, dealt anew if BPE-dropout changes the lengths it went by."""
        if not self._dropouts:
            return plan

        def lengths(indices: Integers) -> tuple[Integers, Integers]:
            _, source, _, target = self.pairs(indices, epoch)
            return source + 1, target + 1

        return RebatchedPlan(plan, seed, epoch, lengths)

    def batch(self, indices: Integers, epoch: int) -> Batch:
        """The pairs at these indices as one padded batch; the epoch counts for BPE-dropout."""
        return assemble(*self.pairs(indices, epoch))

    def pairs(self, indices: Integers, epoch: int) -> tuple[Integers, Integers, Integers, Integers]:
        """Their ids, each side's segments end to end, and lengths: source's, then target's."""
        rows = [self._shards[shard].pair(index) for shard, index in self.places(indices)]
        ids = numpy.concatenate([row for row, _ in rows]).astype(numpy.int64)
        totals = numpy.fromiter((len(row) for row, _ in rows), numpy.int64, len(rows))
        middles = numpy.fromiter((middle for _, middle in rows), numpy.int64, len(rows))
        lengths = numpy.stack([middles, totals - middles], 1).reshape(-1)  # source, target, ...
        is_source = numpy.repeat(numpy.arange(len(lengths)) % 2 == 0, lengths)
        source, target = (ids[is_source], lengths[0::2]), (ids[~is_source], lengths[1::2])
        if self._dropouts:
            of_source, of_target = self._dropouts
            source = of_source.resegment(*source, 2 * indices, epoch)
            target = of_target.resegment(*target, 2 * indices + 1, epoch)
        return *source, *target

    def lines(self, indices: Integers) -> dict[str, list[int]]:
        """Where these pairs stand in the text: line numbers by file names."""
        lines: dict[str, list[int]] = {}
        for shard, index in self.places(indices):
            lines.setdefault(self._names[shard], []).append(int(self._shards[shard].lines[index]))
        return {name: sorted(numbers) for name, numbers in lines.items()}
