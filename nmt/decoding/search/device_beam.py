"""Beam search for a GPU: what `search` finds, with one read of the device in several steps.

A GPU works behind Python, and a read of one of its numbers waits for all that was asked of it. So
everything that a step decides stays on the device: candidates and rules as tensors, finished
hypotheses, bounds, back-pointers. Each few steps Python reads which sentences are over, and they
leave the batch; until then they stay as rows that no longer change. In between, no shape changes.
`nmt.decoding.search.search` is the reference.

Dimensions: B sentences of the batch, K live hypotheses, C candidates and N finished ones of each, V
tokens, T steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Generic, Self

import torch
from torch import Tensor

from nmt.decoding.search.beam import BeamSearch
from nmt.decoding.search.hypothesis import Hypothesis, length_penalty
from nmt.decoding.search.rules import Never, SpecialIds
from nmt.decoding.search.search import Candidates, SearchModel, StateT
from nmt.kernels.rule import Logits, Rule
from nmt.kernels.top_k import top_tokens

Outputs = list[list[Hypothesis]]  # n best of each sentence

STEPS = 8  # from one read to the next; a divisor of the block in which caches grow


def best_device_candidates(
    log_probs: Tensor, logits: Tensor, rules: Sequence[Rule], beam_size: int
) -> Candidates[Tensor]:
    """Return what `BeamSearch.extend` returns."""
    B, K, V = logits.shape
    width = min(2 * beam_size, V)
    top = top_tokens(logits.view(B * K, V), rules, width)
    extended = log_probs[:, :, None] + top.log_probs.view(B, K, width)
    best, flat = extended.view(B, -1).topk(min(2 * beam_size, K * width))
    return Candidates(best, flat // width, top.ids.view(B, -1).gather(1, flat))


@dataclass(frozen=True)
class DeviceMustEnd:
    """Allow only EOS in some rows: `MustEnd`."""

    eos: int
    rows: Tensor  # (R,) bool

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set log_probs (n, V) to minus infinity, except EOS, in the rows that must end."""
        changed = torch.as_tensor(log_probs)
        eos = changed[:, self.eos].clone()
        must_end = self.rows[first_row : first_row + len(changed), None]
        changed.masked_fill_(must_end, -math.inf)
        changed[:, self.eos] = eos


class Rows:
    """Tensors with a row for each sentence; a base of dataclasses."""

    def tensors(self) -> list[Tensor]:
        """Return all fields, in order."""
        return [getattr(self, field.name) for field in fields(self)]  # type: ignore[arg-type] # a dataclass

    def select(self, rows: Tensor) -> Self:
        """Return some of the rows."""
        return type(self)(*(tensor.index_select(0, rows) for tensor in self.tensors()))


@dataclass(frozen=True)
class FinishedRows(Rows):
    """The n best finished hypotheses of each sentence, best first: `FinishedHypotheses`."""

    scores: Tensor  # (B, N) float64, as Python's numbers; minus infinity: there is none
    log_probs: Tensor  # (B, N)
    # (B, N) the length, EOS counted, times the beam size, plus the slot in the beam of the
    # hypothesis that EOS ended
    ends: Tensor
    count: Tensor  # (B,) all that finished

    @classmethod
    def none(cls, sentences: int, n_best: int, device: torch.device) -> "FinishedRows":
        """Return no finished hypothesis for each sentence."""
        lowest = torch.full((sentences, n_best), -math.inf, dtype=torch.float64, device=device)
        zeros = torch.zeros(sentences, n_best, dtype=torch.long, device=device)
        return cls(lowest, lowest.float(), zeros, zeros[:, 0])

    @property
    def worst(self) -> Tensor:
        """Return the score of the n-th best; minus infinity if fewer than n are finished."""
        return self.scores[:, -1]

    def add(self, log_probs: Tensor, ends: Tensor, is_new: Tensor, penalty: Tensor) -> Self:
        """Add hypotheses (B, K) of one length where `is_new`; of equal scores the earlier stays."""
        new_scores = (log_probs.double() / penalty).masked_fill(~is_new, -math.inf)
        scores = torch.cat([self.scores, new_scores], dim=1)
        order = scores.argsort(dim=1, descending=True, stable=True)[:, : self.scores.shape[1]]
        return replace(
            self,
            scores=scores.gather(1, order),
            log_probs=torch.cat([self.log_probs, log_probs], dim=1).gather(1, order),
            ends=torch.cat([self.ends, ends], dim=1).gather(1, order),
            count=self.count + is_new.sum(1),
        )


