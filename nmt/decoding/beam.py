"""Beam search (section 6.1) over any model that encodes, steps and selects.

The parts: `rules` (which tokens may come next), `candidates` (hypotheses extended by a token),
`scoring`, `stopping`, `placement` (rows of the batch) and `observer`.

Dimensions: B sentences that are still searched, K live hypotheses for each of them, C candidates
for each of them, V tokens, t tokens so far.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from nmt.decoding.candidates import Candidates, best_candidates
from nmt.decoding.constraints import Constraint, constraint_rules
from nmt.decoding.hypothesis import FinishedHypotheses, Hypothesis
from nmt.decoding.observer import SearchObserver, report_step
from nmt.decoding.placement import place_hypotheses, place_sentences
from nmt.decoding.rules import Never, SpecialIds, rules_for_step
from nmt.decoding.scoring import length_penalty, score_bound
from nmt.decoding.search_model import AnyIds, SearchModel, StateT
from nmt.decoding.stopping import stopping_rule
from nmt.kernels.rule import BoolArray, FloatArray, IdArray


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
    observer: SearchObserver | None = None,
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
        bounds = [score_bound(*each, alpha) for each in zip(best_live, limits, strict=True)]
        is_last = [
            is_full or bound == -math.inf or bool(should_stop(found, bound, beam_size))
            for found, bound, is_full in zip(finished, bounds, at_limit, strict=True)
        ]
        if observer is not None:
            report_step(
                observer, sentences, length, candidates, is_finished, order, bounds, is_last
            )

        # A sentence whose search is over leaves the batch.
        kept = place_sentences(not each for each in is_last)
        sentences = [sentences[row] for row in kept]
        if sentences:
            rows, tokens, log_probs = candidates.choose(order, live, kept, K)
            beam = beam.extend(rows, tokens, log_probs)
            state = state.select(rows)
    return [found.best for found in results]


def add_finished(
    finished: Sequence[FinishedHypotheses],
    candidates: Candidates,
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
