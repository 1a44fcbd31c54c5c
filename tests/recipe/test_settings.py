"""Settings: defaults, ranges, names, changes and differences."""

import math
from functools import partial
from typing import Any, cast

import pytest

from nmt.config import DECLARED, ModelSettings, Recipe, TextFiles, TrainSettings
from nmt.config.setting import check_value
from nmt.errors import NmtError, UsageError
from nmt.recipe.files import load_recipe, read_recipe
from nmt.recipe.rules import check_recipe
from nmt.recipe.settings import (
    FIXED_SETTINGS,
    SettingDifference,
    get_setting,
    parse_overrides,
    recipe_differences,
    with_settings,
)
from nmt.recipe.size import least_parameters, training_bytes


def test_set_takes_toml_and_plain_words() -> None:
    overrides = [
        "train.compile=true",
        " model.dropout = 0 ",
        "train.precision=bf16",
        'data.source_language="fr"',
        'data.test={ a = { tsv = "b" } }',
        "decode.target_token=nan",
        "train.init_from=2026-11-28",
    ]
    recipe = with_settings(Recipe("x"), parse_overrides(overrides))
    language = "nan"
    assert recipe.decode.target_token == language
    assert recipe.train.init_from == "2026-11-28"
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
    for name in DECLARED:
        value = get_setting(recipe, name)
        assert get_setting(with_settings(Recipe("x"), {name: value}), name) == value


def test_every_default_is_valid_and_has_a_meaning() -> None:
    for name, declared in DECLARED.items():
        default = declared.metadata["default"]
        assert check_value(name, default, declared) == default
        assert declared.metadata["meaning"]


def test_every_number_has_two_ends_and_refuses_what_is_beyond() -> None:
    """Also the values that hung or ended in a traceback: 10^9 layers, a factor of 1e308."""
    for name, declared in DECLARED.items():
        default = declared.metadata["default"]
        if isinstance(default, bool) or not isinstance(default, int | float):
            continue
        kind = type(default)
        low, high = declared.metadata["minimum"], declared.metadata["maximum"]
        assert low < high, name
        assert high < 2**31, name
        for end in (low, high):
            assert check_value(name, kind(end), declared) == end
            assert type(check_value(name, end, declared)) is kind
        wild = (kind(low) - 1, kind(high) + 1, 10**400, -(10**9000), math.nan, math.inf, -math.inf)
        for bad in (*wild, 1e308, None, "1", [1], True):
            with pytest.raises(NmtError) as raised:
                check_value(name, bad, declared)
            assert str(raised.value).startswith(f"{name} is ")
            assert len(str(raised.value)) < 120


@pytest.mark.parametrize(
    "text",
    [
        "tokenizer.vocab_size=1000000",
        "model.d_model=16384",
        "model.encoder_layers=1000",
        "train.max_updates=100000000",
        "train.batch_source_tokens=10000000",
        "data.max_length=65000",
        "decode.beam_size=1000",
    ],
)
def test_bounds_leave_room_for_the_largest_models_and_trainings(text: str) -> None:
    name, _, value = text.partition("=")
    assert get_setting(load_recipe("wmt14_en_de_big", [text]), name) == int(value)


def test_a_model_within_every_bound_may_still_be_too_large() -> None:
    """A layer of GPT-3's width has 12 d_model^2 parameters, a decoder's here 16 d_model^2."""
    widths = {"model.d_model": 12_288, "model.d_ff": 49_152, "model.heads": 96}
    widths |= {"model.d_k": 128, "model.d_v": 128}
    with pytest.raises(NmtError) as raised:
        read_recipe("pocket", widths | {"model.encoder_layers": 48, "model.decoder_layers": 48})
    assert str(raised.value).startswith("recipe pocket: the model has 20")
    assert "parameters but may have at most 100,000,000,000; lower the" in str(raised.value)
    large = read_recipe("pocket", widths | {"model.encoder_layers": 20, "model.decoder_layers": 20})
    assert round(least_parameters(large) / 1e9) == round(20 * (12 + 16) * 12_288**2 / 1e9)


