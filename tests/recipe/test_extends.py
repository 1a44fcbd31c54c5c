"""Recipes that extend others: what is inherited, and errors that name the right file."""

from dataclasses import replace
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.recipe import load_recipe, parse_recipe, to_toml


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
