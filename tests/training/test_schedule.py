"""The learning rate of section 5.3."""

import pytest

from nmt.config import Recipe
from nmt.recipe.settings import with_settings
from nmt.training.updates import cooldown, inverse_sqrt, learning_rate


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


def test_a_cooldown_falls_in_equal_steps_to_zero() -> None:
    """The last 3 of 10 updates have three quarters, a half and a quarter of the rate."""
    factors = [cooldown(update, last=10, length=3) for update in range(6, 12)]
    assert factors == pytest.approx([1, 1, 0.75, 0.5, 0.25, 0])
    assert cooldown(10, last=10, length=0) == 1


def test_a_recipe_multiplies_scale_and_cooldown() -> None:
    settings = {"train.max_updates": 8000, "train.learning_rate_scale": 2.0}
    recipe = with_settings(Recipe("cooled"), settings | {"train.cooldown_updates": 4000})
    assert learning_rate(recipe, 4000) == pytest.approx(2 * 6.98771e-04, rel=1e-5)
    half = 2000.5 / 4001  # about half of the cooldown is over
    assert learning_rate(recipe, 6000) == pytest.approx(2 * 512**-0.5 * 6000**-0.5 * half, rel=1e-3)


def test_a_cooldown_begins_after_the_warm_up() -> None:
    """A warm-up of 400 leaves 100 of 500 updates, so that the peak is reached."""
    settings = {"train.max_updates": 500, "train.warmup_updates": 400}
    plain, long, fitting = (
        with_settings(Recipe("cooled"), settings | {"train.cooldown_updates": length})
        for length in (0, 5000, 100)
    )
    assert learning_rate(long, 400) == learning_rate(plain, 400)
    assert learning_rate(long, 450) == learning_rate(fitting, 450) < learning_rate(plain, 450)
    short = with_settings(long, {"train.max_updates": 4})
    assert learning_rate(short, 4) == learning_rate(plain, 4)
