"""HTML is divided into sentences with their tags, and joined again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Marked
from nmt.documents.marks.tags import with_changed_words
from nmt.serving.document_layout import DocumentLayout, layout_of_page
from nmt.serving.layout import Line, text_of
from nmt.serving.refusals import RefusedError

QUICK = settings(max_examples=200, derandomize=True, database=None, deadline=None)
PAIR = ("en", "de")
SIGNS = "<>&;ab /!-\"'\n\rp="


def shout(line: Line) -> Line:
    return line.upper() if isinstance(line, str) else with_changed_words(line, str.upper)


def joined(layout: DocumentLayout, translations: list[Line]) -> str:
    (text,) = layout.candidates([[each] for each in translations], 1)
    return text


@pytest.mark.parametrize(
    ("text", "lines", "shouted"),
    [
        ("<p>a <b>c</b>\n d</p>", ("a <b>c</b> d",), "<p>A <b>C</b> D</p>"),
        ("<p><b>sun</b></p>rain", ("sun", "rain"), "<p><b>SUN</b></p>RAIN"),
        ("<p>One is. Two is.</p>", ("One is.", "Two is."), "<p>ONE IS. TWO IS.</p>"),
        ('<a title="up>to">sun</a>', ("up>to", "sun"), '<a title="UP&gt;TO">SUN</a>'),
        ("a &amp; b &lt;i&gt;", ("a & b <i>",), "A &amp; B &lt;I&gt;"),
        ("<script>if (a<b) c</script>sun", ("sun",), "<script>if (a<b) c</script>SUN"),
        ("<pre>a<pre>b</pre></pre>sun", ("sun",), "<pre>a<pre>b</pre></pre>SUN"),
        ('<p translate="no">a</p>sun', ("sun",), '<p translate="no">a</p>SUN'),
        ('<br translate="no">sun', ("sun",), '<br translate="no">SUN'),
        ("<!-- <p>a --> sun<!doctype html>", ("sun",), "<!-- <p>a --> SUN<!doctype html>"),
        ("a < b <c", ("a < b <c",), "A &lt; B &lt;C"),
        ("&nbsp;<b>  a\n b</b>", ("a b",), "&nbsp;<b>  A B</b>"),
        ('<html lang="en"><p>sun', ("sun",), '<html lang="de"><p>SUN'),
        ("<style>a", (), "<style>a"),
        ("", (), ""),
    ],
    ids=[
        *("tags", "around", "sentences", "title", "references", "script", "nested", "translate-no"),
        *("void", "comment", "no-tags", "spaces", "language", "open", "empty"),
    ],
)
def test_html_keeps_its_tags(text: str, lines: tuple[str, ...], shouted: str) -> None:
    layout = layout_of_page(text, PAIR)
    assert (*map(text_of, layout.lines),) == lines
    assert joined(layout, [*map(shout, layout.lines)]) == shouted


@QUICK
@given(st.text(st.sampled_from(SIGNS)), st.text(st.sampled_from("<>&\"'a"), min_size=1))
def test_a_translation_adds_no_markup(text: str, translation: str) -> None:
    """Whatever a model writes, the tags are those of the source."""
    layout = layout_of_page(text, PAIR)
    written = [
        translation if isinstance(each, str) else with_changed_words(each, lambda part: translation)
        for each in layout.lines
    ]
    fixed = joined(layout, [each if isinstance(each, Marked) else "a" for each in layout.lines])
    assert joined(layout, written).count("<") <= max(fixed.count("<"), text.count("<"))


def test_candidates_are_those_that_every_line_has() -> None:
    layout = layout_of_page("<p>sun</p><p>rain</p>", PAIR)
    found: list[list[Line]] = [["one", "two", "three"], ["rain", "snow"]]
    assert layout.candidates(found, 5) == ["<p>one</p><p>rain</p>", "<p>two</p><p>snow</p>"]
    assert len(layout.candidates(found, 1)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "<!--x>" * 20_000,
        "<a'" * 30_000,
        "<pre>" + "<pre" * 25_000,
        "a" + " " * 100_000 + "a",
        "&#" * 50_000,
        "<p translate='no'>" * 6_000,
        "<b>a" * 20_000,
        "a</b>" * 20_000,
        "<code>a" * 20_000,
    ],
    ids=[
        *("comments", "quotes", "elements", "spaces", "references", "no", "starts", "ends", "code"),
    ],
)
def test_hostile_html_takes_little_time(text: str) -> None:
    """Each takes a fraction of a second; with a time that grows with the square, minutes."""
    layout_of_page(text, PAIR)


def test_a_reference_that_is_no_character_is_refused() -> None:
    with pytest.raises(RefusedError, match="'q', line 1: a character reference"):
        layout_of_page(f"&#{'9' * 5000};", PAIR)


def test_without_the_package_for_sentences_the_refusal_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentencex", None)
    with pytest.raises(RefusedError, match="sentencex") as found:
        layout_of_page("<p>One is. Two is.</p>", PAIR)
    assert found.value.status == 501
