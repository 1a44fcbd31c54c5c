"""TMX: units get a text in the target language, and every other byte stays."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.document import Options
from nmt.documents.messages.tmx import Unit, read, read_units, write_units
from nmt.errors import NmtError
from tests.documents.documents import QUICK, filled, marked, texts
from tests.documents.samples import SAMPLES

FIRST = 'Open <bpt i="1">&lt;b&gt;</bpt>files<ept i="1">&lt;/b&gt;</ept> & <hi>more</hi><ph x="1"/>'
FIRST_XML = FIRST.replace(" & ", " &amp; ")
MEMORY = (SAMPLES / "memory.tmx").read_bytes()
GERMAN = Options("en", "de")


def test_units_without_the_target_language_are_segments() -> None:
    document = read(MEMORY, GERMAN)
    assert texts(document) == [FIRST, "Save"]
    found = [(segment.place, segment.context) for segment in document.segments]
    assert found == [("line 8", "t1"), ("line 12", "menu")]
    kinds = [mark.kind for mark in document.segments[0].source.marks]
    assert kinds == [Kind.OPEN, Kind.CLOSE, Kind.OPEN, Kind.CLOSE, Kind.ALONE]
    everything = read(MEMORY, Options("en", "de", translates_all=True))
    assert texts(everything) == [FIRST, "Save", "Close"]
    assert texts(read(MEMORY, Options("fr", "de"))) == ["Ouvrir", "Seul"]
    # The source language is that of the file unless it is given.
    assert texts(read(MEMORY, Options("", "fr"))) == ["Save", "Close"]
    # If the file does not state one, it is the first beside the target language.
    no_source = MEMORY.replace(b'srclang="en-US"', b'srclang="*all*"')
    everything = read(no_source, Options("", "en", translates_all=True))
    assert texts(everything) == ["Ouvrir", "Schließen", "Seul"]


def test_new_texts_stand_after_the_others() -> None:
    new = {FIRST: FIRST.replace("Open", "A <x>"), "Save": "Sichern"}
    made = filled(read(MEMORY, GERMAN), new).content.decode().splitlines()
    old = MEMORY.decode().splitlines()
    assert [line.strip() for line in made if line not in old] == [
        f'<tuv xml:lang="de"><seg>{FIRST_XML.replace("Open", "A &lt;x&gt;")}</seg></tuv>',
        '<tuv xml:lang="de-AT"><seg>Sichern</seg></tuv>',
    ]
    empty = '      <tuv xml:lang="de-AT"><seg></seg></tuv>'
    assert [line for line in old if line not in made] == [empty]


OTHERS = (SAMPLES / "others.tmx").read_bytes().decode()
TAGS = {"<b>": Kind.OPEN, "</b>": Kind.CLOSE, "%s": Kind.ALONE}
plain_texts = st.lists(st.sampled_from([*"a&<\n ]\u2028", *TAGS]), max_size=8).map("".join)
marked_texts = plain_texts.map(lambda text: marked(text + "x", TAGS))


def test_units_of_other_programs() -> None:
    paths = [SAMPLES / "others.tmx"]
    (unit,) = read_units(paths, "en", "de")
    assert unit.context == "menu"
    assert unit.source.text == "Open <b>a</b>\n{ph2}"
    assert [mark.kind for mark in unit.source.marks] == [Kind.OPEN, Kind.CLOSE, Kind.ALONE]
    assert unit.target == Marked("Öffne <i>", (Mark(6, 9, Kind.OPEN),))
    # Languages match by their first part.
    assert [found.target.text for found in read_units(paths, "en-GB", "de_AT")] == [
        "österreichisch"
    ]
    assert [found.target.text for found in read_units(paths, "en", "fr")] == ["Non"]
    assert [found.source.text for found in read_units(paths, "", "fr")] == ["No German"]
    assert [*read_units(paths, "en", "ja")] == []


BOMB = '<!DOCTYPE tmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><tmx><body>&b;</body></tmx>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<html/>", "line 1: the root is <html>, but that of TMX is <tmx>"),
        ("<tmx>\n<tu>", "line 2: the XML is not well-formed"),
        (BOMB, "line 1: the entity a is not allowed"),
        ("<tmx>" * 101, "nested more than 100 deep"),
        ('<?xml version="1.0" encoding="nothing"?><tmx/>', "encoding"),
    ],
    ids=["html", "open", "bomb", "deep", "encoding"],
)
def test_what_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text(content)
    with pytest.raises(NmtError, match=message) as raised:
        [*read_units([path], "en", "de")]
    assert str(raised.value).startswith(str(path))
    path.unlink()
    with pytest.raises(NmtError, match=r"translation memory .*memory\.tmx does not exist; check"):
        [*read_units([path], "en", "de")]


@QUICK
@given(st.lists(st.builds(Unit, marked_texts, marked_texts, plain_texts, plain_texts), max_size=4))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, units: list[Unit]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.tmx"
    path.unlink(missing_ok=True)
    write_units(path, units, "en", "de")
    assert [*read_units([path], "en", "de")] == units


def test_marks_are_tied_to_each_other(tmp_path: Path) -> None:
    path = tmp_path / "new.tmx"
    unit = Unit(marked("<b>a</b> %s", TAGS), marked("%s <b>b</b>", TAGS), "key", "memory 99 %")
    write_units(path, [unit, Unit(Marked("\x01"), Marked("x"))], "en", "de")
    text = path.read_text()
    assert '<seg><bpt i="1" x="1">&lt;b&gt;</bpt>a<ept i="1">' in text
    assert '<seg><ph x="3">%s</ph> <bpt i="2" x="1">' in text
    assert "<note>memory 99 %</note>" in text
    assert text.count("<tu>") == 1
