"""Make Word documents for tests, with what python-docx has no interface for."""

import re

from docx.oxml.ns import nsdecls

from tests.documents.documents import members, zipped
from tests.documents.samples import SAMPLES

REPORT = (SAMPLES / "report.docx").read_bytes()  # as python-docx writes it
BODY = re.compile(b"(?<=<w:body>).*(?=<w:sectPr)", re.DOTALL)
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
    return f"<w:p {NAMESPACES}>{inner}</w:p>"


def run(text: str, properties: str = "") -> str:
    inner = f"<w:rPr>{properties}</w:rPr>" if properties else ""
    return f'<w:r>{inner}<w:t xml:space="preserve">{text}</w:t></w:r>'


def field(instruction: str, result: str) -> str:
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'.format
    code = f"<w:r><w:instrText>{instruction}</w:instrText></w:r>"
    return f"{mark('begin')}{code}{mark('separate')}{run(result)}{mark('end')}"


def word_file(*paragraphs: str) -> bytes:
    """Return a document with these paragraphs instead of those of the report."""
    inner, parts = "".join(map(paragraph, paragraphs)).encode(), members(REPORT)
    parts = {
        name: part for name, part in parts.items() if not re.search("header|footer|notes", name)
    }
    for name in ("word/_rels/document.xml.rels", "[Content_Types].xml"):
        parts[name] = re.sub(b"<[^<]*(header|footer|notes)[^<]*/>", b"", parts[name])
    document = BODY.sub(lambda _: inner, parts["word/document.xml"])
    document = re.sub(b"<w:(header|footer)Reference[^>]*/>", b"", document)
    core = parts["docProps/core.xml"].replace(b"The report", b"")
    return zipped(parts | {"word/document.xml": document, "docProps/core.xml": core})
