"""Recipes: texts with changes, and odd values of any setting with `--set`."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config import DECLARED, Recipe
from nmt.recipe.files import parse_recipe
from nmt.recipe.rules import check_recipe
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.recipe.toml import to_toml, toml_value
from nmt.system.files import shipped
from tests.fuzz import CASES, fuzz, value_or_error
from tests.fuzz.mutations import ODD_TEXTS, ODD_VALUES, changed_bytes, seeded

pytestmark = pytest.mark.slow
half = settings(fuzz, max_examples=CASES // 2)  # of each test

TEXTS = [to_toml(Recipe("whole")), (shipped("recipes") / "multi30k_en_de.toml").read_text()]
ODD = [*map(str, [*ODD_VALUES, *ODD_TEXTS]), "{a=" * 400, "a." * 3000, "1979-05-27T07:32:00Z"]


def changed_text(draw: Random, text: str) -> str:
    content = changed_bytes(draw, text.encode("utf-8", "replace"), 4)
    return content.decode("utf-8", "surrogateescape")


def override(draw: Random) -> str:
    """Return a text that sets a setting to its default or an odd value, with changes."""
    name = draw.choice([*DECLARED])
    default = toml_value(DECLARED[name].metadata["default"])
    return changed_text(draw, f"{name}={draw.choice([default, draw.choice(ODD)])}")


def check(recipe: Recipe | None) -> None:
    """Check that a recipe that was accepted can be written, read again and checked as a whole."""
    if recipe is None:
        return
    text = to_toml(recipe)

    def check_whole() -> Recipe:
        check_recipe(recipe)
        return parse_recipe(text, "other", "the recipe")

    assert value_or_error(check_whole) in (None, recipe)


@half
@given(seeded(lambda draw: changed_text(draw, draw.choice(TEXTS))) | st.text())
def test_texts(text: str) -> None:
    check(value_or_error(lambda: parse_recipe(text, "name", "the recipe")))


@half
@given(st.lists(seeded(override) | st.text(max_size=10), max_size=3))
def test_set(overrides: list[str]) -> None:
    check(value_or_error(lambda: with_settings(Recipe("x"), parse_overrides(overrides))))
