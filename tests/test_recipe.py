"""Recipes: settings are checked, mistakes name the nearest valid word, TOML round trips."""

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from nmt.config import (
    DataSettings,
    Download,
    Recipe,
    TextFiles,
    declared_settings,
)
from nmt.errors import NmtError, UsageError
from nmt.recipe import (
    DEFAULT_RECIPE,
    FIXED_SETTINGS,
    SettingDifference,
    get_setting,
    load_recipe,
    override,
    parse_recipe,
    read_recipe,
    recipe_differences,
    shipped_recipes,
    to_toml,
    with_settings,
    write_recipe,
)
from nmt.setting import check_value, default_of
from tests.conftest import Run


def test_defaults_are_the_papers_base_model() -> None:
    recipe = parse_recipe("", "empty", "nowhere")
    model, train, decode = recipe.model, recipe.train, recipe.decode
    assert (model.encoder_layers, model.decoder_layers, model.d_model, model.d_ff) == (
        6,
        6,
        512,
        2048,
    )
    assert (model.heads, model.d_k, model.d_v, model.dropout) == (8, 64, 64, 0.1)
    assert (train.warmup_updates, train.max_updates, train.label_smoothing) == (4000, 100_000, 0.1)
    assert (train.adam_beta1, train.adam_beta2, train.adam_epsilon) == (0.9, 0.98, 1e-9)
    assert (train.batch_source_tokens, train.batch_target_tokens) == (25_000, 25_000)
    assert train.average_checkpoints == 5
    assert (decode.beam_size, decode.length_penalty, decode.max_extra_tokens) == (4, 0.6, 50)
    assert recipe.tokenizer.vocab_size == 37_000


def test_every_shipped_recipe_loads_and_round_trips() -> None:
    names = shipped_recipes()
    assert {"multi30k_en_de", "wmt14_en_de_base", "wmt14_en_de_big", DEFAULT_RECIPE} <= set(names)
    for name in names:
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.data.train
        assert recipe.data.dev
        assert recipe.data.test
        assert parse_recipe(to_toml(recipe), "other", "nowhere") == recipe


