"""Recipes: texts, `--set`, wild values of every setting."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config import DECLARED, Recipe
from nmt.recipe.files import parse_recipe
from nmt.recipe.rules import check_recipe
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.recipe.toml import to_toml, toml_value
from tests.fuzz import CASES, fuzz, value_or_error

pytestmark = pytest.mark.slow
share = settings(fuzz, max_examples=CASES // 4)  # of each of the three tests

WHOLE = to_toml(Recipe("whole"))
EXAMPLE = """extends = "pocket"
tokenizer.vocab_size = 8_000 # comment
[data]
train = [{ source = "a.en", target = 'a.de' }, { tsv = "b.tsv", tag = "<BT>" }]
dev = [{ source = "dev.en.gz", target = "dev.de.gz", references = ["r.de"] }]
[data.test.held-out]
source = "test.en"
target = \"\"\"test.de\"\"\"
[[data.downloads]]
url = "https://example.org/a.tgz"
to = "a.tgz"
unpack = ["m/n", "o"]
[model]
heads = 0x10
dropout = 1e-1
positions = "learned"
[train]
compile = true
"""
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
scalars = st.one_of(numbers, texts, st.booleans(), st.none(), st.binary(max_size=3))
KEYS = ("source", "target", "tsv", "labels", "references", "tag", "url", "to", "unpack", "x")
contents = st.one_of(texts, st.lists(texts, max_size=2), numbers)
files = st.dictionaries(st.sampled_from(KEYS), contents, max_size=4)
values = st.one_of(
    scalars,
    st.lists(files, max_size=3),
    st.dictionaries(texts, files, max_size=2),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2),
    ),
)
names = st.one_of(
    st.sampled_from(list(DECLARED)),
    st.sampled_from([name for name in DECLARED if name.startswith("data.")]),
)
settings_by_name = st.dictionaries(names, values, max_size=3)


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
@given(st.one_of(edited(EXAMPLE), edited(EXAMPLE.partition("\n")[2]), edited(WHOLE), st.text()))
def test_texts(text: str) -> None:
    check(value_or_error(lambda: parse_recipe(text, "name", "the recipe")))


@share
@given(settings_by_name | st.dictionaries(st.one_of(scalars, texts), values, max_size=2) | scalars)
def test_settings_by_name(given_settings: Any) -> None:
    check(value_or_error(lambda: with_settings(Recipe("x"), given_settings)))


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
