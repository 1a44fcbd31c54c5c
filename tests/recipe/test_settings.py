"""Settings: defaults, ranges, names, changes and differences."""

import math

import pytest

from nmt.config import (
    Recipe,
    TextFiles,
    declared_settings,
)
from nmt.errors import NmtError
from nmt.recipe import (
    FIXED_SETTINGS,
    SettingDifference,
    get_setting,
    load_recipe,
    override,
    recipe_differences,
    with_settings,
)
from nmt.setting import check_value, default_of


def test_set_takes_toml_and_plain_words() -> None:
    recipe = override(
        Recipe("x"),
        [
            "train.compile=true",
            " model.dropout = 0 ",
            "train.precision=bf16",
            'data.source_language="fr"',
            'data.test={ a = { tsv = "b" } }',
        ],
    )
    assert recipe.train.compile is True
    assert recipe.model.dropout == 0.0
    assert isinstance(recipe.model.dropout, float)
    assert recipe.train.precision == "bf16"
    assert recipe.data.source_language == "fr"
    assert recipe.data.test == {"a": TextFiles(tsv="b")}


def test_recipe_differences_names_the_changed_settings_in_order() -> None:
    old = Recipe("x")
    new = with_settings(old, {"train.seed": 9, "train.max_updates": 3, "model.heads": 2})
    found = recipe_differences(old, new)
    assert found == (
        SettingDifference("model.heads", 8, 2),
        SettingDifference("train.seed", 1, 9),
        SettingDifference("train.max_updates", 100_000, 3),
    )
    assert str(found[0]) == "model.heads (8 -> 2)"
    assert recipe_differences(old, new, ["train.seed"]) == found[1:2]
    assert recipe_differences(old, old) == ()


def test_fixed_settings_leave_out_what_a_resumed_run_may_change() -> None:
    old = Recipe("x")
    longer = with_settings(old, {"train.max_updates": 9, "train.patience": 2})
    assert recipe_differences(old, longer, FIXED_SETTINGS) == ()
    other = with_settings(longer, {"train.seed": 9})
    assert [each.name for each in recipe_differences(old, other, FIXED_SETTINGS)] == ["train.seed"]


def test_a_setting_can_be_read_and_set_by_name() -> None:
    recipe = load_recipe("multi30k_en_de")
    assert get_setting(recipe, "model.d_model") == recipe.model.d_model == 128
    for name, _ in declared_settings():
        value = get_setting(recipe, name)
        assert get_setting(with_settings(Recipe("x"), {name: value}), name) == value


def test_every_default_is_valid_and_has_a_meaning() -> None:
    for name, declared in declared_settings():
        default = default_of(declared)
        assert check_value(name, default, declared) == default
        assert declared.metadata["meaning"]


def test_every_number_has_a_minimum_and_refuses_other_types() -> None:
    for name, declared in declared_settings():
        default = default_of(declared)
        if isinstance(default, bool) or not isinstance(default, int | float):
            continue
        low = declared.metadata["minimum"]
        assert low is not None, name
        with pytest.raises(NmtError):
            check_value(name, type(default)(low) - 1, declared)
        for bad in (math.nan, math.inf, -math.inf, None, "1", [1]):
            with pytest.raises(NmtError):
                check_value(name, bad, declared)
