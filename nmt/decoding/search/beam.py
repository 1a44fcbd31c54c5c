"""Beam search (section 6.1) over any model that encodes, steps and selects.

`rules` holds which tokens may come next, `hypothesis` scores and stopping rules. Here are the
candidates (hypotheses extended by a token), the rows that they take, and the observer that watches.

Dimensions: B sentences that are still searched, K live hypotheses for each of them, C candidates
for each of them, R = B * K, V tokens, t tokens so far.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

import numpy

from nmt.decoding.search.constraints import Constraint, constraint_rules
from nmt.decoding.search.hypothesis import (
    FinishedHypotheses,
    Hypothesis,
    length_penalty,
    score_bound,
    stopping_rule,
)
from nmt.decoding.search.rules import Never, SpecialIds, rules_for_step
from nmt.decoding.search.search_model import AnyIds, SearchModel, StateT
from nmt.kernels.array_top_k import array_top_tokens, descending
from nmt.kernels.rule import BoolArray, FloatArray, IdArray, Logits, Rule


@dataclass(frozen=True)
class Beam:
    """The live hypotheses of a batch."""

    last_ids: IdArray  # (B, K)
    prefixes: IdArray  # (B, K, t) without BOS
    log_probs: FloatArray  # (B, K); minus infinity: no hypothesis is left for this place

    def extend(self, rows: IdArray, tokens: IdArray, log_probs: FloatArray) -> "Beam":
        """Return the hypotheses `rows` (B', K'), flat indices of B * K, with one token more."""
        B, K, t = self.prefixes.shape
        parents = self.prefixes.reshape(B * K, t)[rows]  # (B', K', t)
        prefixes = numpy.concatenate([parents, tokens[:, :, None]], axis=2)
        return Beam(tokens, prefixes, log_probs)


def first_beam(sentences: int, bos: int) -> Beam:
    """Return the beam before the first step: one hypothesis for each sentence, only BOS."""
    return Beam(
        numpy.full((sentences, 1), bos, numpy.int64),
        numpy.zeros((sentences, 1, 0), numpy.int64),
        numpy.zeros((sentences, 1), numpy.float32),
    )


def beam_search(
    model: SearchModel[StateT],
    source: AnyIds,
    max_lengths: Sequence[int],
    ids: SpecialIds,
    *,
    beam_size: int,
    alpha: float,
    n_best: int = 1,
    stopping: str = "safe",
    constraints: Sequence[Constraint] = (),
    observer: "SearchObserver | None" = None,
) -> list[list[Hypothesis]]:
    """Return the n best outputs of each source segment, best first.

    source: ids (B, S), which only the model reads. max_lengths: for each segment, the most tokens
    of its output, EOS counted. An output that reaches its greatest length ends there with the
    model's own probability of EOS. alpha: exponent of the length penalty. stopping: a name in
    `STOPPING_RULES`. constraints: further limits of what an output may be.

    A segment has fewer outputs if the model allows fewer, and none if the model's logits are NaN.
    Raises ValueError unless alpha >= 0 and 1 <= n_best <= beam_size.
    """
    should_stop = stopping_rule(stopping, beam_size, alpha, n_best)
    never = Never.of(ids)
    results = [FinishedHypotheses(n_best) for _ in max_lengths]
    sentences = list(range(len(results)))  # of each row of the batch
    state = model.encode(source)
    beam = first_beam(len(sentences), ids.bos)
    while sentences:
        length = beam.prefixes.shape[2] + 1
        finished = [results[sentence] for sentence in sentences]
        limits = [max_lengths[sentence] for sentence in sentences]
        logits, state = model.step(beam.last_ids, state)
        K = logits.shape[1]  # 1 in the first step, then beam_size
        at_limit = [length >= limit for limit in limits]
        rules = rules_for_step(never, ids.eos, at_limit, K)
        rules += constraint_rules(constraints, sentences, beam.prefixes)
        candidates = best_candidates(beam.log_probs, logits, rules, beam_size, ids.eos)

        # Of the K best candidates, those that end in EOS are finished.
        is_finished = candidates.is_eos[:, :beam_size]
        add_finished(finished, candidates, is_finished, beam.prefixes, alpha)

        # The K best of the others go on. There are enough: of the 2 K candidates, at most K end in
        # EOS, one for each hypothesis. Candidates are in order; False comes before True.
        live = numpy.where(candidates.is_eos, -math.inf, candidates.log_probs)
        order = candidates.is_eos.argsort(axis=1, kind="stable")[:, :beam_size]
        order = place_hypotheses(order, candidates.parents, K)

        best_live = live.max(axis=1).tolist()
        bounds = [score_bound(*pair, alpha) for pair in zip(best_live, limits, strict=True)]
        is_last = [
            is_full or bound == -math.inf or bool(should_stop(found, bound, beam_size))
            for found, bound, is_full in zip(finished, bounds, at_limit, strict=True)
        ]
        if observer is not None:
            report_step(
                observer, sentences, length, candidates, is_finished, order, bounds, is_last
            )

        # A sentence whose search is over leaves the batch.
        kept = place_sentences(not last for last in is_last)
        sentences = [sentences[row] for row in kept]
        if sentences:
            rows, tokens, log_probs = candidates.choose(order, live, kept, K)
            beam = beam.extend(rows, tokens, log_probs)
            state = state.select(rows)
    return [found.best for found in results]


def add_finished(
    finished: Sequence[FinishedHypotheses],
    candidates: "Candidates",
    is_finished: BoolArray,
    prefixes: IdArray,
    alpha: float,
) -> None:
    """Add the candidates that are finished to the finished hypotheses of their sentences.

    finished: of each of B sentences. is_finished: (B, K), of the K best candidates. prefixes:
    (B, K, t), the tokens of the live hypotheses that the candidates extend.
    """
    penalty = length_penalty(prefixes.shape[2] + 1, alpha)
    for row, column in numpy.argwhere(is_finished).tolist():
        log_prob = float(candidates.log_probs[row, column])
        if log_prob > -math.inf:
            tokens = prefixes[row, candidates.parents[row, column]].tolist()
            finished[row].add(Hypothesis(tuple(tokens), log_prob, log_prob / penalty))


@dataclass(frozen=True)
class Candidates:
    """The best candidates of each sentence, best first."""

    log_probs: FloatArray  # (B, C) of the whole candidate; minus infinity: the rules forbid it
    parents: IdArray  # (B, C) place in the beam of the hypothesis that is extended
    tokens: IdArray  # (B, C) the new token
    is_eos: BoolArray  # (B, C): the new token is EOS

    def choose(
        self, order: IdArray, live: FloatArray, kept: Sequence[int], beam: int
    ) -> tuple[IdArray, IdArray, FloatArray]:
        """Return rows, tokens and log-probabilities (B', K) of the candidates that go on.

        order: (B, K), the candidate at each place of the next beam. live: (B, C) log-probabilities.
        kept: the rows of the sentences that stay in the batch. A result's rows are flat indices of
        the hypotheses that are extended, of which each sentence has `beam`.
        """
        sentences = numpy.array(kept)[:, None]
        chosen = sentences, order[kept]
        return sentences * beam + self.parents[chosen], self.tokens[chosen], live[chosen]


def best_candidates(
    log_probs: FloatArray, logits: Logits, rules: Sequence[Rule], beam_size: int, eos: int
) -> Candidates:
    """Return the 2 * beam_size best candidates of each sentence; fewer if there are fewer.

    log_probs: (B, K) of the live hypotheses. logits: (B, K, V) of their next tokens.
    """
    B, K, V = logits.shape
    width = min(2 * beam_size, V)  # the best candidates may all extend the same hypothesis
    found, ids = top_tokens(logits.reshape(B * K, V), rules, width)
    extended = (log_probs[:, :, None] + found.reshape(B, K, width)).reshape(B, -1)
    order = descending(extended)[:, : 2 * beam_size]
    chosen = numpy.arange(B)[:, None], order
    tokens = ids.reshape(B, -1)[chosen]
    return Candidates(extended[chosen], order // width, tokens, tokens == eos)


def top_tokens(logits: Logits, rules: Sequence[Rule], count: int) -> tuple[FloatArray, IdArray]:
    """Return log-probabilities and ids (R, count) of the best tokens; logits (R, V)."""
    if isinstance(logits, numpy.ndarray):
        return array_top_tokens(logits, rules, count)
    from nmt.kernels import top_k  # imported here, because arrays need no PyTorch

    top = top_k.top_tokens(logits, rules, count)
    return on_host(top.log_probs), top.ids.cpu().numpy()


def on_host(values: Logits) -> FloatArray:
    """Return numbers as an array; those of a GPU are copied."""
    return values if isinstance(values, numpy.ndarray) else values.cpu().numpy()


def place_sentences(goes_on: Iterable[bool]) -> list[int]:
    """Return the rows of the sentences that go on, in their new order.

    A sentence keeps its row if it can; the last sentences take the rows of those that ended.
    """
    stays = list(goes_on)
    count = sum(stays)
    last = iter([row for row in range(count, len(stays)) if stays[row]])
    return [row if stays[row] else next(last) for row in range(count)]


def place_hypotheses(order: IdArray, parents: IdArray, beam: int) -> IdArray:
    """Return the candidates `order` (B, K), each at its place in the next beam.

    The first candidate of each parent takes the place of that parent, which halves the moves; the
    others take the free places. parents: (B, C), the place of each candidate's parent. beam: the
    number of places so far.
    """
    if order.shape[1] != beam:
        return order  # the first step: all places are new
    sentences = numpy.arange(len(order))[:, None]
    parent = parents[sentences, order]  # (B, K)
    is_child = parent[:, None, :] == numpy.arange(beam)[:, None]  # (B, place, candidate)
    is_first = is_child & (is_child.cumsum(2) == 1)
    # As many places are free as candidates are not a first child.
    place = parent.copy()
    place[~is_first.any(1)] = (~is_first.any(2)).nonzero()[1]
    placed = numpy.empty_like(order)
    placed[sentences, place] = order
    return placed


@dataclass(frozen=True)
class StepCandidate:
    """A live hypothesis extended by one token."""

    parent: int  # place in the beam of the hypothesis that is extended
    token: int
    log_prob: float  # natural logarithm of the probability of all its tokens
    is_eos: bool  # its token is EOS
    is_finished: bool  # its token is EOS, and it is one of the K best


@dataclass(frozen=True)
class SearchStep:
    """One step of the search of one sentence."""

    sentence: int  # index in the source batch
    length: int  # tokens of each candidate, EOS counted
    candidates: tuple[StepCandidate, ...]  # the best that the rules allow, best first
    # The index of the candidate at each place of the next beam; None: no candidate was left for it.
    # If the search of the sentence ends here, these are the hypotheses that stay unfinished.
    next_beam: tuple[int | None, ...]
    bound: float  # the best score that an unfinished hypothesis can still reach
    is_last: bool


class SearchObserver(Protocol):
    """An object that is called after each step of a search; it cannot change the search."""

    def on_step(self, step: SearchStep) -> None:
        """Receive a step, after it and before the next one."""
        ...


def report_step(
    observer: SearchObserver,
    sentences: Sequence[int],
    length: int,
    candidates: Candidates,
    is_finished: BoolArray,
    next_beam: IdArray,
    bounds: Sequence[float],
    is_last: Sequence[bool],
) -> None:
    """Send one step of a batch to an observer, sentence by sentence.

    Dimensions: B sentences, C candidates, K places of the next beam. is_finished: (B, K),
    of the K best candidates. next_beam: (B, K), indices of candidates.
    """
    for row, sentence in enumerate(sentences):
        columns = (
            candidates.parents[row].tolist(),
            candidates.tokens[row].tolist(),
            candidates.log_probs[row].tolist(),
            candidates.is_eos[row].tolist(),
            is_finished[row].tolist(),
        )
        every = [StepCandidate(*column) for column in zip_longest(*columns, fillvalue=False)]
        allowed = [index for index, found in enumerate(every) if found.log_prob > -math.inf]
        live = {index: new for new, index in enumerate(allowed) if not every[index].is_eos}
        observer.on_step(
            SearchStep(
                sentence=sentence,
                length=length,
                candidates=tuple(every[index] for index in allowed),
                next_beam=tuple(live.get(index) for index in next_beam[row].tolist()),
                bound=bounds[row],
                is_last=is_last[row],
            )
        )
