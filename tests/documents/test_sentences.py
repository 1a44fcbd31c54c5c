"""Sentences: no character and no mark is lost, and spaces between them are those of the target."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.documents.sentences import split
from nmt.errors import NmtError
from tests.documents.documents import QUICK, marked

PIECES = [*"aB5 .。!?\n“”()é😀你\u00a0\u3000", "Hello. ", "Dr. ", "e.g. ", "\n\n", "\ud800"]
TAGS = {"<b>": Kind.OPEN, "</b>": Kind.CLOSE, "%s": Kind.ALONE, "<br>": Kind.ALONE}
parts = st.one_of(st.sampled_from(PIECES), st.sampled_from([*TAGS]))


def texts(source: Marked, language: str = "en") -> list[str]:
    return [sentence.text for sentence in split(source, language).sentences]


def test_sentences_end_at_marks_but_not_after_abbreviations() -> None:
    text = "Ask Dr. Smith, e.g. today.  Then go! Is it 3.14? Yes."
    expected = ["Ask Dr. Smith, e.g. today.", "Then go!", "Is it 3.14?", "Yes."]
    assert texts(Marked(text)) == texts(Marked(text), "en-US") == expected
    german = texts(Marked("Das ist z. B. der 3. Oktober. Gut."), "de")
    assert german == ["Das ist z. B. der 3. Oktober.", "Gut."]
    # An unknown language has the rules of English.
    unknown = texts(Marked("Ask Dr. Smith. 你好。世界！"), "")
    assert unknown == ["Ask Dr. Smith.", "你好。", "世界！"]


@pytest.mark.parametrize("sentence", ["你好。", "It is Dr. Smith. ", "a" * 9_999 + ". "])
def test_a_long_paragraph_has_the_sentences_of_its_parts(sentence: str) -> None:
    count = 30_000 // len(sentence)
    assert texts(Marked(sentence * count)) == [sentence.strip()] * count


def test_tags_stay_with_their_sentences() -> None:
    text = marked("<b>Stop.</b> <b>Look</b> at it.", TAGS)
    assert texts(text) == ["<b>Stop.</b>", "<b>Look</b> at it."]
    kinds = [[mark.kind for mark in part.marks] for part in split(text, "en").sentences]
    assert kinds == [[Kind.OPEN, Kind.CLOSE]] * 2
    # A pair over two sentences is a lone mark in each.
    text = marked("One <b>two. Three</b> four.", TAGS)
    found = split(text, "en")
    assert [[mark.kind for mark in part.marks] for part in found.sentences] == [[Kind.ALONE]] * 2
    assert found.join(found.sentences, "en", "de") == text


def test_other_marks_are_words_numbers_or_line_breaks() -> None:
    assert texts(marked("Copy %s. %s is new.", TAGS)) == ["Copy %s.", "%s is new."]
    text = Marked("Am 3. Oktober geht es los.", (Mark(3, 4),))
    assert texts(text, "de") == [text.text]
    found = split(marked("It ends.<br>It goes on.", TAGS), "en")
    assert [sentence.text for sentence in found.sentences] == ["It ends.", "It goes on."]
    assert found.gaps[1] == Marked("<br>", (Mark(0, 4),))


def test_one_segment_is_one_sentence_and_sentences_without_words_are_none() -> None:
    found = split(Marked(" One. Two. "), "en", is_one=True)
    assert [sentence.text for sentence in found.sentences] == ["One. Two."]
    found = split(Marked("1. Open it. 2. Close it."), "en")
    assert [sentence.text for sentence in found.sentences] == ["Open it.", "Close it."]
    translations = [Marked("Öffnen."), Marked("Schließen.")]
    assert found.join(translations, "en", "de").text == "1. Öffnen. 2. Schließen."
    assert split(marked("%s. 12.", TAGS), "en").sentences == []


@pytest.mark.parametrize(
    ("source", "target", "text", "translation"),
    [
        ("en", "de", "One.  Two.", "A.  B."),
        ("en", "zh", " One. Two.\n", " A.B.\n"),
        ("en", "zh-Hant", "One. Two.", "A.B."),
        ("en", "th", "One. Two.", "A. B."),  # Thai has no other end of a sentence than a space
        ("zh", "en", "你好。世界。", "A. B."),
        ("en", "ja", "One.\n\nTwo.", "A.\n\nB."),
    ],
)
def test_spaces_are_those_of_the_target(
    source: str, target: str, text: str, translation: str
) -> None:
    found = split(Marked(text), source)
    assert found.join([Marked("A."), Marked("B.")], source, target).text == translation


def test_what_the_library_cannot_read_is_read_with_plain_spaces() -> None:
    text = "\u00e9XxXx\u3000!\xa0\u201d\xa0B\xa0.Xx"
    assert split(Marked(text), "de").join([Marked("A."), Marked("B.")], "de", "de").text


@QUICK
@given(st.lists(parts, max_size=20).map("".join), st.sampled_from(["en", "de", "zh", "ja", ""]))
def test_split_and_join_is_the_identity(text: str, language: str) -> None:
    source = marked(text, TAGS)
    found = split(source, language)
    assert found.join(found.sentences, language, language) == source
    pairs = zip(found.gaps, [*found.texts, Marked("")], strict=True)
    assert joined([part for pair in pairs for part in pair]) == source


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencex", None)
    with pytest.raises(NmtError, match=r"sentencex: pip install 'attention-nmt\[files\]'"):
        split(Marked("One. Two."), "en")
