"""Texts divide into units and join again, and tokens are found in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.changing.units import units_of, units_of_tokens


@given(st.text())
def test_the_units_and_the_gaps_are_the_text(text: str) -> None:
    units = units_of(text)
    assert units.text == text
    assert all(not gap.strip() for gap in units.gaps)
    assert len(units.gaps) == len(units) + 1


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("A dog runs.", ["A", "dog", "runs", "."]),
        ('The user\'s "e-mail" (new)', ["The", "user's", '"', "e-mail", '"', "(", "new", ")"]),
        ("\u72ac\u304c\u8d70\u308b\u3002", ["\u72ac", "\u304c", "\u8d70", "\u308b", "\u3002"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940 \u0939\u0948\u0964", None),
        ("\u0e14\u0e35\u0e21\u0e32\u0e01", ["\u0e14\u0e35", "\u0e21", "\u0e32", "\u0e01"]),
    ],
    ids=["english", "marks", "japanese", "hindi", "thai"],
)
def test_the_units_of_scripts(text: str, units: list[str] | None) -> None:
    if units is None:  # vowel signs belong to their word
        units = [*text[:-1].split(), text[-1]]
    assert [*units_of(text).units] == units


def test_tokens_stand_in_units() -> None:
    """The tokens are `A`, ` do`, `g`, two spaces, `runs` and `.`; the spaces are in no unit."""
    units = units_of("A dog  runs.")
    found = units_of_tokens(units, [1, 3, 1, 2, 4, 1])
    assert [[*each] for each in found] == [[0], [1], [1], [], [2], [3]]


def test_a_token_may_stand_in_several_units() -> None:
    assert [[*each] for each in units_of_tokens(units_of("a(b) c"), [4, 2])] == [[0, 1, 2, 3], [4]]
