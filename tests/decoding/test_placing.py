"""Texts with marks: cut out, placed in a translation by the links of its words, and kept.

Each mark is there once, and pairs stay nested.
"""

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.config import TokenizerSettings
from nmt.decoding.terms.glossary import Term
from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.decoding.translator.odd_input import MOST_MARKS, cut_segment, odd_segment
from nmt.decoding.translator.placing import DEEPEST, cut_spans, place_spans
from nmt.decoding.translator.translation import OutputOptions, Request, Translation
from nmt.decoding.translator.translator import Translator
from nmt.errors import UsageError
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.words import UNIT
from tests.decoding.marking import marked

TEXT = Marked(
    "<b>Open</b> %s now",
    (Mark(0, 3, Kind.OPEN), Mark(7, 11, Kind.CLOSE), Mark(12, 14, is_text=True)),
)


def test_parts_are_the_whole_text() -> None:
    assert "".join(part for part, _ in TEXT.parts()) == TEXT.text
    assert [part for part, mark in TEXT.parts() if mark] == TEXT.mark_texts()
    assert TEXT.without_marks() == "Open  now"


def test_slices_join_to_the_whole() -> None:
    assert joined([TEXT.slice(0, 11), TEXT.slice(11, len(TEXT.text))]) == TEXT


def test_marks_of_texts_are_text_for_the_format() -> None:
    assert TEXT.of_format().mark_texts() == ["<b>", "</b>"]
    assert TEXT.of_format().text == TEXT.text


STRAIGHT = [(unit, unit) for unit in range(9)]
ALL_TO_ONE = [(unit, 0) for unit in range(9)]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Open %s.", "Open."),  # punctuation of the sentence stays with its words
        ("Hello, %s!", "Hello!"),  # but two signs in a row are too many
        ("In %s, look here", "In, look here"),
        ("(%s files)", "(files)"),
        ("Count (%d).", "Count."),
        ("#%d now", "now"),
        ("%s: not found", "not found"),
        ("un<b>believ</b>able", "unbelievable"),
        ("<b>%s</b> files\r\nfound", "files  found"),
        ("%s-based, %s's", "based, 's"),
        ("\u8bbf\u95ee%s\u3002", "\u8bbf\u95ee\u3002"),
    ],
)
def test_what_is_read(text: str, read: str) -> None:
    assert cut_spans(marked(text)).text == read


@pytest.mark.parametrize(
    ("source", "translation", "links", "expected"),
    [
        # A pair encloses what is linked to its words.
        ("The <b>red</b> house.", "Das rote Haus.", STRAIGHT, "Das <b>rote</b> Haus."),
        ("The red <b>house.</b>", "Das rote Haus.", STRAIGHT, "Das rote <b>Haus.</b>"),
        # The smallest span with both parts of a verb; one that is far away is left out.
        ("<b>call</b> me", "ruf mich an", [(0, 0), (1, 1), (0, 2)], "<b>ruf mich an</b>"),
        (
            "<b>a</b> b c d e",
            "A B C D E X",
            [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (0, 5)],
            "<b>A</b> B C D E X",
        ),
        # Pairs change their order with the words, stay nested, and never cross.
        ("<i>red</i> <b>rose</b>", "rose rouge", [(0, 1), (1, 0)], "<b>rose</b> <i>rouge</i>"),
        (
            "<i>a b</i> <b>c d</b>",
            "A B C D",
            [(0, 0), (1, 2), (2, 1), (3, 3)],
            "<i>A</i> <b>B C D</b>",
        ),
        ("<b>foot</b> <i>ball</i>", "Fu\u00dfball", ALL_TO_ONE, "<b><i>Fu\u00dfball</i></b>"),
        # Without links, by the position in the text.
        ("a b <i>c</i> d", "A B C D", [], "A B <i>C</i> D"),
        ("a <b>b</b>", "A", [(0, 0)], "<b>A</b>"),
        # What stands alone crosses the fewest links.
        ("Find %d files now", "Dateien findet", [(0, 1), (1, 0)], "%d Dateien findet"),
        ("Open %s.", "\u00d6ffnen Sie.", [(0, 0), (0, 1)], "\u00d6ffnen Sie %s."),
        ("Hello, %s!", "Hallo!", STRAIGHT, "Hallo, %s!"),
        ('a "b" %s.', "A \u201eB\u201c.", STRAIGHT, "A \u201eB\u201c %s."),
        ('a "b %s".', "A \u201eB\u201c.", STRAIGHT, "A \u201eB %s\u201c."),
        # Between words of the source it is not behind the sentence.
        ("a b %s c.", "A C B.", [(0, 0), (1, 2), (2, 1)], "A %s C B."),
        ("a b %s c.", "A C B.", [(0, 0), (1, 2)], "A C B %s."),
        ("a %s b c.", "C.", [(2, 0)], "%s C."),
        ("a %s-made b", "B machte A", [(0, 2), (1, 1), (2, 0)], "B %s-machte A"),
        ("a 5%s b", "B 5 A", [(0, 2), (1, 1), (2, 0)], "B 5%s A"),
        # In a pair it stays there.
        ("a <b>%s b</b> c", "C B A", [(0, 2), (1, 1), (2, 0)], "C <b>%s B</b> A"),
        ("a <b>b</b> %s c", "A X B", [(1, 0), (1, 2), (2, 1)], "<b>A X B</b> %s"),
        ("in <b>%s</b> now", "nun in", [(0, 1), (1, 0)], "<b>%s</b> nun in"),
        # Marks without a partner.
        ("a b</b> c <i>d", "A B C D", STRAIGHT, "A B</b> C <i>D"),
        # Spaces are inside or outside as in the source.
        ("a<b> b </b>c", "A B C", STRAIGHT, "A<b> B </b>C"),
        ("a <b> b </b> c", "A B C", STRAIGHT, "A <b> B </b> C"),
        # Scripts without spaces.
        (
            "See <b>the world</b> %s.",
            "\u770b\u4e16\u754c\u3002",
            [(0, 0), (1, 1), (1, 2), (2, 1), (2, 2)],
            "\u770b<b>\u4e16\u754c</b>%s\u3002",
        ),
        ("\u8bbf\u95ee%s\u3002", "Visit.", [(0, 0), (1, 0)], "Visit %s."),
        ("<b>a</b> %s", "", [], "<b></b>%s"),
    ],
)
def test_where_marks_stand(
    source: str, translation: str, links: Sequence[tuple[int, int]], expected: str
) -> None:
    assert place_spans(cut_spans(marked(source)), translation, links) == marked(expected)


