"""Hypotheses: finished outputs, their scores, and the rules by which a search has found enough.

A score is the log-probability over a length penalty: section 6.1; Wu et al. (2016), equation 14.

`decode.stopping` names the stopping rule. A new rule is a function here, an entry of
`STOPPING_RULES`, and a choice of that setting in `nmt.config`. It serves one sentence, with
numbers, and all sentences of a batch, with tensors (B,).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # a search over arrays runs without PyTorch
    from torch import Tensor


@dataclass(frozen=True)
class Hypothesis:
    """A finished output."""

    ids: tuple[int, ...]  # without BOS and EOS
    log_prob: float  # natural logarithm of the model's probability, EOS counted
    score: float  # log_prob over the length penalty; higher is better
    # Of each token and of EOS, if they are wanted; their sum is log_prob up to rounding.
    token_log_probs: tuple[float, ...] = ()
    utility: float | None = None  # mean score with the candidates of `decode.mbr` as references
    # The position of the source token that each token is aligned to, if that is wanted.
    aligned_positions: tuple[int, ...] = ()

    def backwards(self) -> "Hypothesis":
        """Return the hypothesis with its last token first; EOS stays last."""
        log_probs = (*self.token_log_probs[-2::-1], *self.token_log_probs[-1:])
        return replace(self, ids=self.ids[::-1], token_log_probs=log_probs)


@dataclass
class FinishedHypotheses:
    """The n best finished hypotheses of one sentence, best first."""

    n_best: int
    best: list[Hypothesis] = field(default_factory=list)
    count: int = 0  # all that finished, including those that are not among the n best

    @property
    def worst(self) -> float:
        """Return the score of the n-th best; minus infinity if fewer than n are finished."""
        return self.best[-1].score if len(self.best) == self.n_best else -math.inf

    def add(self, hypothesis: Hypothesis) -> None:
        """Count a hypothesis, and keep it if it is one of the n best."""
        self.count += 1
        self.best.append(hypothesis)
        self.best.sort(key=lambda hypothesis: -hypothesis.score)
        del self.best[self.n_best :]


def length_penalty(length: int, alpha: float) -> float:
    """Return ((5 + length) / 6)^alpha; length counts EOS, as in the authors' code."""
    return float(((5 + length) / 6) ** alpha)


def score_bound(log_prob: float, max_length: int, alpha: float) -> float:
    """Return the best score that a live hypothesis with this log-probability can still reach.

    A log-probability only falls, and the penalty (alpha >= 0) is greatest at the greatest length.
    """
    return log_prob / length_penalty(max_length, alpha)


Number: TypeAlias = "float | Tensor"
# Returns whether the search of a sentence ends. Takes the score of the n-th best finished output
# (minus infinity if fewer than n are finished), the number of all that finished, the best score
# that a live hypothesis can still reach (`score_bound`), and the beam size.
StoppingRule: TypeAlias = "Callable[[Number, Number, Number, int], bool | Tensor]"


def safe(worst: Number, count: Number, bound: Number, beam_size: int) -> "bool | Tensor":
    """Return whether no live hypothesis can still become one of the n best."""
    return bound <= worst


def beam_finished(worst: Number, count: Number, bound: Number, beam_size: int) -> "bool | Tensor":
    """Return whether beam_size hypotheses are finished, or the search is safe to end.

    This rule may miss a longer output with a better score.
    """
    return (count >= beam_size) | safe(worst, count, bound, beam_size)


STOPPING_RULES: dict[str, StoppingRule] = {"safe": safe, "beam_finished": beam_finished}
