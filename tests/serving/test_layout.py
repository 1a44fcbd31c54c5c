"""Texts are divided into lines and joined again."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.serving.layout import layout_of_text

QUICK = settings(max_examples=300, derandomize=True, database=None, deadline=None)


@pytest.mark.parametrize(
    ("text", "lines", "shouted"),
    [
        ("a", ("a",), "A"),
        ("a\nb", ("a", "b"), "A\nB"),
        ("a\r\nb\r\n", ("a", "b"), "A\r\nB\r\n"),
        ("\n\na \n", ("a ",), "\n\nA \n"),
        ("a\n  \nb", ("a", "b"), "A\n\nB"),
        ("a\u2028b\rc", ("a\u2028b\rc",), "A\u2028B\rC"),  # only a line feed ends a line
        ("", (), ""),
        (" ", (), ""),
    ],
    ids=["one", "two", "windows", "blank", "spaces", "others", "empty", "space"],
)
def test_text_keeps_its_line_breaks(text: str, lines: tuple[str, ...], shouted: str) -> None:
    layout = layout_of_text(text)
    assert layout.lines == lines
    assert layout.join([line.upper() for line in layout.lines]) == shouted


@QUICK
@given(st.text(st.sampled_from("<>&;ab /!-\"'\n\rp=")))
def test_joining_the_lines_themselves_changes_nothing(text: str) -> None:
    layout = layout_of_text(text)
    kept = "\n".join("" if line.strip() == "" else line for line in text.split("\n"))
    joined = layout.join(layout.lines)
    assert joined.replace("\r", "").replace(" ", "") == kept.replace("\r", "").replace(" ", "")


def test_candidates_are_those_that_every_line_has() -> None:
    layout = layout_of_text("a\nb")
    assert layout.candidates([["1", "2", "3"], ["x", "y"]], 5) == ["1\nx", "2\ny"]
    assert layout.candidates([["1", "2", "3"], ["x", "y"]], 1) == ["1\nx"]
    assert layout_of_text("\n").candidates([], 3) == ["\n"]


def test_long_texts_have_all_their_lines() -> None:
    draw = random.Random(1)
    lines = ["".join(draw.choices("ab c", k=9)).strip() + "x" for _ in range(999)]
    assert layout_of_text("\n".join(lines)).lines == tuple(lines)
