"""Texts and HTML are divided into lines and joined again."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.serving.layout import layout_of_html, layout_of_text
from nmt.serving.refusals import RefusedError

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


@pytest.mark.parametrize(
    ("text", "lines", "shouted"),
    [
        ("<p>a <b>c</b>\n d</p>", ("a", "c", "d"), "<p>A <b>C</b>\n D</p>"),
        ('<a title="x>y">a</a>', ("a",), '<a title="x>y">A</a>'),
        ("a &amp; b &lt;i&gt;", ("a & b <i>",), "A &amp; B &lt;I&gt;"),
        ("<script>if (a<b) c</script>d", ("d",), "<script>if (a<b) c</script>D"),
        ("<pre>a<pre>b</pre></pre>c", ("c",), "<pre>a<pre>b</pre></pre>C"),
        ('<i translate="no">a</i>b', ("b",), '<i translate="no">a</i>B'),
        ('<br translate="no">b', ("b",), '<br translate="no">B'),
        ("<!-- <p>a --> b<!doctype html>", ("b",), "<!-- <p>a --> B<!doctype html>"),
        ("a < b <c", ("a < b <c",), "A &lt; B &lt;C"),
        ("&nbsp;<b>  a\n b</b>", ("a b",), "&nbsp;<b>  A B</b>"),
        ("<style>a", (), "<style>a"),
        ("", (), ""),
    ],
    ids=[
        "tags",
        "quotes",
        "references",
        "script",
        "nested",
        "translate-no",
        "void",
        "comment",
        "no-tags",
        "spaces",
        "open",
        "empty",
    ],
)
def test_html_keeps_its_tags(text: str, lines: tuple[str, ...], shouted: str) -> None:
    layout = layout_of_html(text)
    assert layout.lines == lines
    assert layout.join([line.upper() for line in layout.lines]) == shouted


@QUICK
@given(st.text(st.sampled_from("<>&;ab /!-\"'\n\rp=")))
def test_joining_the_lines_themselves_changes_nothing(text: str) -> None:
    layout = layout_of_text(text)
    kept = "\n".join("" if line.strip() == "" else line for line in text.split("\n"))
    joined = layout.join(layout.lines)
    assert joined.replace("\r", "").replace(" ", "") == kept.replace("\r", "").replace(" ", "")
    layout_of_html(text)


@QUICK
@given(st.text(st.sampled_from("<>&;ab /!-\"'\n\rp=")), st.text(st.sampled_from("<>&\"'a")))
def test_a_translation_adds_no_markup(text: str, translation: str) -> None:
    """Whatever a model writes, the tags are those of the source."""
    layout = layout_of_html(text)
    joined = layout.join([translation] * len(layout.lines))
    assert joined.count("<") == sum(each.count("<") for each in layout.fixed)


@pytest.mark.parametrize(
    "text",
    [
        "<!--x>" * 20_000,
        "<a'" * 30_000,
        "<pre>" + "<pre" * 25_000,
        "a" + " " * 100_000 + "a",
        "<a \"'" * 30_000,
        "&#" * 50_000,
        "<p translate='no'>" * 6_000,
    ],
    ids=["comments", "quotes", "elements", "spaces", "both-quotes", "references", "no"],
)
def test_hostile_html_takes_no_time(text: str) -> None:
    """Each takes milliseconds; with a time that grows with the square, minutes (pytest-timeout)."""
    layout_of_html(text)


def test_a_reference_that_is_no_character_is_refused() -> None:
    with pytest.raises(RefusedError, match="character reference"):
        layout_of_html(f"&#{'9' * 5000};")


def test_candidates_are_those_that_every_line_has() -> None:
    layout = layout_of_text("a\nb")
    assert layout.candidates([["1", "2", "3"], ["x", "y"]], 5) == ["1\nx", "2\ny"]
    assert layout.candidates([["1", "2", "3"], ["x", "y"]], 1) == ["1\nx"]
    assert layout_of_text("\n").candidates([], 3) == ["\n"]


def test_long_texts_have_all_their_lines() -> None:
    draw = random.Random(1)
    lines = ["".join(draw.choices("ab c", k=9)).strip() + "x" for _ in range(999)]
    assert layout_of_text("\n".join(lines)).lines == tuple(lines)


@pytest.mark.parametrize(
    "tag",
    ["<p title=don't>", "<p a='1>2' b=\"x'>\" c>", '<a "x>', "<p a='it is open>", "<p a=b'c>"],
)
def test_a_quotation_mark_matters_only_where_a_value_begins(tag: str) -> None:
    layout = layout_of_html(f"{tag}One</p> <b>two</b>")
    assert layout.lines == ("One", "two")
    assert layout.join(["A", "B"]) == f"{tag}A</p> <b>B</b>"


def test_tags_that_never_end_take_linear_time() -> None:
    for part in ('<a ="', "<a ='", '="" ', "=' ", '<a x="\'" '):
        text = f"<a {part * 30_000}"
        assert "".join(layout_of_html(text).lines)
