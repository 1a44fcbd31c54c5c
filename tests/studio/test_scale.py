"""The law that is fitted to a ladder, the widths of its rungs, and the operations of a run."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy
import pytest

from nmt.errors import UsageError
from nmt.recipe.files import load_recipe
from nmt.recipe.size import count_parameters
from nmt.runs.history import parse_history
from nmt.studio.experiments.fit import Point, fit, refusal
from nmt.studio.experiments.ladder import Ladder, compared_recipes, plan, update_operations
from nmt.studio.experiments.scale import operations_spent
from nmt.training.updates import learning_rate

TRUTH = {"E": 1.2, "A": 60.0, "a": 0.4, "B": 300.0, "b": 0.6}
SIZES, PAIRS = (2e4, 8e4, 3e5, 1.2e6, 4e6), 29e3


def loss(N: float, D: float) -> float:
    E, A, a, B, b = TRUTH.values()
    return float(E + A / N**a + B / D**b)


def points(noise: float) -> list[Point]:
    """Return losses of all sizes with the whole corpus and of two with shares of it."""
    sizes = [(N, PAIRS) for N in SIZES]
    sizes += [*product(SIZES[2:4], (PAIRS / 8, PAIRS / 4, PAIRS / 2))]
    draw = numpy.random.default_rng(1).normal(0, noise, len(sizes))
    noisy = zip(sizes, numpy.exp(draw).tolist(), strict=True)
    return [Point(N, D, loss(N, D) * factor) for (N, D), factor in noisy]


def test_a_fit_finds_the_law_that_made_the_losses() -> None:
    exact = fit(points(noise=0)).constants()
    values = {name: estimate.value for name, estimate in exact.items()}
    assert values == pytest.approx(TRUTH, rel=1e-3)
    law = fit(points(noise=0.005))
    for name, estimate in law.constants().items():
        assert estimate.lowest <= TRUTH[name] <= estimate.highest, name
    future = law.run(16e6, PAIRS)
    assert future.lowest <= loss(16e6, PAIRS) <= future.highest
    assert future.value == pytest.approx(loss(16e6, PAIRS), rel=0.02)


def test_too_few_points_or_sizes_fix_no_law() -> None:
    assert refusal(points(0)) == ""
    assert "needs 7 finished points, and there are 6" in refusal(points(0)[:6])
    assert "needs 3 values of D, and there are 1" in refusal(points(0)[:5] * 2)


def planned(recipe: str, **options: object) -> Ladder:
    defaults = {"sizes": [], "shares": [0.25], "seeds": [], "budget": None, "check": None}
    recipes = compared_recipes(recipe, None, [])
    return plan(recipes, **defaults | options)  # type: ignore[arg-type]


@pytest.mark.parametrize("recipe", ["pocket", "multi30k_en_de_paper"])
def test_rungs_of_one_size_have_equal_parameters(recipe: str) -> None:
    """Widths are even, so that small recurrent networks come less near."""
    ladder = planned(recipe, seeds=[1, 2, 3])
    own, V = load_recipe(recipe).model, load_recipe(recipe).tokenizer.vocab_size
    assert ladder.rungs[0].size < own.d_model / 2
    counts: dict[int, list[int]] = {}
    for rung in ladder.rungs:
        assert rung.recipe.data == ladder.recipe.data
        counts.setdefault(rung.size, []).append(count_parameters(rung.recipe.model, V))
    for size, (first, *others) in counts.items():
        assert others == pytest.approx([first] * len(others), rel=max(0.02, 3 / size))
    transformer, recurrent = (rung.recipe.model for rung in ladder.pair)
    assert transformer == own
    assert recurrent.architecture == "recurrent"
    if recipe == "pocket":
        assert recurrent == load_recipe("pocket_recurrent").model
    names = [str(run.run.path) for run in ladder.fitted(Path())]
    assert len({*names}) == len(names) == 2 * (5 + 2 + 2)
    assert [run.run.path.parts[0] for run in ladder.predicted(Path())] == [
        f"{rung.kind}-{rung.size}" for rung in ladder.checks
    ]


def test_twice_the_width_has_half_the_learning_rate() -> None:
    rungs = planned("pocket", sizes=[64, 256]).rungs[::2]
    peaks = [
        learning_rate(rung.recipe, rung.recipe.train.warmup_updates) * rung.size for rung in rungs
    ]
    assert peaks == pytest.approx([peaks[0]] * len(peaks))


def test_a_smaller_share_validates_more_often_but_at_most_twenty_times() -> None:
    """The recipe has 2,000 updates and validates every 250."""
    rungs = planned("scale/tatoeba", sizes=[64], shares=[1 / 16, 1 / 2]).rungs
    every = {rung.recipe.train.share: rung.recipe.train.validate_updates for rung in rungs}
    assert every == {1: 250, 1 / 2: 125, 1 / 16: 100}


def test_recipes_and_settings_are_compared_on_one_text() -> None:
    recipes = compared_recipes("pocket_distance", ["pocket_recurrent", "model.positions=none"], [])
    assert [*recipes] == ["pocket_distance", "pocket_recurrent", "model.positions=none"]
    base, recurrent, blind = recipes.values()
    assert recurrent.data == base.data
    assert recurrent.model.is_recurrent
    assert blind == replace(base, model=replace(base.model, positions="none"))
    with pytest.raises(UsageError, match="not a Transformer"):
        compared_recipes("pocket_recurrent", (), [])
    for setting in ("tokenizer.vocab_size=500", "model.d_model=64", "train.share=0.5"):
        with pytest.raises(UsageError, match=f"itself; leave out --against {setting}"):
            compared_recipes("pocket", [setting], [])


def test_a_budget_limits_the_updates_of_large_rungs() -> None:
    recipe = load_recipe("pocket")
    V = recipe.tokenizer.vocab_size
    budget = 1000 * update_operations(recipe, V)
    small, own, large, *_ = planned("pocket", sizes=[64, 256], budget=budget).rungs[::2]
    assert [rung.recipe.train.max_updates for rung in (small, own)] == [2500, 1000]
    train = large.recipe.train
    assert 0 < budget - train.max_updates * update_operations(large.recipe, V) < budget / 100
    assert train.label_smoothing == train.cooldown_updates == 0
    for size in (0, 60):
        with pytest.raises(UsageError, match="multiple of 8"):
            planned("pocket", sizes=[size])
    with pytest.raises(UsageError, match="--check 64"):
        planned("pocket", sizes=[64], check=64)


def test_operations_count_the_tokens_that_were_read() -> None:
    """The reports say 100 x 5 and 200 x 5 tokens in 20 updates; the last 10 are like these."""
    recipe = load_recipe("pocket")
    lines = [
        {"kind": "train", "update": 10, "seconds": 5, "tokens_per_second": 100},
        {"kind": "train", "update": 20, "seconds": 10, "tokens_per_second": 200},
        {"kind": "dev", "update": 30, "seconds": 12},
    ]
    full = update_operations(recipe, 2000)
    spent = operations_spent(parse_history(lines, recipe), 2000)
    assert spent == pytest.approx(30 * full * 1500 / (20 * 3000))