def test_the_size_of_a_vocabulary_counts_only_if_it_is_not_an_upper_limit() -> None:
    """Characters and words have a vocabulary of what the text holds, often much less."""
    bpe = read_recipe("pocket", {"tokenizer.vocab_size": 1_000_000})
    characters = with_settings(bpe, {"tokenizer.kind": "char"})
    assert least_parameters(bpe) - least_parameters(characters) == 999_999 * bpe.model.d_model
    assert training_bytes(1000, TrainSettings()) == 4 * 4 * 1000
    assert training_bytes(1000, TrainSettings(moving_average=0.9)) == 5 * 4 * 1000


def test_what_touches_no_weight_may_change_when_a_run_is_resumed() -> None:
    assert {name for name, declared in DECLARED.items() if declared.metadata["may_change"]} - set(
        FIXED_SETTINGS
    ) >= {
        "data.source_language",
        "data.target_language",
        "data.test",
        "data.downloads",
    }
    assert {"data.train", "data.dev", "data.metric", "train.seed"} <= set(FIXED_SETTINGS)


def nested(depth: int) -> list[object]:
    """Return lists in one another."""
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("settings", "facts"),
    [
        (3, "settings are 3 but must be values by name"),
        (["train.seed=1"], "settings are ['train.seed=1'] but must be values by name"),
        ({10**9000: 4}, "unknown setting a huge int; known: data.source_language, "),
        ({3: 4}, "unknown setting 3; known: data.source_language, "),
        ({"\ud800": 4}, r"unknown setting '\ud800'; known: "),
        ({"data.source_language": "\ud800"}, r"must not hold the character '\ud800'"),
        ({"data.source_language": "a" * 5000}, "has 5,000 characters but must have at most 4,096"),
        ({"data.test": {3: {"tsv": "a"}}}, "a name in data.test is 3 but must be a text"),
        ({"data.test": {"\udc80": {"tsv": "a"}}}, "a name in data.test is '\\udc80' but must not"),
        ({"data.train": [{3: "a"}]}, "unknown setting 3; known: source, "),
        ({"data.train": [{"tsv": "a"}] * 10_001}, "data.train has 10,001 entries but"),
        ({"data.train": nested(200)}, "data.train must be a list of tables"),
        ({"data.train": nested(100_000)}, "data.train is nested too deeply"),
        ({"model.heads": [1]}, r"model.heads is [1] but must be a whole number"),
        ({"model.heads": nested(50)}, "but must be a whole number"),
        ({"model.heads": 2**99_999}, "model.heads is a huge int but must be at most 1024"),
    ],
)
def test_wrong_settings_from_python_are_one_sentence(settings: Any, facts: str) -> None:
    for change in (partial(with_settings, Recipe("x")), partial(read_recipe, "pocket")):
        with pytest.raises(UsageError) as raised:
            change(settings)
        assert facts in str(raised.value)
        assert len(str(raised.value)) < 400
        assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("recipe", "facts"),
    [
        (Recipe("../x"), "the recipe's name is '../x' but must be a text that can name a folder"),
        (Recipe("\ud800"), "the recipe's name is '\\ud800' but must be a text"),
        (Recipe(cast("str", 3)), "the recipe's name is 3 but must be a text"),
        (Recipe("x", model=cast("Any", None)), "the recipe's model must be an instance of Model"),
        (Recipe("x", model=ModelSettings(heads=10**9)), "model.heads is 1000000000 but must be at"),
    ],
)
def test_a_recipe_built_in_python_is_checked(recipe: Recipe, facts: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_recipe(recipe)
    assert str(raised.value).startswith(facts)


def test_patience_and_a_cooldown_exclude_each_other() -> None:
    patient = with_settings(Recipe("x"), {"train.patience": 5})
    check_recipe(patient)
    with pytest.raises(NmtError, match="set one of them to 0"):
        check_recipe(with_settings(patient, {"train.cooldown_updates": 9}))


@pytest.mark.parametrize("text", ["3\nheads = 4", "3\n[decode]", "3, b = 4"])
def test_a_value_on_the_command_line_holds_nothing_else(text: str) -> None:
    """Further lines were TOML too, and were dropped."""
    with pytest.raises(UsageError, match="must be a whole number"):
        parse_overrides([f"model.heads={text}"])


def test_a_value_with_a_very_long_key_is_refused_at_once() -> None:
    """The memory that tomllib needs grows with the square of a key's parts."""
    with pytest.raises(UsageError, match="must hold a table"):
        parse_overrides([f"data.test={{ {'a.' * 50_000}b = 1 }}"])
