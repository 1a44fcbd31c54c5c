"""Files of translators: any content is a document that keeps its bytes, or an error."""

from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Edit, Marked
from nmt.documents.bitext import READERS, Tally, texts_of
from nmt.documents.document import Options, Segment
from nmt.documents.memory import Memory
from nmt.documents.messages import po, qt, tmx, xliff
from nmt.documents.messages.tmx import unit_of
from nmt.documents.xml.tree import Element, read_xml
from nmt.documents.xml.units import Units
from tests.documents.messages.test_po import MENU, TEMPLATE
from tests.documents.messages.test_qt import EDITOR
from tests.documents.messages.test_tmx import MEMORY, OTHERS
from tests.documents.messages.test_xliff import NEW, OLD
from tests.fuzz import fuzz, value_or_error
from tests.fuzz.documents import check, first, spoiled

pytestmark = pytest.mark.slow

ALL = Options("en", "ru", translates_all=True)
XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE a SYSTEM "a.dtd"><a xmlns="u" xmlns:v="w"'
    " v:x='&lt;1' b=\">2\"><b/>ä &amp; x\r\n<b></b ><![CDATA[u]]v]]><v:c>y</v:c><!-- c --><?p i?>"
    "z&nbsp;&#65;</a>\n<!-- x -->"
)
PIECES = [
    *("<a>", "</a>", "<b/>", "<v:b xmlns:v='w'>", "</v:b>", "<a b='c' d=\">\">", "x", "ä", " "),
    *("&amp;", "&#65;", "&lt;", "&x;", "<![CDATA[", "]]>", "<!--", "-->", "<?p ", "?>", "\r\n"),
    *("<!DOCTYPE a>", "<!DOCTYPE a [<!ENTITY x 'y'>]>", "<?xml version='1.0'?>", "<", ">", "'"),
]


def positions(element: Element) -> None:
    """Check that the parts of an element are in order and within it."""
    end = element.inner_begin
    assert element.begin < end <= element.inner_end <= element.end
    for child in element.children:
        assert child.begin == end
        end = child.end
        if isinstance(child, Element):
            positions(child)
    assert end == element.inner_end


@fuzz
@given(
    st.one_of(spoiled(XML.encode()), st.lists(st.sampled_from(PIECES)).map("".join).map(str.encode))
)
def test_any_xml_is_read_as_another_parser_reads_it(content: bytes) -> None:
    xml = value_or_error(lambda: read_xml(content))
    if xml is None:
        return
    positions(xml.root)
    xml.add(Segment(Marked("x")))
    for element in xml.root.all():
        xml.follow(Edit(element.end, element.end, ""))
    assert xml.join([Marked("y")]).content == content
    if "&nbsp;" not in xml.source.decode() and xml.encoding.name == "utf-8":
        expected = "".join(ElementTree.fromstring(xml.source).itertext())
        assert xml.root.text() == expected


@given(content=spoiled(MENU, TEMPLATE))
@fuzz
def test_catalogues(content: bytes) -> None:
    document = check(po.read, content, ALL, is_bilingual=True)
    if document:  # what was written is a catalogue too
        made = document.join([first(each.source) for each in document.segments]).content
        assert len(po.read(made, ALL).segments) >= len(document.segments)


@given(content=spoiled(EDITOR))
@fuzz
def test_files_of_qt(content: bytes) -> None:
    document = check(qt.read, content, ALL, is_bilingual=True)
    if document:
        made = document.join([first(each.source) for each in document.segments]).content
        assert len(qt.read(made, ALL).segments) == len(document.segments)


@given(content=spoiled(OLD, NEW))
@fuzz
def test_xliff(content: bytes) -> None:
    document = check(xliff.read, content, ALL, is_bilingual=True)
    if document:
        made = document.join([first(each.source) for each in document.segments]).content
        assert len(xliff.read(made, ALL).segments) == len(document.segments)


@given(content=spoiled(MEMORY))
@fuzz
def test_memories(content: bytes) -> None:
    document = check(tmx.read, content, ALL, is_bilingual=True)
    if document:
        made = document.join([first(each.source) for each in document.segments]).content
        assert len(tmx.read(made, ALL).segments) == len(document.segments)


@pytest.mark.parametrize("ending", READERS)
@given(data=st.data())
@fuzz
def test_pairs_to_train_on(ending: str, data: st.DataObject) -> None:
    whole = {".tmx": [OTHERS.encode(), MEMORY], ".po": [MENU, TEMPLATE]}.get(ending, [OLD, NEW])
    content = data.draw(spoiled(*whole))
    reader, path = READERS[ending], Path(f"de{ending}")
    value_or_error(lambda: [*reader.stated(BytesIO(content), path)])
    tally = Tally()
    pairs = value_or_error(
        lambda: [
            pair
            for unit in reader.units(BytesIO(content), path)
            if not unit.problem
            for pair in texts_of(unit, ("en", "de"), tally)
        ]
    )
    for pair in pairs or ():
        assert not any("\n" in text or text != text.strip() for text in pair)


@given(content=spoiled(OTHERS.encode()), text=st.sampled_from(["Open <b>a</b> {ph2}", "a 1", ""]))
@fuzz
def test_memories_that_are_looked_up(content: bytes, text: str) -> None:
    nodes = value_or_error(lambda: Units("tmx", ("tu",)).parse(content, is_last=True)) or []
    units = [unit_of(node, "en", "de") for node in nodes]
    memory = Memory([each for each in units if each is not None], 0.5)
    value_or_error(lambda: memory.find(Marked(text)))
