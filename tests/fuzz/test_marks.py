"""Marks of any text: found apart, placed once each, pairs nested; messages put together again."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.decoding.translator.placing import cut_spans, place_spans
from nmt.documents.marks.checks import mark_problems
from nmt.documents.marks.icu import IcuMessage
from nmt.documents.marks.never_text import SYNTAXES, find, with_placeholders
from nmt.documents.translate import translate_marked
from tests.documents.test_translate import careless
from tests.fuzz import fuzz

pytestmark = pytest.mark.slow

PIECES = [
    *("%s", "%1$d", "{", "}", "{n, plural, ", "one {", "{x}", "''", "'", "#", "${a}", "%{", "%1"),
    *("<b>", "</b>", "<br/>", "&amp;", "https://x.org", "a@b.org", "a", "Bc d", " ", ", ", "."),
    "\n",
    *("(", ")", "\u201c", "\u201d", "\u4e16\u754c", "\u3002", "5", "-", "\u0301", "\U0001f600"),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.characters(codec="utf-8"), max_size=20).map("".join)
LINKS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20)
KINDS = st.lists(st.sampled_from(Kind), max_size=8)


@st.composite
def marked_texts(draw: st.DrawFn) -> Marked:
    """Return a text with marks anywhere, of any kind."""
    text = draw(TEXTS)
    kinds = draw(KINDS)
    places = st.integers(0, len(text))
    ends = sorted(draw(st.lists(places, min_size=2 * len(kinds), max_size=2 * len(kinds))))
    spans = zip(ends[::2], ends[1::2], kinds, strict=True)
    return Marked(text, tuple(Mark(*each) for each in spans if each[0] < each[1]))


@given(source=marked_texts(), translation=TEXTS, links=LINKS)
@fuzz
def test_places(source: Marked, translation: str, links: list[tuple[int, int]]) -> None:
    found = place_spans(cut_spans(source), translation, links)
    assert sorted(found.mark_texts()) == sorted(source.mark_texts())
    assert len(found.partners()) == len(source.partners())
    ends = [place for each in found.marks for place in each[:2]]
    assert ends == sorted(ends)
    # The words of the translation are there, in order.
    rest = iter("".join(found.without_marks().split()))
    assert all(each in rest for each in "".join(translation.split()))


@given(text=TEXTS, syntax=st.frozensets(st.sampled_from(sorted(SYNTAXES))))
@fuzz
def test_placeholders(text: str, syntax: frozenset[str]) -> None:
    marks = find(text, syntax)
    ends = [place for each in marks for place in each[:2]]
    assert ends == sorted(ends)
    assert all(each.begin < each.end and each.is_text for each in marks)
    source = Marked(text, tuple(marks))
    assert source.of_format() == Marked(text)
    assert not mark_problems(source, source)


@given(source=marked_texts(), syntax=st.frozensets(st.sampled_from(sorted(SYNTAXES))))
@fuzz
def test_marks_of_the_format_stay(source: Marked, syntax: frozenset[str]) -> None:
    assert with_placeholders(source, syntax).of_format() == source


@given(source=marked_texts(), translations=st.lists(TEXTS, max_size=8))
@fuzz
def test_messages(source: Marked, translations: list[str]) -> None:
    message = IcuMessage.of(source)
    texts = message.texts()
    assert message.join(texts) == source
    assert message.join([each.of_format() for each in texts]) == source
    given_texts = [*map(Marked, translations), *texts][: len(texts)]
    message.join([*given_texts, *texts[len(given_texts) :]])


@given(source=st.lists(marked_texts(), max_size=4), seed=st.integers(0, 1000))
@fuzz
def test_sentences(source: list[Marked], seed: int) -> None:
    found = translate_marked(source, careless(random.Random(seed)))
    for each, placed in zip(source, found, strict=True):
        assert placed.flags or not mark_problems(each, placed.text)