def random_marked(draw: random.Random) -> Marked:
    """Return a text with marks of all kinds, which may lack their partners."""
    pieces = ["a", "bb", "5", " ", " ", ", ", ".", "(", ")", "-", "\u4e16", "\u3002", "\n"]
    pieces += ["%s", "<b>", "</b>", "<br/>"] * draw.randrange(4)
    return marked("".join(draw.choices(pieces, k=draw.randrange(15))))


def test_each_mark_is_there_once_and_pairs_stay_nested() -> None:
    draw = random.Random(1)
    for _ in range(1500):
        source = random_marked(draw)
        cut = cut_spans(source)
        text = " ".join(draw.choices(["x", "y.", "(z)", "\u4e16\u754c"], k=draw.randrange(6)))
        links = [(draw.randrange(6), draw.randrange(9)) for _ in range(draw.randrange(9))]
        found = place_spans(cut, text, links)
        assert sorted(found.mark_texts()) == sorted(source.mark_texts())
        assert len(found.partners()) == len(source.partners())
        assert [mark.begin for mark in found.marks] == sorted(mark.begin for mark in found.marks)
        assert all(marked(found.text[mark.begin : mark.end]).marks for mark in found.marks)
        words = "".join(found.without_marks().split())
        rest = iter(words)
        assert all(character in rest for character in "".join(text.split()))  # nothing is lost


def test_pairs_keep_their_words() -> None:
    """A pair that encloses words of the source encloses some of the translation."""
    draw = random.Random(2)
    for _ in range(500):
        source = marked("a <b>b <i>c</i> %s</b> <b>d</b> e <i>f</i> g")
        text = " ".join("tuvwxyz"[: draw.randint(1, 7)])
        links = [(draw.randrange(7), draw.randrange(7)) for _ in range(draw.randrange(12))]
        found = place_spans(cut_spans(source), text, links)
        for opening, closing in found.partners().items():
            if opening < closing:
                inside = found.slice(found.marks[opening].begin, found.marks[closing].end)
                assert set(inside.without_marks()) & set(text)


def test_a_copy_keeps_all() -> None:
    """If the translation is the source, marks stand where they did, up to signs and spaces."""
    for text in (
        "a <b>b</b> c, %s d.",
        "<b>All <i>of</i> it.</b>",
        "Go to %s: see <i>this</i>!",
        "a (%s), b",
        "a<br/>b <b>c %s</b>",
    ):
        cut = cut_spans(marked(text))
        links = [(unit, unit) for unit in range(len(UNIT.findall(cut.text)))]
        assert place_spans(cut, cut.text, links) == marked(text)


def test_what_is_nested_too_deeply_is_copied() -> None:
    count = 20 * DEEPEST
    text = "a " + "<b>x " * count + "</b>" * count
    found = place_spans(cut_spans(marked(text)), "y", [(0, 0)])
    assert found.text.count("<b>") == found.text.count("</b>") == count


def test_hidden_parts_are_copied_but_are_no_marks() -> None:
    source = marked("a \u2665 %s b")
    cut = cut_spans(source, [Mark(2, 3, Kind.ALONE)])
    found = place_spans(cut, "A B", STRAIGHT)
    assert (found, cut.text) == (marked("A \u2665 %s B"), "a b")


