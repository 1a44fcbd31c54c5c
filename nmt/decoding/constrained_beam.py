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

import torch
from torch import Tensor

from nmt.decoding.beam import Beam, add_finished, first_beam
from nmt.decoding.candidates import Candidates
from nmt.decoding.constraints import Constraint, constraint_rules
from nmt.decoding.hypothesis import FinishedHypotheses, Hypothesis
from nmt.decoding.placement import place_hypotheses, place_sentences
from nmt.decoding.rules import Never, SpecialIds, rules_for_step
from nmt.decoding.scoring import length_penalty, score_bound
from nmt.decoding.search_model import SearchModel, StateT
from nmt.decoding.stopping import stopping_rule
from nmt.decoding.term_tracker import Progress, TermTracker, WordEdges
from nmt.decoding.terms import Term
from nmt.kernels.top_k import Rule, top_tokens

MOST_BEAMS = 3  # places of a sentence, in beam sizes, however many tokens its terms have
# The greatest exponent of the length penalty in the search, that of the paper (section 6.1): a term
# costs much probability, and a strong penalty rewards an appendix that spreads it over more tokens.
MOST_ALPHA = 0.6


@torch.inference_mode()
def constrained_beam_search(
    model: SearchModel[StateT],
    source: Tensor,
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

    terms: for each segment. edges: on the source's device. The other arguments, and what is raised,
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
    never = Never.of(ids, source.device)
    banks = Banks.of(TermTracker.of(terms, edges), beam_size)
    results = [FoundWithTerms(n_best) for _ in max_lengths]
    sentences = list(range(len(results)))  # of each row of the batch
    state = model.encode(source)
    beam = first_beam(len(sentences), ids.bos, source.device)
    progress = banks.tracker.first
    while sentences:
        length = beam.prefixes.shape[2] + 1
        limits = [max_lengths[sentence] for sentence in sentences]
        logits, state = model.step(beam.last_ids, state)
        K = logits.shape[1]
        at_limit = [length >= limit for limit in limits]
        must_end = torch.tensor(at_limit, device=source.device) if any(at_limit) else None
        rules = rules_for_step(never, ids.eos, must_end, K)
        rules += constraint_rules(constraints, sentences, beam.prefixes)
        candidates = banks.candidates(beam, progress, logits, rules, sentences, ids.eos)
        finished = [results[sentence] for sentence in sentences]
        banks.add_finished(finished, candidates, beam.prefixes, search_alpha)

        order, live = banks.choose(candidates, sentences)
        order = place_hypotheses(order, candidates.parents, K)
        best_live = live.amax(-1).tolist()
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
            kept_rows = torch.tensor(kept, device=source.device)
            progress = candidates.progress.select(kept_rows, order[kept_rows])
            state = state.select(rows)
    return [[rescored(each, alpha) for each in found.best] for found in results]


def rescored(found: Hypothesis, alpha: float) -> Hypothesis:
    """Return a hypothesis with the score of this exponent of the length penalty."""
    return replace(found, score=found.log_prob / length_penalty(len(found.ids) + 1, alpha))


@dataclass(frozen=True)
class TermCandidates(Candidates):
    """The candidates of each sentence, best first, with what they have of the terms."""

    progress: Progress  # (B, n)
    is_complete: Tensor  # (B, n) bool: they have all terms if they end now
    banks: Tensor  # (B, n)
    ranks: Tensor  # (B, n) place among the candidates of the same bank


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
    last: Tensor  # (B,) number of the bank of those that have all terms; the first is 0
    places: Tensor  # (B,) in the beam

    @classmethod
    def of(cls, tracker: TermTracker, beam_size: int) -> "Banks":
        """Return the banks for a tracker's terms, one for each number of tokens.

        What a sentence gets does not depend on the others of its batch.
        """
        last = tracker.lengths.sum(1)
        places = beam_size + last.clamp(max=(MOST_BEAMS - 1) * beam_size)
        return cls(tracker, beam_size, last, places)

    def candidates(
        self,
        beam: Beam,
        progress: Progress,
        logits: Tensor,
        rules: Sequence[Rule],
        sentences: Sequence[int],
        eos: int,
    ) -> TermCandidates:
        """Return the extensions of each hypothesis by the best tokens and by those for its terms.

        progress, logits: (B, K) and (B, K, V). sentences: index of each row's sentence in the
        source batch.
        """
        B, K, V = logits.shape
        flat = logits.view(B * K, V)
        wanted = Wanted.of(self.tracker, progress)
        top = top_tokens(flat, [*rules, wanted], min(2 * self.beam_size, V))
        tokens = torch.cat([top.ids, wanted.tokens], 1)
        width = tokens.shape[1]
        found = torch.cat([top.log_probs, wanted.without(top.ids)], 1).view(B, K, width)
        log_probs, flat_order = (
            (beam.log_probs[:, :, None] + found)
            .view(B, -1)
            .sort(dim=1, descending=True, stable=True)
        )
        parents = torch.div(flat_order, width, rounding_mode="floor")
        tokens = tokens.view(B, -1).gather(1, flat_order)
        rows = torch.arange(B, device=logits.device)
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
        prefixes: Tensor,
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
        counts = candidates.progress.met.sum(-1).masked_fill(~is_other, -1)
        others = [
            found.others_with(count)
            for found, count in zip(finished, counts.amax(1).tolist(), strict=True)
        ]
        most = torch.tensor([found.most for found in finished], device=counts.device)
        is_other &= counts == most[:, None]
        add_finished(others, candidates, is_other, prefixes, alpha)

    def choose(self, candidates: TermCandidates, sentences: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return which candidates go on, (B, K'), and the log-probabilities (B, n) of those alone.

        The best of each bank go on, the last bank's first, then the second best of each. So a
        bank that is empty leaves its places to the others.
        """
        rows = torch.tensor(sentences, device=self.last.device)
        is_live = ~candidates.is_eos & (candidates.log_probs > -math.inf)
        ranks = self._ranks(candidates.banks, is_live)
        turn = ranks * (1 + self.last.max()) + self.last[rows, None] - candidates.banks
        turn = turn.masked_fill(~is_live, torch.iinfo(torch.long).max)
        order = turn.argsort(dim=1, stable=True)[:, : int(self.places.max())]
        has_place = torch.arange(order.shape[1], device=order.device) < self.places[rows, None]
        chosen = torch.zeros_like(is_live).scatter(1, order, has_place) & is_live
        return order, candidates.log_probs.masked_fill(~chosen, -math.inf)

    def _banks(self, progress: Progress, is_complete: Tensor, sentences: Sequence[int]) -> Tensor:
        rows = torch.tensor(sentences, device=self.last.device)
        last = self.last[rows, None]
        done = self.tracker.tokens_done(progress, rows)
        return torch.where(is_complete, last, done.minimum(last - 1).clamp(min=0))

    def _ranks(self, banks: Tensor, counts: Tensor) -> Tensor:
        """Return the place of each candidate among those of its bank that count."""
        numbers = torch.arange(1 + int(self.last.max()), device=banks.device)
        is_in = (banks[:, :, None] == numbers) & counts[:, :, None]
        return is_in.cumsum(1).gather(2, banks[:, :, None])[:, :, 0] - 1


@dataclass(frozen=True)
class Wanted:
    """Read the log-probabilities of tokens that hypotheses want, whatever their rank.

    As the last of the rules it sees what the others left, and changes nothing. The last of the
    tokens is the best that ends a word, for hypotheses that have just written a term.
    """

    tokens: Tensor  # (R, A + 1)
    log_probs: Tensor  # (R, A + 1); minus infinity: not wanted
    is_wanted: Tensor  # (R, A) bool
    has_term: Tensor  # (R,) bool
    ends_word: Tensor  # (V,) bool

    @classmethod
    def of(cls, tracker: TermTracker, progress: Progress) -> "Wanted":
        """Return the rule for the next tokens of hypotheses (B, K)."""
        nodes, missing = progress.nodes.flatten(), ~progress.met.flatten(0, 1)
        is_wanted = (tracker.ahead_terms[nodes] & missing[:, None]).any(-1)
        tokens = torch.cat([tracker.ahead[nodes], torch.zeros_like(nodes)[:, None]], 1)
        log_probs = torch.full(tokens.shape, -math.inf, device=tokens.device)
        has_term = (tracker.complete[nodes] & missing).any(-1)
        return cls(tokens, log_probs, is_wanted, has_term, tracker.ends_word)

    def apply(self, log_probs: Tensor, first_row: int) -> None:
        """Read the log-probabilities (n, V) of rows from `first_row` on."""
        rows = slice(first_row, first_row + len(log_probs))
        read = log_probs.gather(1, self.tokens[rows, :-1])
        self.log_probs[rows, :-1] = read.masked_fill(~self.is_wanted[rows], -math.inf)
        has_term = self.has_term[rows].nonzero()[:, 0]
        if len(has_term):
            ends = log_probs[has_term].masked_fill(~self.ends_word, -math.inf).max(1)
            self.log_probs[first_row + has_term, -1] = ends.values
            self.tokens[first_row + has_term, -1] = ends.indices

    def without(self, ids: Tensor) -> Tensor:
        """Return the log-probabilities, with minus infinity for tokens in ids (R, n) or twice."""
        wanted = self.tokens[:, :-1].masked_fill(~self.is_wanted, -1)
        is_known = (self.tokens[:, :, None] == ids[:, None]).any(-1)
        is_known[:, -1] |= (wanted == self.tokens[:, -1:]).any(-1)
        return self.log_probs.masked_fill(is_known, -math.inf)
