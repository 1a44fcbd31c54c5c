"""Stopping rules: when the search of a sentence ends before its greatest length.

`decode.stopping` names the rule. A new rule is a function here, an entry of `STOPPING_RULES`, and a
choice of that setting in `nmt.config`.
"""

from typing import Protocol

from nmt.decoding.hypothesis import FinishedHypotheses


class StoppingRule(Protocol):
    """A rule that ends the search of a sentence."""

    def __call__(self, finished: FinishedHypotheses, bound: float, beam_size: int) -> bool:
        """Return True if the search ends.

        bound: the best score that a live hypothesis can still reach (`scoring.score_bound`).
        """
        ...


def safe(finished: FinishedHypotheses, bound: float, beam_size: int) -> bool:
    """Return True if no live hypothesis can still become one of the n best."""
    return finished.is_full and bound <= finished.best[-1].score


def beam_finished(finished: FinishedHypotheses, bound: float, beam_size: int) -> bool:
    """Return True if beam_size hypotheses are finished, or if the search is safe to end.

    This rule may miss a longer output with a better score.
    """
    return finished.count >= beam_size or safe(finished, bound, beam_size)


STOPPING_RULES: dict[str, StoppingRule] = {"safe": safe, "beam_finished": beam_finished}
