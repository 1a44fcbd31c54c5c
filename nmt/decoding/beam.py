"""Beam search over any model that encodes, steps and reorders.

Dimensions: B sentences still searched, K live hypotheses a sentence, V pieces.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.scoring import length_penalty
from nmt.kernels.top_k import Rules, best_candidates


class SearchState(Protocol):
    """What a model remembers of its hypotheses; one beside the other, sentence after sentence."""

    def select(self, rows: Tensor) -> Self:
        """The state of hypotheses `rows` (B', K'), flat indices of the old B * K."""
        ...


StateT = TypeVar("StateT", bound=SearchState)


class SearchModel(Protocol[StateT]):
    """A model as the search sees it."""

    def encode(self, source: Tensor) -> StateT:
        """The state before the first piece, one hypothesis a sentence."""
        ...

    def step(self, last_ids: Tensor, state: StateT) -> tuple[Tensor, StateT]:
        """Logits (B, K, V) of what follows last_ids (B, K); the search may overwrite them."""
        ...


@dataclass(frozen=True)
class SpecialIds:
    """Ids the search treats specially."""

    bos: int
    eos: int
    never: tuple[int, ...] = ()  # ids that are no output: padding, BOS, the unknown


@dataclass
class _Sentence:
    """One sentence's finished hypotheses, best first."""

    max_length: int  # tokens of output, EOS counted
    enough: float = math.inf  # finished hypotheses that end the search, whatever may come
    finished: list[Hypothesis] = field(default_factory=list)
    count: int = 0  # of all that finished, those beyond the n best too

    def add(self, hypothesis: Hypothesis, n_best: int) -> None:
        self.count += 1
        self.finished.append(hypothesis)
        self.finished.sort(key=lambda each: -each.score)
        del self.finished[n_best:]

    def is_done(self, length: int, best_live: float, alpha: float, n_best: int) -> bool:
        """Whether, after `length` steps, no live hypothesis can still enter the n best.

        A log-probability only falls, and the penalty (alpha >= 0) is largest at the greatest
        length: best_live over that penalty bounds every score to come. Or whether enough finished.
        """
        if length >= self.max_length or best_live == -math.inf or self.count >= self.enough:
            return True
        bound = best_live / length_penalty(self.max_length, alpha)
        return len(self.finished) == n_best and bound <= self.finished[-1].score


@torch.inference_mode()
def beam_search(
    model: SearchModel[StateT],
    source: Tensor,
    max_lengths: Sequence[int],
    ids: SpecialIds,
    *,
    beam_size: int,
    alpha: float,
    n_best: int = 1,
    stopping: str = "safe",
) -> list[list[Hypothesis]]:
    """The n best outputs of each source segment, best first (fewer where there are fewer).

    `max_lengths` bounds each output's tokens, EOS counted: an output that reaches it ends there,
    with EOS's own probability, so that every score is the model's. Needs alpha >= 0 and
    n_best <= beam_size. A sentence for which the model gives no number has no output. `stopping` is
    decode.stopping: safe, or beam_finished, which may miss a longer output of a better score.
    """
    if alpha < 0 or not 1 <= n_best <= beam_size:
        raise ValueError("beam search needs alpha >= 0 and 1 <= n_best <= beam_size")
    enough = beam_size if stopping == "beam_finished" else math.inf
    sentences = [_Sentence(length, enough) for length in max_lengths]
    results = list(sentences)
    device = source.device
    state = model.encode(source)
    last = torch.full((len(sentences), 1), ids.bos, device=device)
    log_probs = torch.zeros(len(sentences), 1, device=device)  # (B, K)
    history = torch.zeros(len(sentences), 1, 0, dtype=torch.long, device=device)  # (B, K, t)
    length = 0
    while sentences:
        length += 1
        logits, state = model.step(last, state)
        B, K, V = logits.shape
        # The beam's best candidates: those of them that end in EOS are finished outputs. At most K
        # of the 2K best end, so the others always fill the beam anew. A beam of 1 is greedy.
        wanted = min(2 * beam_size, V)  # of a hypothesis, as they might all be its own
        rules = rules_of(sentences, length, ids, K, device)
        best = best_candidates(logits.view(B * K, V), rules, wanted)
        candidates = log_probs[:, :, None] + best.log_probs.view(B, K, wanted)
        scores, flat = candidates.view(B, -1).topk(min(2 * beam_size, K * wanted))
        parents, pieces = flat // wanted, best.pieces.view(B, -1).gather(1, flat)
        ends = pieces == ids.eos
        finished = ends[:, :beam_size]
        collect(sentences, history, scores, parents, finished, length, alpha, n_best)
        # The best candidates that go on, in order of score: ended ones sort behind.
        live = scores.masked_fill(ends, -math.inf)
        order = live.argsort(dim=-1, descending=True, stable=True)[:, :beam_size]
        best_live = live.amax(-1).tolist()
        keep = sentences_in_place(
            not sentence.is_done(length, best, alpha, n_best)
            and not (beam_size == 1 and sentence.finished)  # greedy: the likeliest ended
            for sentence, best in zip(sentences, best_live, strict=True)
        )
        sentences = [sentences[row] for row in keep]
        if not sentences:
            break
        kept = torch.tensor(keep, device=device)
        order = hypotheses_in_place(order[kept], parents[kept], K)
        log_probs, last = live[kept].gather(1, order), pieces[kept].gather(1, order)
        rows = kept[:, None] * K + parents[kept].gather(1, order)  # (B', K')
        history = torch.cat([history.flatten(0, 1)[rows], last[:, :, None]], dim=2)
        state = state.select(rows)
    return [sentence.finished for sentence in results]


