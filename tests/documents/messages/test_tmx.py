"""TMX: units get a text in the target language, and every other byte stays."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.document import Options
from nmt.documents.messages.tmx import Unit, read, read_units, write_units
from nmt.documents.xml.tree import read_xml
from nmt.errors import NmtError
from tests.documents.filling import filled, shouted
from tests.documents.marked_texts import marked

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


OTHERS = """<?xml version="1.0"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en-US" segtype="sentence"/><body>
<tu tuid="1"><prop type="x-context">menu</prop>
  <tuv xml:lang="EN-US"><seg>Open <bpt i="1" x="1">&lt;b&gt;</bpt>a<ept i="1">&lt;/b&gt;</ept>
<ph x="2"/></seg></tuv>
  <tuv xml:lang="de-AT"><seg>österreichisch</seg></tuv>
  <tuv xml:lang="de"><seg><hi>Öffne</hi> <it pos="begin">&lt;i&gt;</it></seg></tuv>
</tu>
<tu><tuv lang="en"><seg>No German</seg></tuv><tuv lang="fr"><seg>Non</seg></tuv></tu>
<tu><tuv lang="de"><seg>Leer</seg></tuv><tuv lang="en"><seg> </seg></tuv></tu>
</body></tmx>
"""
TAGS = {"<b>": Kind.OPEN, "</b>": Kind.CLOSE, "%s": Kind.ALONE}
texts = st.lists(st.sampled_from([*"a&<\n ]\u2028", *TAGS]), max_size=8).map("".join)
marked_texts = texts.map(lambda text: marked(text + "x", TAGS))


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "memory.tmx"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_units_of_other_programs(tmp_path: Path) -> None:
    path = written(tmp_path, OTHERS)
    (unit,) = read_units(path, "en", "de")
    assert unit.context == "menu"
    assert unit.source.text == "Open <b>a</b>\n{ph2}"
    assert [each.kind for each in unit.source.marks] == [Kind.OPEN, Kind.CLOSE, Kind.ALONE]
    assert unit.target == Marked("Öffne <i>", (Mark(6, 9, Kind.OPEN),))


def test_languages_match_by_their_first_part(tmp_path: Path) -> None:
    path = written(tmp_path, OTHERS)
    assert [each.target.text for each in read_units(path, "en-GB", "de_AT")] == ["österreichisch"]
    assert [each.target.text for each in read_units(path, "en", "fr")] == ["Non"]
    assert [each.source.text for each in read_units(path, "", "fr")] == ["No German"]
    assert [*read_units(path, "en", "ja")] == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    text = OTHERS.replace('"1.0"', f'"1.0" encoding="{declared}"')
    path = written(tmp_path, text.encode(encoding))
    assert next(read_units(path, "en", "de")).target.text == "Öffne <i>"


BOMB = '<!DOCTYPE tmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><tmx><body>&b;</body></tmx>'
OUTER = '<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]><tmx>&a;</tmx>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<html/>", "line 1: the root is <html>, but that of TMX is <tmx>"),
        ("<tmx>\n<tu>", "line 2: the XML is not well-formed"),
        (BOMB, "line 1: the entity a is not allowed"),
        (OUTER, "line 1: the entity a is not allowed"),
        ("<tmx>" * 101, "nested more than 100 deep"),
        ("<tmx><tu>" + "a" * 4_000_000, "more than 2,000,000 bytes"),
        ('<?xml version="1.0" encoding="nothing"?><tmx/>', "encoding"),
    ],
    ids=["html", "open", "bomb", "outer", "deep", "long", "encoding"],
)
def test_what_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(NmtError, match=message) as raised:
        [*read_units(path, "en", "de")]
    assert str(raised.value).startswith(f"{path}: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"none\.tmx cannot be read"):
        [*read_units(tmp_path / "none.tmx", "en", "de")]


@settings(max_examples=40)
@given(st.lists(st.builds(Unit, marked_texts, marked_texts, texts, texts), max_size=4))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, units: list[Unit]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.tmx"
    path.unlink(missing_ok=True)
    write_units(path, units, "en", "de")
    assert [*read_units(path, "en", "de")] == units


def test_marks_are_tied_to_each_other(tmp_path: Path) -> None:
    path = tmp_path / "new.tmx"
    unit = Unit(marked("<b>a</b> %s", TAGS), marked("%s <b>b</b>", TAGS), "key", "memory 99 %")
    write_units(path, [unit, Unit(Marked("\x01"), Marked("x"))], "en", "de")
    text = path.read_text()
    assert '<seg><bpt i="1" x="1">&lt;b&gt;</bpt>a<ept i="1">' in text
    assert '<seg><ph x="3">%s</ph> <bpt i="2" x="1">' in text
    assert "<note>memory 99 %</note>" in text
    assert text.count("<tu>") == 1
