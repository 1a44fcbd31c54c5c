"""The learning rate (section 5.3)."""


def inverse_sqrt(update: int, *, d_model: int, warmup: int) -> float:
    """Return d_model^-0.5 * min(update^-0.5, update * warmup^-1.5), equation 3; update >= 1."""
    return float(d_model**-0.5 * min(update**-0.5, update * warmup**-1.5))
