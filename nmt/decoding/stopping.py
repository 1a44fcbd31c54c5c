"""Stopping rules: when the search of a sentence ends before its greatest length.

`decode.stopping` names the rule. A new rule is a function here, an entry of `STOPPING_RULES`, and a
choice of that setting in `nmt.config`. It serves one sentence, with numbers, and all sentences of a
batch, with tensors (B,).
"""

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:  # a search over arrays runs without PyTorch
    from torch import Tensor

Number: TypeAlias = "float | Tensor"
Count: TypeAlias = "int | Tensor"
Answer: TypeAlias = "bool | Tensor"


class Finished(Protocol):
    """The finished hypotheses of a sentence, or of B sentences, as a stopping rule sees them."""

    @property
    def worst(self) -> Number:
        """The score of the n-th best; minus infinity if fewer than n are finished."""
        ...

    @property
    def count(self) -> Count:
        """The number of all that finished."""
        ...


class StoppingRule(Protocol):
    """A rule that ends the search of a sentence."""

    def __call__(self, finished: Finished, bound: Number, beam_size: int) -> Answer:
        """Return whether the search ends.

        bound: the best score that a live hypothesis can still reach (`scoring.score_bound`).
        """
        ...


def safe(finished: Finished, bound: Number, beam_size: int) -> Answer:
    """Return whether no live hypothesis can still become one of the n best."""
    return bound <= finished.worst


def beam_finished(finished: Finished, bound: Number, beam_size: int) -> Answer:
    """Return whether beam_size hypotheses are finished, or the search is safe to end.

    This rule may miss a longer output with a better score.
    """
    return (finished.count >= beam_size) | safe(finished, bound, beam_size)


STOPPING_RULES: dict[str, StoppingRule] = {"safe": safe, "beam_finished": beam_finished}


def stopping_rule(name: str, beam_size: int, alpha: float, n_best: int) -> StoppingRule:
    """Return the rule of this name for a search.

    A beam of 1 is greedy search, which ends with its first output. Raises ValueError unless
    alpha >= 0 and 1 <= n_best <= beam_size: otherwise no rule is safe.
    """
    if alpha < 0 or not 1 <= n_best <= beam_size:
        raise ValueError("beam search needs alpha >= 0 and 1 <= n_best <= beam_size")
    return STOPPING_RULES["beam_finished" if beam_size == 1 else name]
