"""Make Word documents for tests: what python-docx writes, and what it has no interface for."""

import re
from functools import cache
from io import BytesIO

import docx
from docx.enum.text import WD_BREAK
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from tests.documents.documents import members, zipped

FOOTNOTES = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
NAMESPACES = nsdecls("w", "r", "wp", "a", "m") + (
    ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
    ' xmlns:v="urn:schemas-microsoft-com:vml"'
)
BOX = (
    "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wp:inline>"
    "<wp:docPr id='7' name='Box 1' descr='A box with a text'/><wps:txbx><w:txbxContent>"
    "<w:p><w:r><w:t>In a box.</w:t></w:r></w:p></w:txbxContent></wps:txbx>"
    "</wp:inline></w:drawing></mc:Choice><mc:Fallback><w:pict><v:textbox><w:txbxContent>"
    "<w:p><w:r><w:t>In a box.</w:t></w:r></w:p>"
    "</w:txbxContent></v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
)


def paragraph(inner: str) -> str:
    """Return a paragraph of WordprocessingML with its namespaces."""
    return f"<w:p {NAMESPACES}>{inner}</w:p>"


def run(text: str, properties: str = "") -> str:
    """Return a run with a text."""
    inner = f"<w:rPr>{properties}</w:rPr>" if properties else ""
    return f'<w:r>{inner}<w:t xml:space="preserve">{text}</w:t></w:r>'


def field(instruction: str, result: str) -> str:
    """Return a field in five runs."""
    kinds = [f'<w:r><w:fldChar w:fldCharType="{each}"/></w:r>' for each in KINDS]
    code = f"<w:r><w:instrText>{instruction}</w:instrText></w:r>"
    return f"{kinds[0]}{code}{kinds[1]}{run(result)}{kinds[2]}"


STYLES = re.compile(
    b"<w:latentStyles.*?</w:latentStyles>|<w:style (?!w:type=.paragraph. w:default).*?</w:style>",
    re.DOTALL,
)
KINDS = ("begin", "separate", "end")


@cache
def template() -> dict[str, bytes]:
    """Return the members of the empty document of python-docx, without most of its styles."""
    return lean(members(saved(docx.Document())))


def lean(parts: dict[str, bytes]) -> dict[str, bytes]:
    """Return the members of a document without most of its styles, which take time to read."""
    return parts | {"word/styles.xml": STYLES.sub(b"", parts["word/styles.xml"])}


def word_file(*paragraphs: str) -> bytes:
    """Return a document with these paragraphs, in the template of python-docx."""
    inner = "".join(paragraph(each) for each in paragraphs).encode()
    document = template()["word/document.xml"].replace(b"<w:sectPr", inner + b"<w:sectPr")
    return zipped(template() | {"word/document.xml": document})


def saved(document: "docx.document.Document") -> bytes:
    """Return the bytes of a document."""
    file = BytesIO()
    document.save(file)
    return file.getvalue()


def report() -> bytes:
    """Return a document with most of what documents have."""
    document = docx.Document()
    document.core_properties.title = "The report"
    document.add_heading("A long report", 1)
    mixed = document.add_paragraph("The quick ")
    mixed.add_run("br").bold = True
    mixed.add_run("own").bold = True
    mixed.add_run(" fox jumps over the lazy dog.")
    split = document.add_paragraph()
    for piece in ("One wo", "rd in", " three runs."):
        split.add_run(piece)
    document.add_paragraph("First point", style="List Bullet")
    document.add_paragraph("Second point", style="List Number")
    table = document.add_table(2, 2)
    for number, cell in enumerate(table._cells):
        cell.text = f"Cell number {number}" if number else "12.5"
    lines = document.add_paragraph("Line one")
    lines.runs[0].add_break()
    lines.add_run("line two").italic = True
    lines.add_run().add_break(WD_BREAK.PAGE)
    document.sections[0].header.paragraphs[0].text = "Head of the page"
    document.sections[0].footer.paragraphs[0].text = "Foot of the page"
    note = '<w:r><w:footnoteReference w:id="1"/></w:r>'
    for inner in (
        run("A claim") + note + run(" that needs a note."),
        run("Beside the box.") + BOX,
        run("See ") + field(' HYPERLINK "https://example.org" ', "the site") + run(" for more."),
        run("Section 3") + "<w:r><w:tab/></w:r>" + field(" PAGEREF _Toc1 ", "17"),
    ):
        document.element.body.insert_element_before(parse_xml(paragraph(inner)), "w:sectPr")
    return with_footnotes(saved(document))


def with_footnotes(content: bytes) -> bytes:
    """Return a document with a part of footnotes, which python-docx cannot make."""
    notes = (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<w:footnotes {nsdecls("w")}>'
        '<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p>'
        '</w:footnote><w:footnote w:id="1"><w:p><w:r><w:footnoteRef/></w:r>'
        f"{run(' The note at the foot.')}</w:p></w:footnote></w:footnotes>"
    )
    relation = f'<Relationship Id="rId99" Type="{RELATION}footnotes" Target="footnotes.xml"/>'
    override = f'<Override PartName="/word/footnotes.xml" ContentType="{FOOTNOTES}"/>'
    parts = members(content)
    for name, closing, added in (
        ("word/_rels/document.xml.rels", "</Relationships>", relation),
        ("[Content_Types].xml", "</Types>", override),
    ):
        parts[name] = parts[name].replace(closing.encode(), f"{added}{closing}".encode())
    return zipped(parts | {"word/footnotes.xml": notes.encode()})