def sentences_in_place(goes_on: Iterable[bool]) -> list[int]:
    """The sentences that go on, the last of them in the places of those that do not.

    What is kept of a sentence must move when its place changes.
    """
    keep = list(goes_on)
    count = sum(keep)
    late = iter([row for row in range(count, len(keep)) if keep[row]])
    return [row if keep[row] else next(late) for row in range(count)]


def hypotheses_in_place(order: Tensor, parents: Tensor, beam: int) -> Tensor:
    """The candidates `order` (B, K), the first of each parent in its place, others in free places.

    What is kept of a hypothesis must move when its place changes: this halves the moves.
    """
    if order.shape[1] != beam:
        return order  # the first step: all places are new
    mine = parents.gather(1, order)  # (B, K) of each candidate, the place of its parent
    places = torch.arange(beam, device=order.device)
    is_child = mine[:, None, :] == places[:, None]  # (B, place, candidate)
    is_first = (is_child & (is_child.cumsum(2) == 1)).to(torch.uint8)
    # Free places and candidates that are no first come first, in order, and are as many.
    free_places = is_first.amax(2).argsort(dim=1, stable=True)
    others = is_first.amax(1).argsort(dim=1, stable=True)
    place = torch.where(is_first.amax(1).bool(), mine, free_places.scatter(1, others, free_places))
    return torch.empty_like(order).scatter_(1, place, order)


def rules_of(
    sentences: Sequence[_Sentence], length: int, ids: SpecialIds, beam: int, device: torch.device
) -> Rules:
    """At a sentence's greatest length only EOS may come."""
    last = [length >= sentence.max_length for sentence in sentences]
    must_end = None
    if any(last):
        must_end = torch.tensor(last, device=device).repeat_interleave(beam)
    return Rules(ids.never, ids.eos, must_end)


def collect(
    sentences: Sequence[_Sentence],
    history: Tensor,
    scores: Tensor,
    parents: Tensor,
    finished: Tensor,
    length: int,
    alpha: float,
    n_best: int,
) -> None:
    """File the candidates that are finished with their sentences."""
    penalty = length_penalty(length, alpha)
    for row, column in finished.nonzero().tolist():
        log_prob = float(scores[row, column])
        if log_prob > -math.inf:
            tokens = history[row, parents[row, column]].tolist()
            sentences[row].add(Hypothesis(tuple(tokens), log_prob, log_prob / penalty), n_best)