@dataclass(frozen=True)
class Sentences(Rows):
    """The sentences of the batch."""

    limits: Tensor  # (B,) greatest length
    penalties: Tensor  # (B,) float64, at the greatest length
    is_over: Tensor  # (B,) bool: it no longer changes


@dataclass(frozen=True)
class BackPointers:
    """The last token and the parent of each live hypothesis after one step."""

    numbers: list[int]  # of each row: the index of its sentence in the source batch
    tokens: Tensor  # (B, K)
    parents: Tensor  # (B, K) slot in the beam of the step before


def gathered(steps: Sequence[BackPointers], sentences: int, beam_size: int) -> tuple[Tensor, ...]:
    """Return all tokens and parents on the host: (T, sentences of the source batch, beam_size).

    Each is read at once. Where a sentence has left the batch there are zeros.
    """
    found = []
    for tensors in ([step.tokens for step in steps], [step.parents for step in steps]):
        flat = torch.cat([tensor.flatten() for tensor in tensors]).cpu()
        every = flat.new_zeros(len(steps), sentences, beam_size)
        parts = flat.split([tensor.numel() for tensor in tensors])
        for number, (step, part) in enumerate(zip(steps, parts, strict=True)):
            rows = part.view(len(step.numbers), -1)
            every[number, step.numbers, : rows.shape[1]] = rows
        found.append(every)
    return tuple(found)


def follow(steps: Sequence[BackPointers], finished: FinishedRows, beam_size: int) -> Outputs:
    """Return the finished hypotheses, each with its tokens; `finished` is on the host."""
    tokens, parents = gathered(steps, len(finished.count), beam_size)
    lengths, slots = finished.ends // beam_size, finished.ends % beam_size
    ids = torch.zeros(*lengths.shape, len(steps), dtype=torch.long)
    for step in reversed(range(len(steps))):
        is_inside = step < lengths - 1  # EOS itself is no output
        ids[:, :, step] = tokens[step].gather(1, slots)
        slots = torch.where(is_inside, parents[step].gather(1, slots), slots)
    columns = ids, lengths, finished.log_probs, finished.scores
    return [
        [
            Hypothesis(tuple(row[: length - 1]), log_prob, score)
            for row, length, log_prob, score in zip(*sentence, strict=True)
            if score > -math.inf
        ]
        for sentence in zip(*(column.tolist() for column in columns), strict=True)
    ]


