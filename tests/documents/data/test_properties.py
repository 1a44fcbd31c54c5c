"""Resource bundles of Java: values are translated; keys, comments, escapes and layout stay."""

import pytest

from nmt.decoding.translator.marked import Marked
from nmt.documents.data.properties import read
from nmt.documents.document import DEFAULTS, Document
from nmt.errors import NmtError

BUNDLE = rb"""# A comment = no text
! Another one
menu.open=Open the file
menu\ save : Save it\
    , please \u00fc
  empty =
files {0}
files.count = {0} files aren''t '{'here'}'
url=https://example.com/a
hard = It's a \
  wrapped line \
  of some words
\u006bey	Tab \t and \\ and \: \
end
plain"""


def texts(document: Document) -> list[str]:
    return [each.source.text for each in document.segments]


def one(content: str, translation: Marked | str, codec: str = "utf-8") -> str:
    document = read(content.encode(codec), DEFAULTS)
    new = Marked(translation) if isinstance(translation, str) else translation
    return document.join([new] * len(document.segments)).content.decode(codec)


def test_values_are_segments() -> None:
    document = read(BUNDLE, DEFAULTS)
    assert texts(document) == [
        "Open the file",
        "Save it, please ü",
        "{0} files aren't '{'here'}'",
        "It's a wrapped line of some words",
        "Tab \t and \\ and : end",
    ]
    assert document.segments[2].source.mark_texts() == ["'{'", "'}'"]
    assert [each.place for each in document.segments][1:3] == ["line 4", "line 8"]
    assert [each.context for each in document.segments][:2] == ["menu.open", "menu save"]


@pytest.mark.parametrize(
    "content",
    [
        BUNDLE,
        BUNDLE.replace(b"\n", b"\r\n"),
        BUNDLE.replace(b"\n", b"\r"),
        "a = Größe des Texts\n".encode("latin-1"),
        b"\xef\xbb\xbfa = Some text\\",
        b"",
    ],
    ids=["lf", "crlf", "cr", "latin-1", "mark", "empty"],
)
def test_a_translation_equal_to_its_source_changes_no_byte(content: bytes) -> None:
    document = read(content, DEFAULTS)
    assert document.join([each.source for each in document.segments]).content == content
    assert document.join([None] * len(document.segments)).content == content


@pytest.mark.parametrize(
    ("source", "translation", "written"),
    [
        ("a = Some text", "Größe 😀", "a = Gr\\u00f6\\u00dfe \\ud83d\\ude00"),
        ("a = Some text \\u00FC", "ö ü", "a = \\u00F6 \\u00FC"),
        ("a = Some ü text", "Größe 😀", "a = Größe 😀"),
        ("a = Some text", " a\\b\n\tc", "a = \\ a\\\\b\\n\\tc"),
        ("a = Some text", "it's", "a = it's"),
        ("a = Some {0} text", "it's {0}", "a = it''s {0}"),
        ("a = Isn''t it\nb = Some text", "it's", "a = it''s\nb = it''s"),
        ("a: some words \\\n   and more", "eins zwei drei vier", "a: eins zwei \\\n   drei vier"),
    ],
    ids=["ascii", "upper", "utf-8", "escapes", "plain", "pattern", "doubled", "continued"],
)
def test_values_are_written_as_in_the_file(source: str, translation: str, written: str) -> None:
    assert one(source, translation) == written


def test_latin_1_escapes_what_it_lacks() -> None:
    assert one("a = Größe des Texts", "Größe €", "latin-1") == "a = Größe \\u20ac"


def test_what_is_quoted_in_a_pattern_stays() -> None:
    content = "a = Isn''t '{'0'}' {0}"
    (segment,) = read(content.encode(), DEFAULTS).segments
    assert segment.source.text == "Isn't '{'0'}' {0}"
    marks = tuple(each.moved(3) for each in segment.source.marks)
    assert one(content, Marked("x' " + segment.source.text, marks)) == (
        "a = x'' Isn''t '{'0'}' {0}"
    )


def test_bad_escapes_are_refused() -> None:
    with pytest.raises(NmtError, match=r"line 2: \\u needs four hexadecimal digits"):
        read(b"a = b\nc = \\u12g4", DEFAULTS)
    assert texts(read(b"a = some \\\\user text", DEFAULTS)) == ["some \\user text"]
    with pytest.raises(NmtError, match="line 2: there is a NUL"):
        read(b"a = b\nc = \0", DEFAULTS)