def test_a_recipe_can_extend_another(tmp_path: Path) -> None:
    """Settings that are not set are inherited, the name is not; paths are relative to the file."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "one.toml").write_text(
        'extends = "multi30k_en_de"\nname = "first"\n[model]\nheads = 2\n[train]\nseed = 5\n'
    )
    (folder / "two.toml").write_text('extends = "one.toml"\n[train]\nseed = 6\n')
    base, one, two = (
        load_recipe(str(name))
        for name in ("multi30k_en_de", folder / "one.toml", folder / "two.toml")
    )
    assert (one.name, two.name) == ("first", "two")
    assert (one.model.heads, one.train.seed, two.model.heads, two.train.seed) == (2, 5, 2, 6)
    assert two.model == replace(base.model, heads=2)
    assert two.train == replace(base.train, seed=6)
    assert two.data == base.data
    assert parse_recipe(to_toml(two), "other", "nowhere") == two


def test_the_big_recipe_differs_from_the_base_as_in_table_3() -> None:
    base, big = load_recipe("wmt14_en_de_base"), load_recipe("wmt14_en_de_big")
    assert big.data == base.data
    assert big.tokenizer == base.tokenizer
    assert big.model == replace(base.model, d_model=1024, d_ff=4096, heads=16, dropout=0.3)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            'extends = "pockett"',
            "a.toml extends pockett: no recipe 'pockett'; did you mean 'pocket'?",
        ),
        ('extends = "b.toml"', "b.toml extends a.toml, which extends it in turn"),
        ('extends = "a.toml"', "a.toml extends a.toml, which extends it in turn"),
        ('extends = "none.toml"', "none.toml: No such file"),
        ("extends = 3", "extends is 3 but must name a recipe"),
        ('extends = ""', "extends is '' but must name a recipe"),
    ],
)
def test_a_recipe_that_cannot_be_extended_is_named(tmp_path: Path, text: str, facts: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(NmtError) as raised:
        load_recipe(str(tmp_path / "a.toml"))
    assert facts in str(raised.value)


def test_a_resolved_recipe_reads_no_other_file() -> None:
    """The recipe inside a model file may come from another machine."""
    with pytest.raises(NmtError, match="unknown key 'extends'"):
        parse_recipe('extends = "pocket"', "x", "a model")


def test_a_recipe_with_unusual_values_round_trips() -> None:
    recipe = Recipe(
        'odd "name" é\u2028\x7f',
        data=DataSettings(
            train=(TextFiles(source="a\\b\t'", target='c"d'), TextFiles(tsv="x.tsv")),
            test={'se"t é': TextFiles(source="s", target="t", labels="l"), "": TextFiles(tsv="u")},
            downloads=(Download(url="http://x", to="y", unpack=("m/n", "o")),),
            max_ratio=1e22,
        ),
    )
    assert parse_recipe(to_toml(recipe), "other", "nowhere") == recipe


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("[modell]\nheads = 2", "unknown section [modell]; did you mean 'model'?"),
        ("[qqq]", "unknown section [qqq]; known: data, tokenizer, model, train, decode"),
        ("model = 3", "'model' must be a table, [model]"),
        ("[model]\nheadz = 2", "unknown setting model.headz; did you mean 'heads'?"),
        ("[model]\nheads = 2.5", "model.heads is 2.5 but must be a whole number"),
        ("[model]\nheads = true", "model.heads is True but must be a whole number"),
        ('[model]\nheads = "2"', "model.heads is '2' but must be a whole number"),
        ("[model]\nheads = 0", "model.heads is 0 but must be at least 1"),
        ("[model]\ndropout = 1", "model.dropout is 1.0 but must be at most 0.99"),
        ("[model]\ndropout = -0.1", "model.dropout is -0.1 but must be at least 0"),
        ("[model]\ndropout = nan", "model.dropout is nan but must be a finite number"),
        ("[train]\nlearning_rate_scale = inf", "is inf but must be a finite number"),
        ("[decode]\nlength_penalty = -inf", "is -inf but must be a finite number"),
        ("[train]\nmax_updates = 99999999999999999999", "must be at most 2147483647"),
        ("[data]\nmax_length = 65001", "data.max_length is 65001 but must be at most 65000"),
        ("[train]\ncompile = 1", "train.compile is 1 but must be true or false"),
        (
            '[train]\nprecision = "fp16"',
            "train.precision is 'fp16' but must be one of: float32, bf16",
        ),
        ("[data]\nsource_language = 3", "data.source_language is 3 but must be a text"),
        ('[data]\ntrain = "x"', "data.train must be a list of tables"),
        ("[data]\ntrain = [1]", "data.train must be a list of tables"),
        ('[data]\ntrain = [{ source = "x" }]', "needs either source and target, or tsv alone"),
        ('[data]\ntrain = [{ tsv = "x", source = "y" }]', "needs either source and target, or tsv"),
        ("[data]\ntrain = [{}]", "data.train needs either source and target, or tsv alone"),
        (
            '[data]\ntrain = [{ sorce = "x" }]',
            "unknown setting data.train.sorce; did you mean 'source'",
        ),
        ("[data]\ntest = []", "data.test must hold a table for each test set"),
        ('[data]\ntest.a = "x"', "data.test must hold a table for each test set"),
        ("[data]\ndownloads = [{ unpack = [1] }]", "data.downloads.unpack must be a list of texts"),
        ('[data]\ndownloads = [{ unpack = "x" }]', "data.downloads.unpack is 'x' but must be"),
        ("name = 3", "name is 3 but must be a text that can name a folder"),
        ('name = "../x"', "name is '../x' but must be a text that can name a folder"),
        ('name = ".."', "name is '..' but must be a text that can name a folder"),
        ('name = "a/.."', "name is 'a/..' but must be a text that can name a folder"),
        ('name = "/a"', "name is '/a' but must be a text that can name a folder"),
        ('name = "a/b/c"', "name is 'a/b/c' but must be a text that can name a folder"),
        ('name = ""', "name is '' but must be a text that can name a folder"),
        ("[model", "is not valid TOML"),
        ("[model]\nheads = 2\nheads = 3", "is not valid TOML"),
    ],
)
def test_mistakes_in_a_recipe(nmt: Run, tmp_path: Path, text: str, facts: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text)
    result = nmt("prepare", path)
    assert result.code == 1
    assert facts in result.err
    assert result.err.startswith(f"nmt: {path}")
    assert result.err.count("\n") == 1
    assert result.out == ""


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("train.seed", "--set takes section.key=value, not 'train.seed'"),
        ("train.sed=3", "unknown setting 'train.sed'; did you mean 'train.seed'?"),
        ("seed=3", "unknown setting 'seed'; did you mean 'train.seed'?"),
        ("=3", "unknown setting ''"),
        ("model.heads=0", "model.heads is 0 but must be at least 1"),
        ("model.heads=two", "model.heads is 'two' but must be a whole number"),
        ("model.heads=", "model.heads is '' but must be a whole number"),
        ("model.dropout=nan", "must be a finite number"),
        ("model.dropout=inf", "must be a finite number"),
        ("train.seed=-1", "train.seed is -1 but must be at least 0"),
        ("train.compile=True", "train.compile is 'True' but must be true or false"),
        ("data.train=[{}]", "needs either source and target, or tsv alone"),
    ],
)
def test_mistakes_in_set(nmt: Run, tiny: Path, text: str, facts: str) -> None:
    result = nmt("train", tiny, "--set", text)
    assert result.code == 2
    assert facts in result.err
    assert result.err.count("\n") == 1
    assert not (tiny.parent / "runs").exists()


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("multi30k_en_d", "no recipe 'multi30k_en_d'; did you mean 'multi30k_en_de'?"),
        ("zzzzzzzz", "no recipe 'zzzzzzzz'; known: "),
        ("some/where", "no recipe 'some/where'"),
        ("", "no recipe ''"),
    ],
)
def test_an_unknown_recipe_is_a_usage_error(nmt: Run, name: str, facts: str) -> None:
    result = nmt("train", name)
    assert result.code == 2
    assert facts in result.err
    assert result.err.count("\n") == 1


def test_an_unreadable_recipe_is_named(nmt: Run, tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path / "folder.toml", tmp_path / "latin.toml"):
        if path.stem == "folder":
            path.mkdir()
        if path.stem == "latin":
            path.write_bytes(b"# gr\xfc\xdfe")
        result = nmt("train", path)
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith(f"nmt: cannot read the recipe {path}: ")
        assert result.err.count("\n") == 1


def test_a_recipe_may_have_a_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(b"\xef\xbb\xbf[model]\r\nheads = 3\r\n")
    assert load_recipe(str(path)).model.heads == 3


def test_precedence_is_default_recipe_set_flags(nmt: Run, tiny: Path) -> None:
    """`tiny` sets max_updates to 12; seed has its default."""
    recipe = load_recipe(str(tiny))
    assert (recipe.train.max_updates, recipe.train.seed, recipe.train.patience) == (12, 1, 0)
    recipe = load_recipe(str(tiny), ["train.max_updates=3", "train.max_updates=4"])
    assert recipe.train.max_updates == 4
    options = ["--set", "train.max_updates=3", "--max-updates", "2", "--set", "train.seed=8"]
    assert nmt("train", tiny, *options).code == 0
    written = load_recipe("runs/tiny/recipe.toml")
    assert (written.train.max_updates, written.train.seed) == (2, 8)
    assert written.train.warmup_updates == 10
    assert written.decode.beam_size == 4


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


@pytest.mark.parametrize(
    ("settings", "facts"),
    [
        ({"model.head": 2}, "unknown setting 'model.head'; did you mean 'model.heads'?"),
        ({"model.heads": 0}, "model.heads is 0 but must be at least 1"),
        ({"model.heads": "two"}, "model.heads is 'two' but must be a whole number"),
        ({"data.train": ("a.en", "a.de")}, "data.train must be a list of tables"),
    ],
)
def test_a_bad_setting_by_name_is_refused(settings: dict[str, Any], facts: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_recipe("pocket", settings)
    assert facts in str(raised.value)
    with pytest.raises(UsageError, match=r"unknown setting 'model'"):
        get_setting(Recipe("x"), "model")


def test_read_recipe_checks_settings_together_only_after_all_are_set() -> None:
    with pytest.raises(NmtError, match=r"tokenizer\.joint=false"):
        read_recipe("pocket", {"tokenizer.joint": False})
    read_recipe("pocket", {"tokenizer.joint": False, "model.tied": "target"})


def test_write_recipe_writes_what_read_recipe_reads(tmp_path: Path) -> None:
    recipe = read_recipe("pocket", {"train.max_updates": 500})
    write_recipe(recipe, tmp_path / "mine.toml")
    assert read_recipe(tmp_path / "mine.toml") == recipe
    with pytest.raises(NmtError, match="cannot write"):
        write_recipe(recipe, tmp_path)


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


def test_usage_errors_exit_2_and_others_1() -> None:
    assert (NmtError.exit_code, UsageError.exit_code) == (1, 2)
    assert [each.name for each in fields(Recipe)][1:] == list(
        dict.fromkeys(name.split(".")[0] for name, _ in declared_settings())
    )
