"""Books: chapters, tables of contents and the title are translated, and the rest stays."""

from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from nmt.documents.document import Options
from nmt.documents.office.epub import read
from nmt.documents.xml.tree import read_xml
from nmt.errors import NmtError
from tests.documents.documents import members
from tests.documents.reading import changed_by, same, texts_of

OPTIONS = Options("en", "de")
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/>'
    "</rootfiles></container>"
)
PACKAGE = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
  <metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
    <dc:identifier id="id">urn:x:1</dc:identifier><dc:title>A small book</dc:title>
    <dc:creator>Ann Author</dc:creator><dc:language>en-GB</dc:language>
  </metadata>
  <manifest>
    <item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
    <item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
    <item id="two" href="text/chapter%202.xhtml" media-type="application/xhtml+xml"/>
    <item id="one" href="text/chapter1.xhtml" media-type="application/xhtml+xml"/>
    <item id="css" href="style.css" media-type="text/css"/>
  </manifest>
  <spine toc="ncx"><itemref idref="one"/><itemref idref="two"/><itemref idref="none"/></spine>
</package>
"""
PAGE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en"><head><title>{0}</title>
<link rel="stylesheet" href="../style.css"/></head>
<body><h1>{0}</h1><p>Some <em>very</em> long&#160;words &amp; more<br/>here.</p>{1}</body></html>
"""
NCX = """<?xml version="1.0"?>
<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd">
<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><docTitle><text>A small book</text></docTitle>
<navMap><navPoint id="n1"><navLabel><text>
  The first chapter</text></navLabel><content src="text/chapter1.xhtml"/></navPoint></navMap></ncx>
"""
NAV = '<nav epub:type="toc"><ol><li><a href="text/chapter1.xhtml">One chapter</a></li></ol></nav>'
PARTS = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/toc.ncx": NCX,
    "OEBPS/nav.xhtml": PAGE.format("Contents", NAV).replace(
        "<html", '<html xmlns:epub="http://www.idpf.org/2007/ops"'
    ),
    "OEBPS/text/chapter 2.xhtml": PAGE.format("The second chapter", ""),
    "OEBPS/text/chapter1.xhtml": PAGE.format("The first chapter", '<img src="a.png" alt="A cat"/>'),
    "OEBPS/style.css": "p { color: black }",
}


def book(**changes: str) -> bytes:
    """Return a book; `changes` are further members of META-INF, without `.xml`."""
    file = BytesIO()
    added = {f"META-INF/{name}.xml": content for name, content in changes.items()}
    with ZipFile(file, "w") as target:
        for name, content in (PARTS | added).items():
            target.writestr(name, content, ZIP_STORED if name == "mimetype" else ZIP_DEFLATED)
    return file.getvalue()


def test_chapters_are_segments_in_the_order_of_reading() -> None:
    document = read(book(), OPTIONS)
    body = "Some <em>very</em> long\xa0words & more<br/>here."
    assert texts_of(document) == [
        *("The first chapter", "The first chapter", body, "A cat"),
        *("The second chapter", "The second chapter", body),
        *("A small book", "The first chapter"),
        *("Contents", "Contents", body, "One chapter"),
        "A small book",
    ]
    assert document.segments[0].place == "OEBPS/text/chapter1.xhtml, line 3"
    assert document.segments[-1].place == "OEBPS/book.opf, line 4"


def test_a_translation_equal_to_its_source_changes_no_byte() -> None:
    assert same(read(book(), OPTIONS)) == book()


def test_the_translation_has_the_same_tree() -> None:
    new = changed_by(read(book(), OPTIONS), str.upper)
    old_parts, parts = members(book()), members(new)
    assert list(parts) == list(PARTS)
    assert texts_of(read(new, OPTIONS)) == [
        each.upper().replace("EM>", "em>").replace("<BR/>", "<br/>")
        for each in texts_of(read(book(), OPTIONS))
    ]
    for name in parts:
        if name.endswith((".xhtml", ".ncx", ".opf")):
            before, after = (read_xml(each[name]).root for each in (old_parts, parts))
            assert [each.name for each in before.all()] == [each.name for each in after.all()]
            assert before.text().upper().split() == after.text().upper().split() or "opf" in name
        else:
            assert parts[name] == old_parts[name]
    assert b"<dc:language>de</dc:language>" in parts["OEBPS/book.opf"]
    assert b"Ann Author" in parts["OEBPS/book.opf"]
    assert b'xml:lang="de"' in parts["OEBPS/text/chapter1.xhtml"]
    assert new[30:58] == b"mimetypeapplication/epub+zip"


ENCRYPTION = (
    '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData>'
    '<e:EncryptionMethod Algorithm="{}"/></e:EncryptedData></encryption>'
)


def test_fonts_may_be_encrypted() -> None:
    content = book(encryption=ENCRYPTION.format("http://www.idpf.org/2008/embedding"))
    assert same(read(content, OPTIONS)) == content


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "encryption",
            ENCRYPTION.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc"),
            r"the book is encrypted \(DRM\); use a copy without",
        ),
        ("container", "<container/>", "META-INF/container.xml names no description of the book"),
        ("container", CONTAINER.replace("book.opf", "x.opf"), "it has no 'OEBPS/x.opf'"),
        ("container", "<a>", "line 1: the XML is not well-formed"),
    ],
    ids=["drm", "no-description", "missing-description", "not-well-formed"],
)
def test_other_books_are_refused(name: str, content: str, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read(book(**{name: content}), OPTIONS)


def test_a_signed_book_loses_its_signature() -> None:
    document = read(book(signatures="<signatures/>"), OPTIONS)
    translations = [each.source for each in document.segments]
    translations[0] = translations[0]._replace(text="Das erste Kapitel")
    (finding,) = document.join(translations).findings
    assert finding.message == "the book was signed; its translation has no signature"
