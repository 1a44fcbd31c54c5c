"""Beam search for outputs that must contain terms (Post and Vilar, 2018).

The hypotheses of a sentence are divided into banks, by the number of tokens of terms that they
have. Each bank gets places in the beam, so that a hypothesis with a term need not be as probable as
those without. Every hypothesis is also extended by the tokens that bring it nearer to a term. All
of this is done for the whole batch at once, as in Hu et al. (2019).

Dimensions are those of `beam` and `term_tracker`; n candidates of a sentence, R = B * K rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy

from nmt.decoding.beam import Beam, add_finished, first_beam
from nmt.decoding.candidates import Candidates, on_host, top_tokens
from nmt.decoding.constraints import Constraint, constraint_rules
from nmt.decoding.hypothesis import FinishedHypotheses, Hypothesis
from nmt.decoding.placement import place_hypotheses, place_sentences
from nmt.decoding.rules import Never, SpecialIds, rules_for_step
from nmt.decoding.scoring import length_penalty, score_bound
from nmt.decoding.search_model import AnyIds, SearchModel, StateT
from nmt.decoding.stopping import stopping_rule
from nmt.decoding.term_tracker import Progress, TermTracker, WordEdges
from nmt.decoding.terms import Term
from nmt.kernels.array_top_k import descending
from nmt.kernels.rule import BoolArray, FloatArray, IdArray, Logits, Rule

MOST_BEAMS = 3  # places of a sentence, in beam sizes, however many tokens its terms have
# The greatest exponent of the length penalty in the search, that of the paper (section 6.1): a term
# costs much probability, and a strong penalty rewards an appendix that spreads it over more tokens.
MOST_ALPHA = 0.6


def constrained_beam_search(
    model: SearchModel[StateT],
    source: AnyIds,
    max_lengths: Sequence[int],
    ids: SpecialIds,
    *,
    terms: Sequence[Sequence[Term]],
    edges: WordEdges,
    beam_size: int,
    alpha: float,
    n_best: int = 1,
    stopping: str = "safe",
    constraints: Sequence[Constraint] = (),
) -> list[list[Hypothesis]]:
    """Return the n best outputs of each source segment that contain its terms, best first.

    terms: for each segment. edges: of the tokens' words. The other arguments, and what is raised,
    are those of `beam_search`, but the search of a sentence ends, whatever `stopping` says, when
    `beam_size` outputs with all terms are finished: hypotheses without them stay probable, so that
    the safe rule waits for long outputs, in which a term is an appendix. For the same reason the
    outputs are in the order of an alpha of at most `MOST_ALPHA`; their scores are those of alpha.

    A sentence has `beam_size` places in the beam and one more for each token of its terms, up to
    `MOST_BEAMS` times `beam_size`. If no output with all terms is found, the outputs have as many
    of them as possible.
    """
    should_stop = stopping_rule("beam_finished", beam_size, alpha, n_best)
    search_alpha = min(alpha, MOST_ALPHA)
    never = Never.of(ids)
    banks = Banks.of(TermTracker.of(terms, edges), beam_size)
    results = [FoundWithTerms(n_best) for _ in max_lengths]
    sentences = list(range(len(results)))  # of each row of the batch
    state = model.encode(source)
    beam = first_beam(len(sentences), ids.bos)
    progress = banks.tracker.first
    while sentences:
        length = beam.prefixes.shape[2] + 1
        limits = [max_lengths[sentence] for sentence in sentences]
        logits, state = model.step(beam.last_ids, state)
        K = logits.shape[1]
        at_limit = [length >= limit for limit in limits]
        rules = rules_for_step(never, ids.eos, at_limit, K)
        rules += constraint_rules(constraints, sentences, beam.prefixes)
        candidates = banks.candidates(beam, progress, logits, rules, sentences, ids.eos)
        finished = [results[sentence] for sentence in sentences]
        banks.add_finished(finished, candidates, beam.prefixes, search_alpha)

        order, live = banks.choose(candidates, sentences)
        order = place_hypotheses(order, candidates.parents, K)
        best_live = live.max(axis=1).tolist()
        bounds = [score_bound(*each, search_alpha) for each in zip(best_live, limits, strict=True)]
        kept = place_sentences(
            not (is_full or bound == -math.inf or should_stop(found.complete, bound, beam_size))
            for found, bound, is_full in zip(finished, bounds, at_limit, strict=True)
        )
        # A sentence whose search is over leaves the batch.
        sentences = [sentences[row] for row in kept]
        if sentences:
            rows, tokens, log_probs = candidates.choose(order, live, kept, K)
            beam = beam.extend(rows, tokens, log_probs)
            progress = candidates.progress.select(numpy.array(kept), order[kept])
            state = state.select(rows)
    return [[rescored(each, alpha) for each in found.best] for found in results]


def rescored(found: Hypothesis, alpha: float) -> Hypothesis:
    """Return a hypothesis with the score of this exponent of the length penalty."""
    return replace(found, score=found.log_prob / length_penalty(len(found.ids) + 1, alpha))


@dataclass(frozen=True)
class TermCandidates(Candidates):
    """The candidates of each sentence, best first, with what they have of the terms."""

    progress: Progress  # (B, n)
    is_complete: BoolArray  # (B, n): they have all terms if they end now
    banks: IdArray  # (B, n)
    ranks: IdArray  # (B, n) place among the candidates of the same bank


class FoundWithTerms:
    """The n best finished hypotheses of a sentence: those with all terms, else with the most."""

    def __init__(self, n_best: int) -> None:
        self.complete = FinishedHypotheses(n_best)
        self.others = FinishedHypotheses(n_best)
        self.most = -1  # terms of each of the others

    @property
    def best(self) -> list[Hypothesis]:
        """Return the hypotheses to use."""
        return self.complete.best or self.others.best

    def others_with(self, count: int) -> FinishedHypotheses:
        """Return the hypotheses that lack terms, without those that have fewer than `count`."""
        if count > self.most:
            self.most, self.others = count, FinishedHypotheses(self.others.n_best)
        return self.others


@dataclass(frozen=True)
class Banks:
    """How the places of the beam are divided, for each sentence of the source batch."""

    tracker: TermTracker
    beam_size: int
    last: IdArray  # (B,) number of the bank of those that have all terms; the first is 0
    places: IdArray  # (B,) in the beam

    @classmethod
    def of(cls, tracker: TermTracker, beam_size: int) -> "Banks":
        """Return the banks for a tracker's terms, one for each number of tokens.

        What a sentence gets does not depend on the others of its batch.
        """
        last = tracker.lengths.sum(axis=1)
        places = beam_size + numpy.minimum(last, (MOST_BEAMS - 1) * beam_size)
        return cls(tracker, beam_size, last, places)

    def candidates(
        self,
        beam: Beam,
        progress: Progress,
        logits: Logits,
        rules: Sequence[Rule],
        sentences: Sequence[int],
        eos: int,
    ) -> TermCandidates:
        """Return the extensions of each hypothesis by the best tokens and by those for its terms.

        progress, logits: (B, K) and (B, K, V). sentences: index of each row's sentence in the
        source batch.
        """
        B, K, V = logits.shape
        wanted = Wanted.of(self.tracker, progress)
        top_log_probs, top_ids = top_tokens(
            logits.reshape(B * K, V), [*rules, wanted], min(2 * self.beam_size, V)
        )
        tokens = numpy.concatenate([top_ids, wanted.tokens], axis=1)
        width = tokens.shape[1]
        found = numpy.concatenate([top_log_probs, wanted.without(top_ids)], axis=1)
        every = (beam.log_probs[:, :, None] + found.reshape(B, K, width)).reshape(B, -1)
        flat_order = descending(every)
        rows = numpy.arange(B)
        log_probs = every[rows[:, None], flat_order]
        parents = flat_order // width
        tokens = tokens.reshape(B, -1)[rows[:, None], flat_order]
        next_progress = self.tracker.advance(progress.select(rows, parents), tokens)
        is_complete = self.tracker.is_complete(next_progress)
        banks = self._banks(next_progress, is_complete, sentences)
        ranks = self._ranks(banks, log_probs > -math.inf)
        return TermCandidates(
            log_probs, parents, tokens, tokens == eos, next_progress, is_complete, banks, ranks
        )

    def add_finished(
        self,
        finished: Sequence[FoundWithTerms],
        candidates: TermCandidates,
        prefixes: IdArray,
        alpha: float,
    ) -> None:
        """Add the candidates that end, if they are among the `beam_size` best of their bank.

        Arguments are those of `nmt.decoding.beam.add_finished`.
        """
        is_finished = candidates.is_eos & (candidates.log_probs > -math.inf)
        is_finished &= candidates.ranks < self.beam_size
        is_complete = is_finished & candidates.is_complete
        complete = [found.complete for found in finished]
        add_finished(complete, candidates, is_complete, prefixes, alpha)
        is_other = is_finished & ~is_complete
        if all(found.best for found in complete) or not is_other.any():
            return
        counts = numpy.where(is_other, candidates.progress.met.sum(-1), -1)
        others = [
            found.others_with(count)
            for found, count in zip(finished, counts.max(axis=1).tolist(), strict=True)
        ]
        most = numpy.array([found.most for found in finished])
        is_other &= counts == most[:, None]
        add_finished(others, candidates, is_other, prefixes, alpha)

    def choose(
        self, candidates: TermCandidates, sentences: Sequence[int]
    ) -> tuple[IdArray, FloatArray]:
        """Return which candidates go on, (B, K'), and the log-probabilities (B, n) of those alone.

        The best of each bank go on, the last bank's first, then the second best of each. So a
        bank that is empty leaves its places to the others.
        """
        rows = numpy.array(sentences)
        is_live = ~candidates.is_eos & (candidates.log_probs > -math.inf)
        ranks = self._ranks(candidates.banks, is_live)
        turn = ranks * (1 + self.last.max()) + self.last[rows, None] - candidates.banks
        turn = numpy.where(is_live, turn, numpy.iinfo(numpy.int64).max)
        order = turn.argsort(axis=1, kind="stable")[:, : int(self.places.max())]
        has_place = numpy.arange(order.shape[1]) < self.places[rows, None]
        chosen = numpy.zeros_like(is_live)
        chosen[numpy.arange(len(order))[:, None], order] = has_place
        return order, numpy.where(chosen & is_live, candidates.log_probs, -math.inf)

    def _banks(
        self, progress: Progress, is_complete: BoolArray, sentences: Sequence[int]
    ) -> IdArray:
        rows = numpy.array(sentences)
        last = self.last[rows, None]
        done = self.tracker.tokens_done(progress, rows)
        return numpy.where(is_complete, last, numpy.minimum(done, last - 1).clip(min=0))

    def _ranks(self, banks: IdArray, counts: BoolArray) -> IdArray:
        """Return the place of each candidate among those of its bank that count."""
        numbers = numpy.arange(1 + int(self.last.max()))
        is_in = (banks[:, :, None] == numbers) & counts[:, :, None]
        return numpy.take_along_axis(is_in.cumsum(axis=1), banks[:, :, None], axis=2)[:, :, 0] - 1


@dataclass(frozen=True)
class Wanted:
    """Read the log-probabilities of tokens that hypotheses want, whatever their rank.

    As the last of the rules it sees what the others left, and changes nothing. The last of the
    tokens is the best that ends a word, for hypotheses that have just written a term.
    """

    tokens: IdArray  # (R, A + 1)
    log_probs: FloatArray  # (R, A + 1); minus infinity: not wanted
    is_wanted: BoolArray  # (R, A)
    has_term: BoolArray  # (R,)
    ends_word: BoolArray  # (V,)

    @classmethod
    def of(cls, tracker: TermTracker, progress: Progress) -> "Wanted":
        """Return the rule for the next tokens of hypotheses (B, K)."""
        nodes = progress.nodes.ravel()
        missing = ~progress.met.reshape(len(nodes), -1)
        is_wanted = numpy.logical_or.reduce(tracker.ahead_terms[nodes] & missing[:, None], axis=-1)
        tokens = numpy.pad(tracker.ahead[nodes], ((0, 0), (0, 1)))
        log_probs = numpy.full(tokens.shape, -math.inf, numpy.float32)
        has_term = numpy.logical_or.reduce(tracker.complete[nodes] & missing, axis=-1)
        return cls(tokens, log_probs, is_wanted, has_term, tracker.ends_word)

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Read the log-probabilities (n, V) of rows from `first_row` on."""
        block = slice(first_row, first_row + len(log_probs))
        rows, places = self.is_wanted[block].nonzero()
        self.log_probs[first_row + rows, places] = on_host(
            log_probs[rows, self.tokens[first_row + rows, places]]
        )
        (rows,) = self.has_term[block].nonzero()
        if len(rows):
            ends = numpy.where(self.ends_word, on_host(log_probs[rows]), -math.inf)
            best = ends.argmax(axis=1)
            self.log_probs[first_row + rows, -1] = ends[numpy.arange(len(rows)), best]
            self.tokens[first_row + rows, -1] = best

    def without(self, ids: IdArray) -> FloatArray:
        """Return the log-probabilities, with minus infinity for tokens in ids (R, n) or twice."""
        wanted = numpy.where(self.is_wanted, self.tokens[:, :-1], -1)
        is_known = (self.tokens[:, :, None] == ids[:, None]).any(-1)
        is_known[:, -1] |= (wanted == self.tokens[:, -1:]).any(-1)
        return numpy.where(is_known, -math.inf, self.log_probs)
