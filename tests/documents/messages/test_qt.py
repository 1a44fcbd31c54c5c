"""Files of Qt Linguist: unfinished messages get translations that stay unfinished."""

import pytest

from nmt.documents.document import DEFAULTS, Options
from nmt.documents.messages.qt import read
from nmt.documents.xml.tree import read_xml
from nmt.errors import NmtError
from tests.documents.filling import filled
from tests.documents.samples import SAMPLES

EDITOR = (SAMPLES / "editor.ts").read_bytes()
GERMAN = Options("en", "de")
TEXTS = {
    'Open "%1"…': "»%1« öffnen …",
    "%n file(s) found": "%n Datei(en) gefunden",
    'Line<byte value="x9"/>column': 'Zeile<byte value="x9"/>Spalte',
    "Second line": "Zweite Zeile",
}


def test_unfinished_messages_are_segments() -> None:
    document = read(EDITOR, GERMAN)
    assert [each.source.text for each in document.segments] == list(TEXTS)
    first = document.segments[0]
    assert (first.place, first.context) == ("line 8", "MainWindow\na menu")
    assert document.segments[2].source.mark_texts() == ['<byte value="x9"/>']
    assert {each.syntax for each in document.segments} == {frozenset({"qt", "tags"})}
    everything = read(EDITOR, Options("en", "de", translates_all=True))
    texts = [each.source.text for each in everything.segments]
    assert "Close" in texts
    assert "Gone" not in texts


@pytest.mark.parametrize("translates_all", [False, True], ids=["new", "all"])
def test_without_translations_no_byte_changes(translates_all: bool) -> None:
    utf_16 = EDITOR.decode().replace("utf-8", "utf-16").encode("utf-16")
    for each in (EDITOR, EDITOR.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + EDITOR, utf_16):
        document = read(each, Options("en", "de", translates_all=translates_all))
        assert document.join([None] * len(document.segments)).content == each


def test_translations_are_filled_in_and_stay_unfinished() -> None:
    made = filled(read(EDITOR, GERMAN), TEXTS).content.decode()
    old = EDITOR.decode().splitlines()
    assert [each.strip() for each in made.splitlines() if each not in old] == [
        '<TS language="de" version="2.1">',
        '<translation type="unfinished">»%1« &amp;öffnen …</translation>',
        "<numerusform>%n Datei(en) gefunden</numerusform>",
        "<numerusform>%n Datei(en) gefunden</numerusform>",
        '<translation type="unfinished">Zeile<byte value="x9"/>Spalte',
        "Zweite Zeile</translation>",
    ]
    assert read_xml(made.encode()).root.name == "TS"
    assert "gefunden</numerusform>\n        </translation>" in made


@pytest.mark.parametrize(
    ("language", "count"), [("ja", 1), ("pl", 3), ("ar", 6), ("hu", 1)], ids=str
)
def test_forms_are_those_of_the_language(language: str, count: int) -> None:
    joined = filled(read(EDITOR, Options("en", language)), {"%n file(s) found": "%n x"})
    assert joined.content.count(b"<numerusform>%n x</numerusform>") == count


def test_a_finished_translation_is_unfinished_again() -> None:
    document = read(EDITOR, Options("en", "de", translates_all=True))
    made = filled(document, {"Close": "Zu"}).content.decode()
    assert '<translation type="unfinished">Zu</translation>' in made


def test_a_message_without_translation_gets_one() -> None:
    content = (
        b"<!DOCTYPE TS []>\n<TS language='de'><context><name>A</name><message>\n"
        b" <source>It's on</source>\n</message></context></TS>"
    )
    made = filled(read(content, GERMAN), {"It's on": "'s geht"}).content
    assert b'</source>\n <translation type="unfinished">&apos;s geht</translation>\n<' in made


def test_a_file_for_another_language_is_reported() -> None:
    content = EDITOR.replace(b'version="2.1"', b'version="2.1" language="fr_FR"')
    joined = filled(read(content, GERMAN), TEXTS)
    assert [each.message for each in joined.findings] == [
        "the file is for French, but the translations are in German"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"export const a = 1;\n", "this is not a file of Qt Linguist, because it is not XML"),
        (b"G@\x00\x10" * 50, "this is not a file of Qt Linguist, because it is not XML"),
        (b"", "this is not a file of Qt Linguist, because it is not XML"),
        (b"<html></html>", "line 1: the root is <html>"),
        (b"<TS><context>", "line 1: the XML is not well-formed"),
        (b'<!DOCTYPE TS [<!ENTITY a "b">]><TS/>', "line 1: the DOCTYPE has declarations"),
    ],
    ids=["typescript", "video", "empty", "html", "cut", "entity"],
)
def test_other_files_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(NmtError) as caught:
        read(content, DEFAULTS)
    assert str(caught.value).startswith(message)
