"""OpenDocument: text of every kind is translated, and everything else stays."""

from io import BytesIO

import pytest
from odf import draw, office, style, table, teletype, text
from odf.opendocument import OpenDocumentText, load

from nmt.decoding.translator.marked import Mark, Marked
from nmt.documents.document import Document, Options
from nmt.documents.office.odt import read
from nmt.errors import NmtError
from tests.documents.documents import members, zipped
from tests.documents.reading import changed_by, same, texts_of

OPTIONS = Options("en", "de-AT")
TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
NAMESPACES = (
    f'xmlns:text="{TEXT}" xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" '
    'xmlns:officeooo="http://openoffice.org/2009/office" '
    'xmlns:xlink="http://www.w3.org/1999/xlink"'
)


def report() -> bytes:
    """Return a document with most of what documents have, as odfpy writes it."""
    document = OpenDocumentText()
    bold = style.Style(name="T1", family="text")
    bold.addElement(style.TextProperties(fontweight="bold"))
    document.automaticstyles.addElement(bold)
    default = style.DefaultStyle(family="paragraph")
    default.addElement(style.TextProperties(language="en", country="US"))
    document.styles.addElement(default)
    body = document.text
    body.addElement(text.H(outlinelevel=1, text="A long report"))
    mixed = text.P(text="The quick br")
    mixed.addElement(text.Span(stylename=bold, text="own"))
    mixed.addText(" fox")
    note = text.Note(noteclass="footnote")
    note.addElement(text.NoteCitation(text="1"))
    inner = text.NoteBody()
    inner.addElement(text.P(text="The note at the foot."))
    note.addElement(inner)
    mixed.addElement(note)
    mixed.addText(" jumps.")
    body.addElement(mixed)
    items = text.List()
    for words in ("First point", "Second point"):
        item = text.ListItem()
        item.addElement(text.P(text=words))
        items.addElement(item)
    body.addElement(items)
    cells = table.Table(name="T")
    cells.addElement(table.TableColumn(numbercolumnsrepeated=2))
    row = table.TableRow()
    for words in ("12.5", "A cell"):
        cell = table.TableCell()
        cell.addElement(text.P(text=words))
        row.addElement(cell)
    cells.addElement(row)
    body.addElement(cells)
    framed = text.P(text="Beside a box.")
    frame = draw.Frame(anchortype="paragraph", width="5cm", height="2cm")
    box = draw.TextBox()
    box.addElement(text.P(text="In a box."))
    frame.addElement(box)
    framed.addElement(frame)
    body.addElement(framed)
    comment = office.Annotation()
    comment.addElement(text.P(text="A comment on it"))
    commented = text.P(text="Commented words")
    commented.addElement(comment)
    body.addElement(commented)
    file = BytesIO()
    document.write(file)
    return file.getvalue()


@pytest.fixture(scope="module")
def content() -> bytes:
    return report()


@pytest.fixture(scope="module")
def document(content: bytes) -> Document:
    return read(content, OPTIONS)


def test_text_of_every_kind_is_a_segment(document: Document) -> None:
    assert texts_of(document) == [
        *("A long report", "The quick br<1>own</1> fox<2/> jumps.", "The note at the foot."),
        *("First point", "Second point", "A cell", "Beside a box.", "In a box."),
        *("Commented words", "A comment on it"),
    ]
    assert [each.source.text for each in document.segments if each.is_heading] == ["A long report"]
    assert document.segments[1].place == "content.xml, paragraph 2"


def test_a_translation_equal_to_its_source_changes_no_byte(
    content: bytes, document: Document
) -> None:
    assert same(document) == content


def test_the_translation_has_the_same_tree(content: bytes, document: Document) -> None:
    new = changed_by(document, str.upper)
    assert texts_of(read(new, OPTIONS)) == [
        each.upper().replace("<1>OWN</1>", "<1>OWN</1>") for each in texts_of(document)
    ]
    before, after = load(BytesIO(content)), load(BytesIO(new))
    for kind in (text.P, text.H, text.Span, text.Note, table.TableCell, text.ListItem):
        old = before.getElementsByType(kind)
        assert [teletype.extractText(each) for each in after.getElementsByType(kind)] == [
            teletype.extractText(each).upper() for each in old
        ]
    (span,) = after.getElementsByType(text.Span)
    assert span.getAttribute("stylename") == "T1"
    changed = {name for name in members(content) if members(content)[name] != members(new)[name]}
    assert changed == {"content.xml", "styles.xml"}
    assert new[30:38] == b"mimetype"
    assert b'fo:language="de" fo:country="AT"' in members(new)["styles.xml"]


