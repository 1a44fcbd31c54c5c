"""Scores of hypotheses: the log-probability over a length penalty.

Section 6.1; Wu et al. (2016), equation 14.
"""


def length_penalty(length: int, alpha: float) -> float:
    """Return ((5 + length) / 6)^alpha; length counts EOS, as in the authors' code."""
    return float(((5 + length) / 6) ** alpha)


def score_bound(log_prob: float, max_length: int, alpha: float) -> float:
    """Return the best score that a live hypothesis with this log-probability can still reach.

    A log-probability only falls, and the penalty (alpha >= 0) is greatest at the greatest length.
    """
    return log_prob / length_penalty(max_length, alpha)
