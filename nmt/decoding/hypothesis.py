"""What a search returns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hypothesis:
    """A finished output."""

    ids: tuple[int, ...]  # without BOS and EOS
    log_prob: float  # natural logarithm of the model's probability, EOS counted
    score: float  # log_prob over the length penalty; higher is better
