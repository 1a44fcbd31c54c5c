"""Batches of padded pairs, as the model reads them; `plan` decides which pairs make a batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.text.bpe_dropout import BpeDropout, RebatchedPlan
from nmt.text.plan import EpochPlan, draw_epoch, rows_with_eos, source_rows
from nmt.text.shards import FlatSegments, Integers, Shard, flatten, split_sides, stretches
from nmt.text.subwords.tokenizer import BOS, EOS, PAD


@dataclass(frozen=True)
class Batch:
    """A batch of B pairs, padded to S source and T target tokens, on one device."""

    source: Tensor  # (B, S) ids, each segment ending in EOS
    target_input: Tensor  # (B, T) ids, each segment starting with BOS
    labels: Tensor  # (B, T) ids, each segment ending in EOS
    source_tokens: int  # real tokens: with EOS, without padding
    target_tokens: int
    # (B, T): the position, from 1, of the source token that each label is aligned to; 0: none.
    # Only for guided alignment.
    aligned: Tensor | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle tensors as arrays: PyTorch would copy each of them into a shared file."""
        arrays = [part.numpy() for part in self._tensors()]
        return from_arrays, (arrays, self.source_tokens, self.target_tokens)

    def _tensors(self) -> list[Tensor]:
        """Return source, target input and labels, and the aligned positions if there are some."""
        parts = self.source, self.target_input, self.labels, self.aligned
        return [part for part in parts if part is not None]

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device.

        All parts are copied to a CUDA GPU at once, as int32, without waiting for it.
        """
        parts = self._tensors()
        if device.type == "cuda" and self.source.device.type == "cpu":
            ids = torch.cat([part.flatten() for part in parts]).int().pin_memory()
            copied = ids.to(device, non_blocking=True).long()
            pieces = copied.split([part.numel() for part in parts])
            parts = [piece.view_as(part) for piece, part in zip(pieces, parts, strict=True)]
        else:
            parts = [part.to(device) for part in parts]
        source, target_input, labels, *aligned = parts
        return Batch(source, target_input, labels, self.source_tokens, self.target_tokens, *aligned)

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
            None if self.aligned is None else self.aligned[part, :T],
        )


def from_arrays(arrays: Sequence[Integers], source_tokens: int, target_tokens: int) -> Batch:
    """Return the batch whose tensors were pickled as arrays."""
    source, target_input, labels, *aligned = map(torch.from_numpy, arrays)
    return Batch(source, target_input, labels, source_tokens, target_tokens, *aligned)


def source_batch(sources: Sequence[Sequence[int]]) -> Tensor:
    """Return `source_rows` as a tensor (B, S)."""
    return torch.from_numpy(source_rows(sources))


def pad_with_eos(segments: FlatSegments, multiple: int = 1) -> Tensor:
    """Return `rows_with_eos` as a tensor (B, longest + 1)."""
    return torch.from_numpy(rows_with_eos(segments, multiple))


def make_batch(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Batch:
    """Return the batch of encoded (source, target) pairs."""
    source, target = (flatten(side) for side in zip(*pairs, strict=True))
    return assemble(source, target)


def assemble(source: FlatSegments, target: FlatSegments, multiple: int = 1) -> Batch:
    """Return the batch of encoded source segments and their targets.

    multiple: lengths are padded to multiples of this.
    """
    labels = pad_with_eos(target, multiple)
    rows = len(source.lengths)
    return Batch(
        pad_with_eos(source, multiple),
        shift_right(labels),
        labels,
        int(source.lengths.sum()) + rows,
        int(target.lengths.sum()) + rows,
    )


def shift_right(labels: Tensor) -> Tensor:
    """Return what the decoder reads to predict labels (B, T): BOS, then the labels before each."""
    # EOS is never an input: padding takes its place, so that a short row reads as it does alone.
    target_input = labels.roll(1, 1).masked_fill_(labels.roll(1, 1) == EOS, PAD)
    target_input[:, 0] = BOS
    return target_input


def count_used(pairs: int, share: float) -> int:
    """Return how many of the pairs a share (`train.share`) is."""
    return max(1, round(pairs * share))


class PairDataset:
    """The pairs of several shards under one index."""

    def __init__(
        self,
        shards: Sequence[Shard],
        names: Sequence[str],
        dropouts: tuple[BpeDropout, BpeDropout] | None = None,
        *,
        right_to_left: bool = False,
        alignments: Sequence[Shard] = (),
        share: float = 1.0,
        directions: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Read the lengths of all pairs.

        names: of each shard's text files, for messages. dropouts: BPE-dropout of source and target,
        or None. right_to_left: whether targets have their last token first. alignments: those of
        the shards; batches then have alignments too. share: of the pairs, which is used; a smaller
        share is part of a larger one. directions: source and target language of each shard.
        """
        self._shards = shards
        self._names = names
        self._dropouts = dropouts
        self._right_to_left = right_to_left
        self._alignments = alignments
        self._directions = directions
        self._starts = numpy.cumsum([0, *map(len, shards)])
        count = int(self._starts[-1])
        # Lengths as the model sees them: with EOS. 16 bits hold the maximum of data.max_length.
        self.source_lengths = numpy.empty(count, numpy.uint16)
        self.target_lengths = numpy.empty(count, numpy.uint16)
        start = 0
        for shard in shards:
            for source, target in shard.lengths():
                end = start + len(source)
                self.source_lengths[start:end] = source + 1
                self.target_lengths[start:end] = target + 1
                start = end
        self._used: Integers | None = None  # indices of the share; None: all
        if share < 1:
            kept = count_used(count, share)
            self._used = numpy.sort(numpy.random.default_rng(0).permutation(count)[:kept])
            self.source_lengths = self.source_lengths[self._used]
            self.target_lengths = self.target_lengths[self._used]

    def __len__(self) -> int:
        return len(self.source_lengths)

    def draw(self, temperature: float, seed: int, epoch: int) -> NDArray[numpy.uint32] | None:
        """Return the indices of an epoch's pairs; None if it has each pair once.

        temperature: see `train.language_sampling`.
        """
        names = [*dict.fromkeys(self._directions)]
        if temperature == 1 or len(names) < 2:
            return None
        numbers = numpy.array([*map(names.index, self._directions)])
        directions = numbers.repeat([*map(len, self._shards)])
        if self._used is not None:
            directions = directions[self._used]
        return draw_epoch(directions, temperature, seed, epoch)

    def rebatched(self, plan: EpochPlan, seed: int, epoch: int) -> EpochPlan | RebatchedPlan:
        """Return an epoch's plan, regrouped if the lengths of its pairs change."""
        if not self._dropouts:
            return plan

        def lengths(indices: Integers) -> tuple[Integers, Integers]:
            source, target = self.pairs(indices, epoch)
            return source.lengths + 1, target.lengths + 1

        return RebatchedPlan(plan, seed, epoch, lengths)

    def batch(self, indices: Integers, epoch: int, multiple: int = 1) -> Batch:
        """Return the pairs with these indices as one batch; what is random depends on the epoch.

        multiple: lengths are padded to multiples of this.
        """
        batch = assemble(*self.pairs(indices, epoch), multiple)
        if not self._alignments:
            return batch
        positions = split_sides(*self._read(self._alignments, indices))[1]
        if self._right_to_left:
            positions = positions.backwards()
        aligned = numpy.zeros(batch.labels.shape, numpy.int64)
        aligned[numpy.arange(aligned.shape[1]) < positions.lengths[:, None]] = positions.ids
        return replace(batch, aligned=torch.from_numpy(aligned))

    def pairs(self, indices: Integers, epoch: int) -> tuple[FlatSegments, FlatSegments]:
        """Return the source and the target segments of the pairs with these indices.

        Raises NmtError if a shard was cut after it was opened.
        """
        source, target = split_sides(*self._read(self._shards, indices))
        if self._dropouts:
            source_dropout, target_dropout = self._dropouts
            source = source_dropout.resegment(source, 2 * indices, epoch)
            target = target_dropout.resegment(target, 2 * indices + 1, epoch)
        return source, target.backwards() if self._right_to_left else target

    def _read(self, shards: Sequence[Shard], indices: Integers) -> tuple[Integers, Integers]:
        """Return the ids of pairs end to end, and the lengths of source 0, target 0, and so on."""
        if self._used is not None:
            indices = self._used[indices]
        if len(shards) == 1:
            shards[0].check_files()
            found, lengths = shards[0].pairs(indices)
            return found.astype(numpy.int64), lengths
        which = numpy.searchsorted(self._starts, indices, side="right") - 1
        parts = []
        for number in numpy.unique(which).tolist():
            shards[number].check_files()
            parts.append(shards[number].pairs(indices[which == number] - self._starts[number]))
        ids = numpy.concatenate([found.astype(numpy.int64) for found, _ in parts])
        lengths = numpy.concatenate([lengths.reshape(-1, 2) for _, lengths in parts])
        totals = lengths.sum(1)
        order = which.argsort(kind="stable").argsort()  # the pair of each index, among the read
        return stretches(ids, totals.cumsum()[order], totals[order]), lengths[order].reshape(-1)

    def lines(self, indices: Integers) -> dict[str, list[int]]:
        """Return the sorted line numbers of pairs in their text files, by the files' names."""
        lines: dict[str, list[int]] = {}
        if self._used is not None:
            indices = self._used[indices]
        which = numpy.searchsorted(self._starts, indices, side="right") - 1
        for number in numpy.unique(which).tolist():
            found = self._shards[number].lines[indices[which == number] - self._starts[number]]
            lines.setdefault(self._names[number], []).extend(found.tolist())
        return {name: sorted(numbers) for name, numbers in lines.items()}
