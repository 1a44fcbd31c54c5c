"""Recipes: texts with edits, and wild values of every setting with `--set`."""

import math

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

pytestmark = pytest.mark.slow
share = settings(fuzz, max_examples=CASES // 4)  # of both tests

WHOLE = to_toml(Recipe("whole"))
EXAMPLE = (shipped("recipes") / "multi30k_en_de.toml").read_text()
# What an attacker would put into a text, and what a text consists of.
PIECES = (
    *"[]{}=.,#'\"\\\n\t -+_0eE",
    *("[[", "]]", "'''", '"""', "\r\n", "\x00", "\x1f", "\x7f", "\u2028", "\ufeff", "é"),
    "\U0001f600",
    *("nan", "inf", "-inf", "1e308", "1e999", "-0.0", "true", "false"),
    *("9" * 5000, "x" * 5000, "\\ud800"),
    *("0x" + "f" * 5000, "[" * 400, "{a=" * 400, "a." * 3000, '"a".' * 200, "1979-05-27T07:32:00Z"),
    *("name", "extends", "data.test", "[model]", "[data]", "train = ", *DECLARED),
)
numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, -1, 10**9, 2**31, 2**63, 10**400, 1e308, math.nan, -0.0]),
    st.integers(4300, 9000).map(lambda digits: 10**digits),  # Python writes no such number
)
texts = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(), max_size=3),  # lone surrogates included
    st.sampled_from(["a" * 5000, "\x00", "\ud800", "..", "/", "a\nb", "bpe", "auto", "rotary"]),
)
names = st.one_of(
    st.sampled_from(list(DECLARED)),
    st.sampled_from([name for name in DECLARED if name.startswith("data.")]),
)


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """Draw a text after some edits: parts deleted, repeated, or replaced by other pieces."""
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 0, 1, 2, 8, 60])))
        piece = draw(
            st.one_of(st.sampled_from(PIECES), st.text(max_size=4), st.just(text[start:end] * 2))
        )
        text = text[:start] + piece + text[end:]
    return text


def check(recipe: Recipe | None) -> None:
    """Check that a recipe that was accepted can be written, read again and checked as a whole."""
    if recipe is None:
        return
    text = to_toml(recipe)

    def check_whole() -> Recipe:
        check_recipe(recipe)
        return parse_recipe(text, "other", "the recipe")

    assert value_or_error(check_whole) in (None, recipe)


@share
@given(st.one_of(edited(EXAMPLE), edited(WHOLE), st.text()))
def test_texts(text: str) -> None:
    check(value_or_error(lambda: parse_recipe(text, "name", "the recipe")))


def override(name: str) -> st.SearchStrategy[str]:
    """Return texts that set a setting: its default with edits, other values, or anything."""
    default = f"{name}={toml_value(DECLARED[name].metadata['default'])}"
    other = st.one_of(numbers.map(repr_or_text), texts, st.sampled_from(PIECES))
    return st.one_of(edited(default), st.builds(f"{name}={{}}".format, other), st.text(max_size=10))


def repr_or_text(number: float) -> str:
    """Return a number as text; Python writes no number of more than 4,300 digits."""
    return "9" * 5000 if isinstance(number, int) and abs(number) > 10**4000 else repr(number)


@share
@given(st.lists(names.flatmap(override), max_size=3))
def test_set(overrides: list[str]) -> None:
    check(value_or_error(lambda: with_settings(Recipe("x"), parse_overrides(overrides))))
