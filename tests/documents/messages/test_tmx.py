"""TMX: units get a text in the target language, and every other byte stays."""

import pytest

from nmt.decoding.translator.marked import Kind
from nmt.documents.document import Options
from nmt.documents.messages.tmx import read
from nmt.documents.xml.tree import read_xml
from nmt.errors import NmtError
from tests.documents.filling import filled, shouted

TEMPLATE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4">
  <header creationtool="x" srclang="en-US" segtype="sentence" datatype="html"/>
  <body>
    <!-- new -->
    <tu tuid="t1">
      <tuv xml:lang="en-US"><seg>@</seg></tuv>
      <tuv xml:lang="fr"><seg>Ouvrir</seg></tuv>
    </tu>
    <tu><prop type="x-context">menu</prop>
      <tuv xml:lang="en"><seg>Save</seg></tuv>
      <tuv xml:lang="de-AT"><seg></seg></tuv>
    </tu>
    <tu><tuv xml:lang="en"><seg>Close</seg></tuv><tuv xml:lang="de"><seg>Schließen</seg></tuv></tu>
    <tu><tuv xml:lang="fr"><seg>Seul</seg></tuv></tu>
  </body>
</tmx>
"""
FIRST = 'Open <bpt i="1">&lt;b&gt;</bpt>files<ept i="1">&lt;/b&gt;</ept> & <hi>more</hi><ph x="1"/>'
FIRST_XML = FIRST.replace(" & ", " &amp; ")
MEMORY = TEMPLATE.replace("@", FIRST_XML).encode()
GERMAN = Options("en", "de")


def test_units_without_the_target_language_are_segments() -> None:
    document = read(MEMORY, GERMAN)
    assert [each.source.text for each in document.segments] == [FIRST, "Save"]
    assert [(each.place, each.context) for each in document.segments] == [
        ("line 8", "t1"),
        ("line 12", "menu"),
    ]
    kinds = [mark.kind for mark in document.segments[0].source.marks]
    assert kinds == [Kind.OPEN, Kind.CLOSE, Kind.OPEN, Kind.CLOSE, Kind.ALONE]
    everything = read(MEMORY, Options("en", "de", translates_all=True))
    assert [each.source.text for each in everything.segments] == [FIRST, "Save", "Close"]
    assert [each.source.text for each in read(MEMORY, Options("fr", "de")).segments] == [
        "Ouvrir",
        "Seul",
    ]


def test_the_source_language_may_be_that_of_the_file() -> None:
    document = read(MEMORY, Options("", "fr"))
    assert [each.source.text for each in document.segments] == ["Save", "Close"]


def test_without_translations_no_byte_changes() -> None:
    for content in (MEMORY, MEMORY.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + MEMORY):
        document = read(content, GERMAN)
        assert document.join([None] * len(document.segments)).content == content


def test_new_texts_stand_after_the_others() -> None:
    document = read(MEMORY, GERMAN)
    made = filled(
        document, {FIRST: FIRST.replace("Open", "A <x>"), "Save": "Sichern"}
    ).content.decode()
    old = MEMORY.decode().splitlines()
    new = [each for each in made.splitlines() if each not in old]
    assert new == [
        f'      <tuv xml:lang="de"><seg>{FIRST_XML.replace("Open", "A &lt;x&gt;")}</seg></tuv>',
        '      <tuv xml:lang="de-AT"><seg>Sichern</seg></tuv>',
    ]
    assert [each for each in old if each not in made.splitlines()] == [
        '      <tuv xml:lang="de-AT"><seg></seg></tuv>'
    ]


def test_what_was_written_needs_no_translation() -> None:
    made = shouted(read(MEMORY, GERMAN)).content
    assert list(read(made, GERMAN).segments) == []
    tags = [each.name for each in read_xml(made).root.all()]
    assert len(tags) == len([*read_xml(MEMORY).root.all()]) + 2 + 4  # a text with four codes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html/>", "line 1: the root is <html>, but that of TMX is <tmx>"),
        (b'<!DOCTYPE tmx [<!ENTITY a "b">]><tmx/>', "the DOCTYPE has declarations"),
        (b"<tmx>\n<tu></tmx>", "line 2: the XML is not well-formed"),
    ],
    ids=["root", "entity", "open"],
)
def test_what_is_no_memory(content: bytes, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read(content, GERMAN)
