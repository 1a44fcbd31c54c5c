"""Mistakes in a recipe and on the command line are named with their fix."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from nmt.config import DECLARED, Recipe
from nmt.errors import NmtError, UsageError
from nmt.recipe.files import read_recipe
from nmt.recipe.settings import get_setting
from tests.conftest import Run


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("[modell]\nheads = 2", "unknown section 'modell'; did you mean 'model'?"),
        ("[qqq]", "unknown section 'qqq'; known: data, tokenizer, model, train, decode"),
        ("model = 3", "'model' must be a table, [model]"),
        ("[model]\nheadz = 2", "unknown setting 'model.headz'; did you mean 'heads'?"),
        ("[model]\nheads = 2.5", "model.heads is 2.5 but must be a whole number"),
        ("[model]\nheads = true", "model.heads is true but must be a whole number"),
        ('[model]\nheads = "2"', "model.heads is '2' but must be a whole number"),
        ("[model]\nheads = 0", "model.heads is 0 but must be at least 1"),
        ("[model]\ndropout = 1", "model.dropout is 1 but must be at most 0.99"),
        ("[model]\ndropout = -0.1", "model.dropout is -0.1 but must be at least 0"),
        ("[model]\ndropout = nan", "model.dropout is nan but must be a finite number"),
        ("[train]\nlearning_rate_scale = inf", "is inf but must be a finite number"),
        ("[decode]\nlength_penalty = -inf", "is -inf but must be a finite number"),
        ("[train]\nmax_updates = 99999999999999999999", "must be at most 100000000"),
        ("[data]\nmax_length = 65001", "data.max_length is 65001 but must be at most 65000"),
        ("[train]\ncompile = 1", "train.compile is 1 but must be true or false"),
        (
            '[train]\nprecision = "fp16"',
            "train.precision is 'fp16' but must be one of: float32, tf32, bf16",
        ),
        ("[data]\nsource_language = 3", "data.source_language is 3 but must be a text"),
        ('[data]\ntrain = "x"', "data.train must be a list of tables"),
        ("[data]\ntrain = [1]", "data.train must be a list of tables"),
        (
            '[data]\ntrain = [{ source = "x" }]',
            "needs either source and target, or tsv or file alone",
        ),
        ('[data]\ntrain = [{ tsv = "x", source = "y" }]', "needs either source and target, or tsv"),
        ("[data]\ntrain = [{}]", "data.train needs either source and target, or tsv or file alone"),
        (
            '[data]\ntrain = [{ sorce = "x" }]',
            "unknown setting 'data.train.sorce'; did you mean 'source'",
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
        (f'name = "{"n" * 121}"', "name has 121 characters but must have at most 120"),
        ('name = "a\\u2028b"', "name is 'a\\u2028b' but must be a text that can name a folder"),
        (f'["a\\nb{"c" * 900}"]', "unknown section 'a\\nbcccc"),
        (f"[model]\n{'h' * 900} = 1", f"unknown setting 'model.{'h' * 50}...; known: "),
        ("[data]\ntest.' ' = 3", "data.test must hold a table for each test set"),
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
        (f"[model]\nheads = 0x{'f' * 9000}", "model.heads is a huge int but must be at most 1024"),
        (f"[model]\ndropout = -{'9' * 1000}", "999... but must be at least 0"),
        (f"[model]\nheads = {'9' * 9000}", "is not valid TOML: Exceeds the limit (4300 digits)"),
        (f"[model]\nheads = {'[' * 9000}", "is nested too deeply; it is not a recipe"),
        (f"[model]\nheads = {'[' * 90}{']' * 90}", "but must be a whole number"),
        (f"[model]\n{'a.' * 40000}a = 1", "has a key of more than 32 parts; it is not a recipe"),
        (f"[model{'.a' * 33}]", "has a key of more than 32 parts; it is not a recipe"),
        ("[model]\n" + '"\\"" . ' * 33 + "a = 1", "has a key of more than 32 parts"),
        (f"[model]\nheads = {{ {'a.' * 30}b = 1 }}", "but must be a whole number"),
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
    assert len(result.err.splitlines()) == 1
    assert len(result.err) < 400 + len(str(path))
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
        ("data.train=[{}]", "needs either source and target, or tsv or file alone"),
    ],
)
def test_mistakes_in_set(nmt: Run, tiny: Path, text: str, facts: str) -> None:
    result = nmt("train", tiny, "--set", text)
    assert result.code == 2
    assert facts in result.err
    assert result.err.count("\n") == 1
    assert not (tiny.parent / "runs").exists()


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


def test_usage_errors_exit_2_and_others_1() -> None:
    assert (NmtError.exit_code, UsageError.exit_code) == (1, 2)
    assert [each.name for each in fields(Recipe)][1:] == list(
        dict.fromkeys(name.split(".")[0] for name in DECLARED)
    )
