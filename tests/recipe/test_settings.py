"""Settings: defaults, ranges, names, changes and differences; mistakes are named with their fix."""

import math
from functools import partial
from pathlib import Path
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
        "decode.target_language=nan",
        "train.init_from=2026-11-28",
    ]
    recipe = with_settings(Recipe("x"), parse_overrides(overrides))
    language = "nan"
    assert recipe.decode.target_language == language
    assert recipe.train.init_from == "2026-11-28"
    assert recipe.train.compile is True
    assert recipe.model.dropout == 0.0
    assert isinstance(recipe.model.dropout, float)
    assert recipe.train.precision == "bf16"
    assert recipe.data.source_language == "fr"
    assert recipe.data.test == {"a": TextFiles(tsv="b")}


def test_recipe_differences_names_the_changed_settings_in_order() -> None:
    """Fixed settings leave out what a resumed run may change."""
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
    assert recipe_differences(old, new, FIXED_SETTINGS) == found[:2]
    assert recipe_differences(old, old) == ()


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
    parameters = least_parameters(bpe)
    assert training_bytes(bpe) == 4 * 4 * parameters
    averaged = with_settings(bpe, {"train.moving_average": 0.9})
    assert training_bytes(averaged) == 5 * 4 * parameters


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
        (["train.seed=1"], "settings are ['train.seed=1'] but must be values by name"),
        ({10**9000: 4}, "unknown setting a huge int; known: data.source_language, "),
        ({"\ud800": 4}, r"unknown setting '\ud800'; known: "),
        ({"data.source_language": "\ud800"}, r"must not hold the character '\ud800'"),
        ({"data.test": {"\udc80": {"tsv": "a"}}}, "a name in data.test is '\\udc80' but must not"),
        ({"data.train": nested(100_000)}, "data.train is nested too deeply"),
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
        (
            Recipe("x", train=TrainSettings(patience=5, cooldown_updates=9)),
            "recipe x: ",
        ),
    ],
)
def test_a_recipe_built_in_python_is_checked(recipe: Recipe, facts: str) -> None:
    with pytest.raises(NmtError) as raised:
        check_recipe(recipe)
    assert str(raised.value).startswith(facts)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("[modell]\nheads = 2", "unknown section 'modell'; did you mean 'model'?"),
        ("[qqq]", "unknown section 'qqq'; known: data, tokenizer, model, train, decode"),
        ("model = 3", "'model' must be a table, [model]"),
        ("[model]\nheadz = 2", "unknown setting 'model.headz'; did you mean 'heads'?"),
        ("[model]\nbeam_size = 3", "'model.beam_size'; did you mean 'decode.beam_size'?"),
        ("[train]\nbatch_tokens = 9", "mean 'decode.batch_tokens' or 'micro_batch_tokens' or 'ba"),
        ("[model]\nheads = 2.5", "model.heads is 2.5 but must be a whole number"),
        ('[model]\nheads = "2"', "model.heads is '2' but must be a whole number"),
        ("[model]\nheads = 0", "model.heads is 0 but must be at least 1"),
        ("[model]\ndropout = 1", "model.dropout is 1 but must be at most 0.99"),
        ("[model]\ndropout = nan", "model.dropout is nan but must be a finite number"),
        ("[train]\ncompile = 1", "train.compile is 1 but must be true or false"),
        (
            '[train]\nprecision = "fp16"',
            "train.precision is 'fp16' but must be one of: float32, tf32, bf16",
        ),
        ("[data]\nsource_language = 3", "data.source_language is 3 but must be a text"),
        ("[data]\ntrain = [1]", "data.train must be a list of tables"),
        (
            '[data]\ntrain = [{ source = "x" }]',
            "needs either source and target, or tsv or file alone",
        ),
        (
            '[data]\ntrain = [{ sorce = "x" }]',
            "unknown setting 'data.train.sorce'; did you mean 'source'",
        ),
        ("[data]\ntest = []", "data.test must hold a table for each test set"),
        ("[data]\ndownloads = [{ unpack = [1] }]", "data.downloads.unpack must be a list of texts"),
        ("name = 3", "name is 3 but must be a text that can name a folder"),
        ('name = "a/.."', "name is 'a/..' but must be a text that can name a folder"),
        ('name = "a/b/c"', "name is 'a/b/c' but must be a text that can name a folder"),
        (f'name = "{"n" * 121}"', "name has 121 characters but must have at most 120"),
        ('name = "a\\u2028b"', "name is 'a\\u2028b' but must be a text that can name a folder"),
        (f'["a\\nb{"c" * 900}"]', "unknown section 'a\\nbcccc"),
        (f"[model]\n{'h' * 900} = 1", f"unknown setting 'model.{'h' * 50}...; known: "),
        (f"[data]\nsource_language = '{'e' * 4097}'", "has 4,097 characters but must have at most"),
        ('[data]\nsource_language = "a\\nb"', r"is 'a\nb' but must not hold the character '\n'"),
        ('[data]\nsource_language = "a\\u0000"', r"must not hold the character '\x00'"),
        (
            "[data]\ndownloads = [{ unpack = [" + 10_001 * "''," + "] }]",
            "data.downloads.unpack has 10,001 entries but must have at most 10,000",
        ),
        (
            f"[data]\ntest.a = {{ source = 'a', target = 'b', references = ['{'r' * 5000}'] }}",
            "data.test.a.references has 5,000 characters but",
        ),
        (f"[data]\ntest.{'t' * 121} = {{ tsv = 'a' }}", "a name in data.test has 121 characters"),
        (f"[model]\ndropout = -{'9' * 1000}", "999... but must be at least 0"),
        (f"[model]\nheads = {'9' * 9000}", "is not valid TOML: Exceeds the limit (4300 digits)"),
        (f"[model]\nheads = {'[' * 9000}", "is nested too deeply; it is not a recipe"),
        (f"[model]\n{'a.' * 40000}a = 1", "has a key of more than 32 parts; it is not a recipe"),
        ("[model]\n" + '"\\"" . ' * 33 + "a = 1", "has a key of more than 32 parts"),
        ("[model", "is not valid TOML"),
    ],
)
def test_mistakes_in_a_recipe(tmp_path: Path, text: str, facts: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text)
    with pytest.raises(NmtError) as raised:
        load_recipe(str(path))
    message = str(raised.value)
    assert facts in message
    assert message.startswith(str(path))
    assert len(message.splitlines()) == 1
    assert len(message) < 400 + len(str(path))


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("train.seed", "--set takes section.key=value, not 'train.seed'"),
        ("train.sed=3", "unknown setting 'train.sed'; did you mean 'train.seed'?"),
        ("seed=3", "unknown setting 'seed'; did you mean 'train.seed' or 'decode.seed'?"),
        ("beam=3", "unknown setting 'beam'; did you mean 'decode.beam_size'?"),
        ("=3", "unknown setting ''"),
        ("model.heads=two", "model.heads is 'two' but must be a whole number"),
        ("model.heads=", "model.heads is '' but must be a whole number"),
        ("model.dropout=nan", "must be a finite number"),
        ("train.compile=True", "train.compile is 'True' but must be true or false"),
        ("data.train=[{}]", "needs either source and target, or tsv or file alone"),
        *(
            (
                f"data.train=[{{{files}, columns={columns}}}]",
                "columns must be two numbers from 1 on",
            )
            for files, columns in (
                ("tsv='a'", "[1]"),
                ("tsv='a'", "[0, 2]"),
                ("source='a', target='b'", "[1, 2]"),
            )
        ),
        ("data.train=[{tsv='a', columns=['1', '2']}]", "columns must be a list of whole numbers"),
        # Further lines were TOML too, and were dropped.
        *(
            (f"model.heads=3{more}", "must be a whole number")
            for more in ("\nheads = 4", ", b = 4")
        ),
        # The memory that tomllib needs grows with the square of a key's parts.
        (f"data.test={{ {'a.' * 50_000}b = 1 }}", "must hold a table"),
    ],
)
def test_mistakes_in_set(text: str, facts: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_recipe("pocket", [text])
    assert facts in str(raised.value)
    assert "\n" not in str(raised.value)