class DeviceSearch(Generic[StateT]):
    """A search in progress."""

    def __init__(
        self,
        model: SearchModel[StateT],
        source: Tensor,
        max_lengths: Sequence[int],
        ids: SpecialIds,
        strategy: BeamSearch,
    ) -> None:
        """Encode the source; arguments are those of `search`."""
        device, count = source.device, len(max_lengths)
        self.model, self.state = model, model.encode(source)
        self.eos = ids.eos
        # Made once, because a GPU waits for numbers from Python.
        self.never = Never(torch.tensor(ids.never, dtype=torch.long, device=device))
        self.should_stop, self.beam_size = strategy.stopping_rule, strategy.beam_size
        # From Python's numbers: the device's own powers round in another way.
        every = [length_penalty(length, strategy.alpha) for length in range(max(max_lengths) + 1)]
        self.penalties = torch.tensor(every, dtype=torch.float64, device=device)
        limits = torch.tensor(max_lengths, device=device)
        is_over = torch.zeros(count, dtype=torch.bool, device=device)
        self.sentences = Sentences(limits, self.penalties[limits], is_over)
        self.finished = FinishedRows.none(count, strategy.n_best, device)
        self.last_ids = torch.full((count, 1), ids.bos, device=device)
        self.log_probs = torch.zeros(count, 1, device=device)
        self.steps: list[BackPointers] = []
        # What the host knows: the sentence of each row, its limit, and what has left.
        self.max_lengths = max_lengths
        self.numbers = list(range(count))
        self.left: list[tuple[list[int], FinishedRows]] = []

    def step(self) -> None:
        """Take one step, as `search` does; Python reads nothing."""
        length = len(self.steps) + 1
        logits, state = self.model.step(self.last_ids, self.state)
        K = logits.shape[1]
        at_limit = self.sentences.limits <= length
        rules: list[Rule] = [self.never]
        if min(self.limits()) <= length:
            rules.append(DeviceMustEnd(self.eos, at_limit[:, None].expand(-1, K).flatten()))
        candidates = best_device_candidates(
            self.log_probs, torch.as_tensor(logits), rules, self.beam_size
        )
        is_eos = candidates.tokens == self.eos

        likeliest = candidates.log_probs[:, : self.beam_size]
        is_new = is_eos[:, : self.beam_size] & (likeliest > -math.inf)
        is_new &= ~self.sentences.is_over[:, None]
        ends = candidates.parents[:, : self.beam_size] + length * self.beam_size
        self.finished = finished = self.finished.add(
            likeliest, ends, is_new, self.penalties[length]
        )

        live = candidates.log_probs.masked_fill(is_eos, -math.inf)
        order = live.argsort(dim=-1, descending=True, stable=True)[:, : self.beam_size]
        bounds = live.amax(-1).double() / self.sentences.penalties
        is_over = at_limit | self.should_stop(
            finished.worst, finished.count, bounds, self.beam_size
        )
        self.sentences = replace(self.sentences, is_over=self.sentences.is_over | is_over)

        parents = candidates.parents.gather(1, order)
        self.log_probs = live.gather(1, order)
        self.last_ids = candidates.tokens.gather(1, order)
        self.steps.append(BackPointers(self.numbers, self.last_ids, parents))
        firsts = torch.arange(0, len(parents) * K, K, device=parents.device)
        self.state = state.select(firsts[:, None] + parents)

    def limits(self) -> list[int]:
        """Return the greatest length of each row."""
        return [self.max_lengths[number] for number in self.numbers]

    def run(self) -> Outputs:
        """Search until all sentences are over; read once after each block of steps."""
        while self.numbers:
            for _ in range(min(STEPS, max(self.limits()) - len(self.steps))):
                self.step()
            self.leave(self.sentences.is_over.tolist())
        order = torch.tensor([number for numbers, _ in self.left for number in numbers]).argsort()
        columns = zip(*(finished.tensors() for _, finished in self.left), strict=True)
        finished = FinishedRows(*(torch.cat(column).cpu()[order] for column in columns))
        return follow(self.steps, finished, self.beam_size)

    def leave(self, is_over: Sequence[bool]) -> None:
        """Let the sentences that are over leave the batch."""
        kept = [row for row, over in enumerate(is_over) if not over]
        gone = [row for row, over in enumerate(is_over) if over]
        if gone:
            rows = torch.tensor(gone, device=self.last_ids.device)
            self.left.append(([self.numbers[row] for row in gone], self.finished.select(rows)))
        if gone and kept:
            rows = torch.tensor(kept, device=self.last_ids.device)
            K = self.last_ids.shape[1]
            self.state = self.state.select(rows[:, None] * K + torch.arange(K, device=rows.device))
            self.sentences, self.finished = self.sentences.select(rows), self.finished.select(rows)
            self.last_ids, self.log_probs = self.last_ids[rows], self.log_probs[rows]
        self.numbers = [self.numbers[row] for row in kept]


@torch.inference_mode()
def device_beam_search(
    model: SearchModel[StateT],
    source: Tensor,
    max_lengths: Sequence[int],
    ids: SpecialIds,
    strategy: BeamSearch,
) -> Outputs:
    """Return what `search` returns; arguments are the same.

    If two hypotheses are equally probable, the two searches may keep different ones.
    """
    return DeviceSearch(model, source, max_lengths, ids, strategy).run() if max_lengths else []
