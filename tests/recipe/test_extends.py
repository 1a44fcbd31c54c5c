"""Recipes that extend others or a model: what is inherited, and errors that name the right file."""

from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from nmt.errors import NmtError
from nmt.recipe.files import load_recipe, parse_recipe
from nmt.recipe.toml import to_toml


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


@pytest.mark.parametrize("setting", ["[train]\nmax_update = 5\n", "[train]\nseed = 'x'\n"])
def test_an_error_names_the_recipe_in_which_it_is(tmp_path: Path, setting: str) -> None:
    (tmp_path / "base.toml").write_text(setting)
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n')
    with pytest.raises(NmtError, match=r"base\.toml: ") as raised:
        load_recipe(str(tmp_path / "mine.toml"))
    assert "mine.toml" not in str(raised.value)


def test_a_bad_value_that_is_replaced_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[train]\nmax_updates = 0\n")
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[train]\nmax_updates = 5\n')
    assert load_recipe(str(tmp_path / "mine.toml")).train.max_updates == 5


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            'extends = "pockett"',
            "a.toml extends 'pockett': no recipe 'pockett'; did you mean 'pocket'?",
        ),
        ('extends = "b.toml"', "b.toml extends 'a.toml', which extends it in turn"),
        ('extends = "a.toml"', "a.toml extends 'a.toml', which extends it in turn"),
        ('extends = "none.toml"', "a.toml extends 'none.toml', but {tmp}/none.toml does not exist"),
        ("extends = 3", "extends is 3 but must name a recipe"),
        ('extends = ""', "extends is '' but must name a recipe"),
    ],
)
def test_a_recipe_that_cannot_be_extended_is_named(tmp_path: Path, text: str, facts: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(NmtError) as raised:
        load_recipe(str(tmp_path / "a.toml"))
    assert facts.format(tmp=tmp_path) in str(raised.value)


def test_recipes_extend_each_other_twenty_deep_and_no_deeper(tmp_path: Path) -> None:
    """A chain of 1,500 was followed until Python's recursion ended it with a traceback."""
    for number in range(1500):
        (tmp_path / f"{number}.toml").write_text(f'extends = "{number + 1}.toml"\n')
    (tmp_path / "20.toml").write_text("[model]\nheads = 3\n")
    assert load_recipe(str(tmp_path / "1.toml")).model.heads == 3
    for first in (0, 21):
        with pytest.raises(NmtError, match="may extend each other at most 20 deep"):
            load_recipe(str(tmp_path / f"{first}.toml"))


def write_model(path: Path, recipe: str) -> Path:
    save_file({"x": numpy.zeros(1, numpy.float32)}, path, {"recipe": recipe})
    return path


def test_the_recipe_inside_a_model_is_extended(tiny_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'extends = "{tiny_run / "model.safetensors"}"\n[train]\nmax_updates = 7\n')
    found, base = load_recipe(str(path)), load_recipe(str(tiny_run / "recipe.toml"))
    assert (found.model, found.tokenizer, found.data) == (base.model, base.tokenizer, base.data)
    assert (found.name, found.train.max_updates) == ("mine", 7)


def test_the_model_that_a_model_started_from_is_not_taken_over(tmp_path: Path) -> None:
    write_model(tmp_path / "m.safetensors", '[train]\ninit_from = "old.safetensors"\nseed = 5\n')
    (tmp_path / "a.toml").write_text('extends = "m.safetensors"\n')
    train = load_recipe(str(tmp_path / "a.toml")).train
    assert (train.init_from, train.seed) == ("", 5)


@pytest.mark.parametrize(
    ("recipe", "fact"),
    [
        ("[model", "the recipe inside {path} is not valid TOML"),
        ('extends = "b.toml"', "the recipe inside {path} extends another"),
        ("[train]\nsed = 1\n", "unknown"),
    ],
    ids=["syntax", "extends", "unknown"],
)
def test_a_bad_recipe_inside_a_model_is_named(tmp_path: Path, recipe: str, fact: str) -> None:
    path = write_model(tmp_path / "m.safetensors", recipe)
    (tmp_path / "a.toml").write_text('extends = "m.safetensors"\n')
    (tmp_path / "b.toml").write_text("[train]\nseed = 1\n")
    with pytest.raises(NmtError) as raised:
        load_recipe(str(tmp_path / "a.toml"))
    assert fact.format(path=path) in str(raised.value)


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (None, "a.toml extends 'm.safetensors', but {path} does not exist"),
        (b"", "{path} is not an intact model file"),
        (b"[train]\nseed = 1\n", "{path} is not an intact model file"),
    ],
    ids=["absent", "empty", "text"],
)
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes | None, fact: str) -> None:
    path = tmp_path / "m.safetensors"
    if content is not None:
        path.write_bytes(content)
    (tmp_path / "a.toml").write_text('extends = "m.safetensors"\n')
    with pytest.raises(NmtError) as raised:
        load_recipe(str(tmp_path / "a.toml"))
    assert fact.format(path=path) in str(raised.value)


def test_the_model_of_another_program_is_named(tmp_path: Path) -> None:
    save_file({"x": numpy.zeros(1, numpy.float32)}, tmp_path / "m.safetensors")
    (tmp_path / "a.toml").write_text('extends = "m.safetensors"\n')
    with pytest.raises(
        NmtError, match="is not a model of this program, because it holds no recipe"
    ):
        load_recipe(str(tmp_path / "a.toml"))