def file_with(inner: str, styles: str = "") -> bytes:
    """Return a document with a paragraph."""
    whole = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<office:document-content {NAMESPACES}>'
        f"<office:automatic-styles>{styles}</office:automatic-styles><office:body><office:text>"
        f"<text:p>{inner}</text:p></office:text></office:body></office:document-content>"
    )
    kind = b"application/vnd.oasis.opendocument.text"
    return zipped({"mimetype": kind, "content.xml": whole.encode()})


COLOUR = 'fo:color="#f00"'
STYLES = "".join(
    f'<style:style style:name="{name}" style:family="text"><style:text-properties {seen}'
    f' officeooo:rsid="{number}"/></style:style>'
    for number, (name, seen) in enumerate(
        [
            ("T1", ""),
            ("T2", 'fo:language="en"'),
            ("B1", 'fo:color="#f00"'),
            ("B2", 'fo:color="#f00"'),
        ]
    )
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
    ids=[
        *("sessions", "same-look", "nested", "link", "whole-link", "spaces", "edges", "wide"),
        *("breaks", "field", "change", "bookmark", "comment"),
    ],
)
def test_inline_structure(inner: str, source: str) -> None:
    content = file_with(inner, STYLES)
    document = read(content, OPTIONS)
    assert texts_of(document) == [source]
    assert same(document) == content
    assert texts_of(read(changed_by(document, str.upper), OPTIONS)) == [source.upper()]


def test_spaces_of_a_translation_are_kept() -> None:
    document = read(file_with("Hello there"), OPTIONS)
    new = document.join([Marked("a   b < c")]).content
    assert b'<text:p>a <text:s text:c="2"/>b &lt; c</text:p>' in members(new)["content.xml"]


def test_what_is_around_a_link_stays_around_it() -> None:
    link = '<text:a xlink:href="x">{}</text:a>'.format
    document = read(file_with(f"<text:tab/>{link('All of it')} <text:s/>"), OPTIONS)
    new = document.join([Marked("Alles")]).content
    expected = f"<text:p><text:tab/>{link('Alles')} <text:s/></text:p>"
    assert expected.encode() in members(new)["content.xml"]


def test_a_note_within_a_moved_mark_is_translated(document: Document) -> None:
    changes: list[Marked | None] = [None] * len(document.segments)
    changes[1], changes[2] = Marked("<2/> a", (Mark(0, 4),)), Marked("Neu.")
    xml = members(document.join(changes).content)["content.xml"]
    assert xml.index(b"Neu.") < xml.index(b"> a")


def test_deleted_text_stays() -> None:
    deleted = "<text:tracked-changes><text:p>Old words</text:p></text:tracked-changes>"
    content = zipped(
        {
            "content.xml": members(file_with("New words"))["content.xml"].replace(
                b"<office:text>", b"<office:text>" + deleted.encode()
            )
        }
    )
    assert texts_of(read(content, OPTIONS)) == ["New words"]


def test_a_signed_document_loses_its_signature() -> None:
    content = zipped(members(file_with("Hello there")) | {"META-INF/documentsignatures.xml": b"x"})
    (finding,) = read(content, OPTIONS).join([Marked("Hallo")]).findings
    assert finding.message == "the document was signed; its translation has no signature"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"mimetype": b"application/epub+zip"},
            "it is not an OpenDocument file",
        ),
        ({"META-INF/manifest.xml": b"<encryption-data/>"}, "the file has a password"),
        ({"x": b""}, "the file is damaged or of another format: it has no 'content.xml'"),
        ({"content.xml": b"<a>"}, "line 1: the XML is not well-formed"),
    ],
    ids=["other", "password", "no-content", "not-well-formed"],
)
def test_other_files_are_refused(parts: dict[str, bytes], message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read(zipped(parts), OPTIONS)
