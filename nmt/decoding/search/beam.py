"""Beam search (section 6.1): the most probable candidates go on.

Dimensions: B sentences that are still searched, K live hypotheses for each of them, C candidates
for each of them, R = B * K, V tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy

from nmt.decoding.search.hypothesis import STOPPING_RULES, FinishedHypotheses, StoppingRule
from nmt.decoding.search.search import ArrayCandidates, Beam, Candidates
from nmt.kernels.array_functions import array_top_tokens, descending
from nmt.kernels.rule import FloatArray, IdArray, Logits, Rule


@dataclass(frozen=True)
class BeamSearch:
    """The strategy of beam search.

    Raises ValueError unless alpha >= 0 and 1 <= n_best <= beam_size: otherwise no rule to stop is
    safe.
    """

    beam_size: int
    alpha: float  # exponent of the length penalty
    n_best: int = 1
    stopping: str = "safe"  # a name in `STOPPING_RULES`
    reorders: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.alpha < 0 or not 1 <= self.n_best <= self.beam_size:
            raise ValueError("beam search needs alpha >= 0 and 1 <= n_best <= beam_size")

    def extend(
        self, beam: Beam, logits: Logits, rules: Sequence[Rule], sentences: Sequence[int]
    ) -> ArrayCandidates:
        """Return the 2 * beam_size best candidates of each sentence, best first; or all of them.

        Of these, at most K end in EOS, one for each hypothesis, so at least K others remain.
        """
        B, K, V = logits.shape
        width = min(2 * self.beam_size, V)  # the best candidates may all extend one hypothesis
        found, ids = top_tokens(logits.reshape(B * K, V), rules, width)
        extended = (beam.log_probs[:, :, None] + found.reshape(B, K, width)).reshape(B, -1)
        order = descending(extended)[:, : 2 * self.beam_size]
        chosen = numpy.arange(B)[:, None], order
        return Candidates(extended[chosen], order // width, ids.reshape(B, -1)[chosen])

    @property
    def width(self) -> int:
        """Return the beam size: an output is one of the K best candidates."""
        return self.beam_size

    def place(
        self, beam: Beam, candidates: ArrayCandidates, live: FloatArray, sentences: Sequence[int]
    ) -> IdArray:
        """Return the K best candidates that can go on, each in its slot."""
        order = (-live).argsort(axis=1, kind="stable")[:, : self.beam_size]
        return place_hypotheses(order, candidates.parents, beam.last_ids.shape[1])

    def is_over(self, finished: FinishedHypotheses, bound: float) -> bool:
        """Return whether the stopping rule ends the search."""
        return bool(self.stopping_rule(finished.worst, finished.count, bound, self.beam_size))

    @property
    def stopping_rule(self) -> StoppingRule:
        """Return the rule that ends a search.

        Greedy search, a beam of 1, ends with its first output.
        """
        return STOPPING_RULES["beam_finished" if self.beam_size == 1 else self.stopping]


def top_tokens(logits: Logits, rules: Sequence[Rule], count: int) -> tuple[FloatArray, IdArray]:
    """Return log-probabilities and ids (R, count) of the best tokens; logits (R, V)."""
    if isinstance(logits, numpy.ndarray):
        return array_top_tokens(logits, rules, count)
    from nmt.kernels import top_k  # imported here, because arrays need no PyTorch

    top = top_k.top_tokens(logits, rules, count)
    return top.log_probs.cpu().numpy(), top.ids.cpu().numpy()


def place_hypotheses(order: IdArray, parents: IdArray, beam: int) -> IdArray:
    """Return the candidates `order` (B, K), each in its slot of the next beam.

    The first candidate of each parent takes the slot of that parent, which halves the moves; the
    others take the free slots. parents: (B, C), the slot of each candidate's parent. beam: the
    number of slots so far.
    """
    if order.shape[1] != beam:
        return order  # the first step: all slots are new
    sentences = numpy.arange(len(order))[:, None]
    parent = parents[sentences, order]  # (B, K)
    is_child = parent[:, None, :] == numpy.arange(beam)[:, None]  # (B, slot, candidate)
    is_first = is_child & (is_child.cumsum(2) == 1)
    # As many slots are free as candidates are not a first child.
    slot = parent.copy()
    slot[~is_first.any(1)] = (~is_first.any(2)).nonzero()[1]
    placed = numpy.empty_like(order)
    placed[sentences, slot] = order
    return placed
