"""The length penalty (section 6.1; Wu et al., 2016, equation 14)."""


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6)^alpha; length counts the end of the segment, as in the authors' code."""
    return float(((5 + length) / 6) ** alpha)
