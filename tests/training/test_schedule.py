"""The learning rate of section 5.3."""

import pytest

from nmt.training.schedule import inverse_sqrt


def test_hand_computed_rates() -> None:
    """d_model 512, warm-up 4000: first 512^-0.5 * 4000^-1.5, at most 512^-0.5 * 4000^-0.5."""
    assert inverse_sqrt(1, d_model=512, warmup=4000) == pytest.approx(1.74693e-07, rel=1e-5)
    assert inverse_sqrt(4000, d_model=512, warmup=4000) == pytest.approx(6.98771e-04, rel=1e-5)
    assert inverse_sqrt(100_000, d_model=512, warmup=4000) == pytest.approx(1.39754e-04, rel=1e-5)


def test_rises_linearly_then_falls_with_the_square_root() -> None:
    rates = {u: inverse_sqrt(u, d_model=64, warmup=100) for u in (1, 50, 100, 400)}
    assert rates[50] == pytest.approx(50 * rates[1])
    assert max(rates.values()) == rates[100]
    assert rates[400] == pytest.approx(rates[100] / 2)
