"""OpenDocument: text of every kind is translated, and everything else stays."""

from io import BytesIO

import pytest
from odf import table, teletype, text
from odf.opendocument import load

from nmt.decoding.translator.marked import Mark, Marked
from nmt.documents.document import Document, Options
from nmt.documents.office.odt import read
from tests.documents.documents import (
    changed_by,
    headings,
    joined,
    members,
    texts,
    unchanged,
    zipped,
)
from tests.documents.samples import SAMPLES

OPTIONS = Options("en", "de-AT")
REPORT = (SAMPLES / "report.odt").read_bytes()  # as odfpy writes it
TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
NAMESPACES = (
    f'xmlns:text="{TEXT}" xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" '
    'xmlns:officeooo="http://openoffice.org/2009/office" '
    'xmlns:xlink="http://www.w3.org/1999/xlink"'
)


@pytest.fixture(scope="module")
def document() -> Document:
    return read(REPORT, OPTIONS)


def test_text_of_every_kind_is_a_segment(document: Document) -> None:
    assert texts(document) == [
        *("A long report", "The quick br<1>own</1> fox<2/> jumps.", "The note at the foot."),
        *("First point", "Second point", "A cell", "Beside a box.", "In a box."),
        *("Commented words", "A comment on it"),
    ]
    assert headings(document) == ["A long report"]
    assert document.segments[1].place == "content.xml, paragraph 2"


def test_the_translation_has_the_same_tree(document: Document) -> None:
    new = changed_by(document)
    before, after = load(BytesIO(REPORT)), load(BytesIO(new))
    for kind in (text.P, text.H, text.Span, text.Note, table.TableCell, text.ListItem):
        old, found = (
            [teletype.extractText(element) for element in whole.getElementsByType(kind)]
            for whole in (before, after)
        )
        assert [words.upper() for words in old] == found
    (span,) = after.getElementsByType(text.Span)
    assert span.getAttribute("stylename") == "T1"
    changed = {name for name in members(REPORT) if members(REPORT)[name] != members(new)[name]}
    assert changed == {"content.xml", "styles.xml"}
    assert new[30:38] == b"mimetype"
    assert b'fo:language="de" fo:country="AT"' in members(new)["styles.xml"]


def file_with(inner: str, styles: str = "") -> bytes:
    whole = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<office:document-content {NAMESPACES}>'
        f"<office:automatic-styles>{styles}</office:automatic-styles><office:body><office:text>"
        f"<text:p>{inner}</text:p></office:text></office:body></office:document-content>"
    )
    kind = b"application/vnd.oasis.opendocument.text"
    return zipped({"mimetype": kind, "content.xml": whole.encode()})


COLOUR = 'fo:color="#f00"'
LOOKS = {"T1": "", "T2": 'fo:language="en"', "B1": COLOUR, "B2": COLOUR}
STYLES = "".join(
    f'<style:style style:name="{name}" style:family="text"><style:text-properties {look}'
    f' officeooo:rsid="{number}"/></style:style>'
    for number, (name, look) in enumerate(LOOKS.items())
)
SPAN = '<text:span text:style-name="{}">{}</text:span>'.format
CHANGE = '<text:change-start text:change-id="1"/>very <text:change-end text:change-id="1"/>'


@pytest.mark.parametrize(
    ("inner", "source"),
    [
        (f"Hel{SPAN('T1', 'lo')}{SPAN('T2', ' you')}", "Hello you"),
        (f"A {SPAN('B1', 're')}{SPAN('B2', 'd')} one", "A <1>red</1> one"),
        (f"A {SPAN('B1', 'r' + SPAN('Strong', 'e') + 'd')} one", "A <1>r</1><2>e</2><3>d</3> one"),
        ('See <text:a xlink:href="x">it</text:a> there', "See <1>it</1> there"),
        ('<text:a xlink:href="x">All of it</text:a>', "All of it"),
        ("Two  \n\t spaces <text:s/>here", "Two spaces  here"),
        ('<text:s text:c="4"/>Code<text:tab/>12', "Code"),
        ('Wide<text:s text:c="999999999999"/>gap', "Wide<1/>gap"),
        ("One<text:line-break/>two<text:soft-page-break/> three", "One\ntwo three"),
        ("Page <text:page-number>1</text:page-number> of it", "Page <1/> of it"),
        (f"A {CHANGE}long day", "A <1/>very <2/>long day"),
        ('<text:bookmark text:name="x"/>A place', "A place"),
        ("<!-- x -->Some <![CDATA[<words>]]>", "Some <words>"),
    ],
)
def test_inline_structure(inner: str, source: str) -> None:
    content = file_with(inner, STYLES)
    document = read(content, OPTIONS)
    assert texts(document) == [source]
    assert unchanged(document) == content
    assert texts(read(changed_by(document), OPTIONS)) == [source.upper()]


def test_spaces_of_a_translation_are_kept() -> None:
    new = joined(read(file_with("Hello there"), OPTIONS), "a   b < c")
    assert b'<text:p>a <text:s text:c="2"/>b &lt; c</text:p>' in members(new)["content.xml"]


def test_what_is_around_a_link_stays_around_it() -> None:
    link = '<text:a xlink:href="x">{}</text:a>'.format
    document = read(file_with(f"<text:tab/>{link('All of it')} <text:s/>"), OPTIONS)
    new = members(joined(document, "Alles"))["content.xml"]
    assert f"<text:p><text:tab/>{link('Alles')} <text:s/></text:p>".encode() in new


def test_a_note_within_a_moved_mark_is_translated(document: Document) -> None:
    changes: list[Marked | None] = [None] * len(document.segments)
    changes[1], changes[2] = Marked("<2/> a", (Mark(0, 4),)), Marked("Neu.")
    xml = members(document.join(changes).content)["content.xml"]
    assert xml.index(b"Neu.") < xml.index(b"> a")


def test_deleted_text_stays() -> None:
    deleted = "<text:tracked-changes><text:p>Old words</text:p></text:tracked-changes>"
    xml = members(file_with("New words"))["content.xml"]
    xml = xml.replace(b"<office:text>", b"<office:text>" + deleted.encode())
    assert texts(read(zipped({"content.xml": xml}), OPTIONS)) == ["New words"]


def test_a_signed_document_loses_its_signature() -> None:
    content = zipped(members(file_with("Hello there")) | {"META-INF/documentsignatures.xml": b"x"})
    (finding,) = read(content, OPTIONS).join([Marked("Hallo")]).findings
    assert finding.message == "the document was signed; its translation has no signature"
