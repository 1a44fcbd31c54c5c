"""Files of Qt Linguist: unfinished messages get translations that stay unfinished."""

from nmt.documents.document import Options
from nmt.documents.messages.qt import read
from nmt.documents.xml.tree import read_xml
from tests.documents.documents import filled, texts
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
    assert texts(document) == list(TEXTS)
    first = document.segments[0]
    assert (first.place, first.context) == ("line 8", "MainWindow\na menu")
    assert document.segments[2].source.mark_texts() == ['<byte value="x9"/>']
    assert {segment.syntax for segment in document.segments} == {frozenset({"qt", "tags"})}
    everything = texts(read(EDITOR, Options("en", "de", translates_all=True)))
    assert "Close" in everything
    assert "Gone" not in everything


def test_translations_are_filled_in_and_stay_unfinished() -> None:
    made = filled(read(EDITOR, GERMAN), TEXTS).content.decode()
    old = EDITOR.decode().splitlines()
    assert [line.strip() for line in made.splitlines() if line not in old] == [
        '<TS language="de" version="2.1">',
        '<translation type="unfinished">»%1« &amp;öffnen …</translation>',
        "<numerusform>%n Datei(en) gefunden</numerusform>",
        "<numerusform>%n Datei(en) gefunden</numerusform>",
        '<translation type="unfinished">Zeile<byte value="x9"/>Spalte',
        "Zweite Zeile</translation>",
    ]
    assert read_xml(made.encode()).root.name == "TS"
    assert "gefunden</numerusform>\n        </translation>" in made


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
    (finding,) = filled(read(content, GERMAN), TEXTS).findings
    assert finding.message == "the file is for French, but the translations are in German"
