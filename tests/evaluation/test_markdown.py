"""Markdown: text from users is never markup."""

import random
import re

import pytest

from nmt.evaluation.markdown import code, table, ticks

CHARACTERS = "`` a|*_<b>&\\[x](y)\n\t#-é"


@pytest.mark.parametrize("seed", range(10))
def test_a_code_span_does_not_end_within_its_text(seed: int) -> None:
    """CommonMark: a span ends at the first run of as many backticks as started it."""
    draw = random.Random(seed)
    text = "".join(draw.choices(CHARACTERS, k=draw.randint(0, 12)))
    span = code(text)
    fence = re.match("`+", span)
    assert fence
    inner = span[len(fence[0]) : -len(fence[0])]
    assert span.endswith(fence[0])
    assert len(fence[0]) not in map(len, re.findall("`+", inner))
    assert "\n" not in span
    assert inner.strip(" ") == " ".join(text.split())


def test_code_spans_by_hand() -> None:
    assert code("a`b") == "``a`b``"
    assert code("`") == "`` ` ``"
    assert code("a   b\n") == "`a b`"
    assert ticks("```", at_least=3) == "````"
    assert ticks("", at_least=3) == "```"


def test_bars_in_cells_are_escaped() -> None:
    assert table(("a", "b"), [("x|y", "z")]) == "| a | b |\n| --- | --- |\n| x\\|y | z |"