TEXTS = [
    "sun <b>moon star</b> rain",
    "%s: sun, moon (%s)",
    "<b>sun <i>moon</i></b> <i>star</i> {count} rain.",
    "sun<br/>moon",
    "moon</b> star <i>rain",
    "su<b>n</b> moon",
]


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> TrainedModel:
    return load_model(tiny_run, "cpu")


def translate(
    model: TrainedModel,
    texts: Sequence[str],
    notify: Callable[[str], None] = lambda _: None,
    *,
    n_best: int = 3,
    glossary: Sequence[Term] = (),
    prefix: str = "",
    **settings: Any,
) -> list[Translation]:
    changed = replace(model.recipe.decode, **settings)
    translator = Translator(model, changed, notify, OutputOptions(n_best=n_best), glossary=glossary)
    requests = [Request(source.text, prefix, source.marks) for source in map(marked, texts)]
    return [translation for chunk in translator.chunks([requests]) for translation in chunk]


@pytest.mark.parametrize("odd_input", ["repair", "as_is"])
def test_each_candidate_has_each_mark_once(model: TrainedModel, odd_input: str) -> None:
    for text, found in zip(TEXTS, translate(model, TEXTS, odd_input=odd_input), strict=True):
        assert len(found.candidates) == 3
        for candidate in found.candidates:
            assert Marked(candidate.text, candidate.marks) == marked(candidate.text)
            assert sorted(marked(candidate.text).mark_texts()) == sorted(marked(text).mark_texts())


def test_unknown_words_are_copied_beside_marks_and_all_where_there_is_no_word(
    model: TrainedModel,
) -> None:
    notes: list[str] = []
    texts = ["sun \u2665 <b>moon \u0416\u0416</b> www.sun.org", "sun %s \u0416\u0416.", "%s \u0416"]
    for text, found in zip(texts, translate(model, texts, notes.append), strict=True):
        for candidate in found.candidates:
            assert Marked(candidate.text, candidate.marks) == marked(candidate.text)
            for symbol in ("\u2665", "\u0416\u0416", "www.sun.org"):
                assert candidate.text.count(symbol) == text.count(symbol)
    assert any("copied to the translations" in note for note in notes)
    texts = ["%s", "<b>%s</b>: {count} ", "<br/>  5", "%s" * (MOST_MARKS + 1) + " sun"]
    for text, found in zip(texts, translate(model, texts), strict=True):
        (only,) = found.candidates
        assert Marked(only.text, only.marks) == marked(text)


def test_capitals_are_read_in_lower_case_and_marks_stay() -> None:
    """A placeholder is no text, so that its letters stay as they are."""
    text = [*["the quick brown fox", "The dog"] * 9, " ".join(string.ascii_uppercase)]
    subwords = learn_subwords(text, TokenizerSettings(90))
    segment = cut_segment(marked("THE <b>QUICK</b> %s FOX"))
    found = odd_segment(segment.text, subwords.encode([segment.text])[0], subwords, segment)
    assert found
    assert (found.text, found.is_capitals) == ("The quick fox", True)


def test_the_model_reads_the_text_without_marks(model: TrainedModel) -> None:
    """Words and scores are those of the text without marks; its neighbours are as always."""
    (plain,) = translate(model, ["sun moon star rain"])
    found = translate(model, ["sun <b>moon star</b> rain", "sun moon star rain"])
    for own, other in zip(found[0].candidates, plain.candidates, strict=True):
        assert Marked(own.text, own.marks).without_marks().split() == other.text.split()
        assert own.score == pytest.approx(other.score, rel=1e-5)
    assert found[1].candidates[0].text == plain.text
    assert found[1].candidates[0].marks == ()


def test_long_segments_prefixes_and_terms(model: TrainedModel) -> None:
    long = " ".join(["sun <b>moon</b>"] * 20)
    notes: list[str] = []
    (found,) = translate(model, [long], notes.append, max_segment_tokens=12)
    assert sorted(marked(found.text).mark_texts()) == sorted(marked(long).mark_texts())
    assert any("translated in" in note for note in notes)
    (found,) = translate(model, ["sun <b>moon</b>"], prefix="STAR LEAF")
    without = Marked(found.text, found.candidates[0].marks).without_marks()
    assert without.startswith("STAR LEAF")
    entries = [Term("moon", ("TREE",), "glossary:1")]
    (found,) = translate(model, ["sun <b>moon</b>"], glossary=entries)
    assert "TREE" in found.text


def test_alignments_are_refused(model: TrainedModel) -> None:
    translator = Translator(
        model, model.recipe.decode, lambda _: None, OutputOptions(alignments=True)
    )
    source = marked("sun <b>moon</b>")
    with pytest.raises(UsageError, match="alignments"):
        next(translator.chunks([[Request(source.text, "", source.marks)]]))
