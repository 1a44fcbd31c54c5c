"""Means, ranges and differences of an ablation against hand-worked numbers."""

import pytest

from nmt.config import Recipe
from nmt.studio.ablation.results import (
    FigureDifference,
    Spread,
    comparison_warnings,
    difference,
    spread,
    summarise,
)
from nmt.studio.ablation.variants import Change, Variant
from tests.studio.ablation.conftest import finished_run, stopped_run


def test_spread_is_mean_lowest_and_highest() -> None:
    assert spread([2.0, 4.0, 9.0]) == Spread(mean=5.0, lowest=2.0, highest=9.0)


@pytest.mark.parametrize("values", [[], [None], [1.0, None]])
def test_spread_of_unknown_values_is_none(values: list[float | None]) -> None:
    assert spread(values) is None


def test_summary_has_the_spread_of_each_figure() -> None:
    summary = summarise([finished_run(1, 2.0), finished_run(2, 4.0)])
    assert summary.loss == Spread(3.0, 2.0, 4.0)
    assert summary.perplexity == Spread(30.0, 20.0, 40.0)
    assert summary.score == Spread(27.0, 26.0, 28.0)
    assert summary.updates == Spread(12, 12, 12)
    assert summary.minutes == Spread(0.5, 0.5, 0.5)


def test_difference_is_over_the_seeds_that_both_have_finished() -> None:
    variant = [finished_run(1, 2.0), finished_run(2, 3.0), finished_run(3, 100.0)]
    base = [finished_run(1, 4.0), finished_run(2, 6.0), stopped_run(3)]
    found = difference(variant, base)
    assert found
    assert found.seeds == (1, 2)
    assert found.loss == FigureDifference(mean=-2.5, overlaps=False)
    assert found.perplexity == FigureDifference(mean=-25.0, overlaps=False)
    assert found.score == FigureDifference(mean=2.5, overlaps=False)


@pytest.mark.parametrize(
    ("variant", "base", "overlaps"),
    [
        ([1.0, 3.0], [3.0, 5.0], True),  # they share an end
        ([1.0, 9.0], [3.0, 5.0], True),  # one is inside the other
        ([1.0, 2.0], [3.0, 5.0], False),
        ([6.0, 7.0], [3.0, 5.0], False),
        ([4.0], [4.0], None),  # one seed has no range
    ],
)
def test_overlap_is_that_of_the_ranges_over_seeds(
    variant: list[float], base: list[float], overlaps: bool | None
) -> None:
    own, others = (
        [finished_run(seed, x) for seed, x in enumerate(each)] for each in (variant, base)
    )
    found = difference(own, others)
    assert found
    assert found.loss.overlaps is overlaps


def test_there_is_no_difference_without_a_common_seed_or_with_an_unknown_figure() -> None:
    assert difference([finished_run(1, 2.0)], [finished_run(2, 2.0)]) is None
    assert difference([stopped_run(1)], [finished_run(1, 2.0)]) is None
    assert difference([finished_run(1, None)], [finished_run(1, 2.0)]) is None


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        ("model.heads", None),
        ("train.label_smoothing", "compare perplexity"),
        ("tokenizer.kind", "compare the score"),
        ("data.train", "compare the score"),
        ("data.dev", "cannot be compared"),
    ],
)
def test_warnings_say_what_can_be_compared(setting: str, advice: str | None) -> None:
    recipe = Recipe("any")
    variants = [Variant(recipe), Variant(recipe, (Change(setting, "1", "2"),), 0)]
    found = comparison_warnings(variants, seeds=2)
    assert len(found) == (advice is not None)
    assert advice is None or advice in found[0]


def test_one_seed_is_a_warning() -> None:
    (found,) = comparison_warnings([Variant(Recipe("any"))], seeds=1)
    assert "--seeds" in found
