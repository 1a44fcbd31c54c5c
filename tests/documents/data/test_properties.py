"""Resource bundles of Java: values are translated; keys, comments, escapes and layout stay."""

import pytest

from nmt.decoding.translator.marked import Marked
from nmt.documents.data.properties import read
from nmt.documents.document import Options
from tests.documents.documents import places, texts
from tests.documents.samples import SAMPLES

BUNDLE = (SAMPLES / "bundle.properties").read_bytes()


def one(content: str, translation: Marked | str, codec: str = "utf-8") -> str:
    document = read(content.encode(codec), Options())
    new = Marked(translation) if isinstance(translation, str) else translation
    return document.join([new] * len(document.segments)).content.decode(codec)


def test_values_are_segments() -> None:
    document = read(BUNDLE, Options())
    assert texts(document) == [
        "Open the file",
        "Save it, please ü",
        "{0} files aren't '{'here'}'",
        "It's a wrapped line of some words",
        "Tab \t and \\ and : end",
    ]
    assert document.segments[2].source.mark_texts() == ["'{'", "'}'"]
    assert places(document)[1:3] == ["line 4", "line 8"]
    assert [segment.context for segment in document.segments][:2] == ["menu.open", "menu save"]
    assert texts(read(b"a = some \\\\user text", Options())) == ["some \\user text"]


@pytest.mark.parametrize(
    ("source", "translation", "written"),
    [
        ("a = Some text", "Größe 😀", "a = Gr\\u00f6\\u00dfe \\ud83d\\ude00"),
        ("a = Some text \\u00FC", "ö ü", "a = \\u00F6 \\u00FC"),
        ("a = Some ü text", "Größe 😀", "a = Größe 😀"),
        ("a = Some text", " a\\b\n\tc", "a = \\ a\\\\b\\n\\tc"),
        ("a = Some {0} text", "it's {0}", "a = it''s {0}"),
        ("a = Isn''t it\nb = Some text", "it's", "a = it''s\nb = it''s"),
        ("a: some words \\\n   and more", "eins zwei drei vier", "a: eins zwei \\\n   drei vier"),
    ],
)
def test_values_are_written_as_in_the_file(source: str, translation: str, written: str) -> None:
    assert one(source, translation) == written
    # Latin-1 escapes what it lacks.
    assert one("a = Größe des Texts", "Größe €", "latin-1") == "a = Größe \\u20ac"


def test_what_is_quoted_in_a_pattern_stays() -> None:
    content = "a = Isn''t '{'0'}' {0}"
    (segment,) = read(content.encode(), Options()).segments
    assert segment.source.text == "Isn't '{'0'}' {0}"
    marks = tuple(mark.moved(3) for mark in segment.source.marks)
    new = Marked("x' " + segment.source.text, marks)
    assert one(content, new) == "a = x'' Isn''t '{'0'}' {0}"
