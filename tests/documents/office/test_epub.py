"""Books: chapters, tables of contents and the title are translated, and the rest stays."""

from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Options
from nmt.documents.office.epub import read
from nmt.documents.xml.tree import read_xml
from tests.documents.documents import changed_by, members, places, texts, unchanged, zipped
from tests.documents.samples import SAMPLES

OPTIONS = Options("en", "de")
BOOK = SAMPLES / "book"
PARTS = {  # the type comes first
    path.relative_to(BOOK).as_posix(): path.read_text()
    for path in [BOOK / "mimetype", *sorted(BOOK.rglob("*.*"))]
}
CONTAINER = PARTS["META-INF/container.xml"]


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
    assert texts(document) == [
        *("The first chapter", "The first chapter", body, "A cat"),
        *("The second chapter", "The second chapter", body),
        *("A small book", "The first chapter"),
        *("Contents", "Contents", body, "One chapter"),
        "A small book",
    ]
    assert places(document)[0] == "OEBPS/text/chapter1.xhtml, line 3"
    assert places(document)[-1] == "OEBPS/book.opf, line 4"


def test_the_translation_has_the_same_tree() -> None:
    new = changed_by(read(book(), OPTIONS))
    old_parts, parts = members(book()), members(new)
    assert list(parts) == list(PARTS)
    for name in parts:
        if name.endswith((".xhtml", ".ncx", ".opf")):
            before, after = (read_xml(both[name]).root for both in (old_parts, parts))
            assert [part.name for part in before.all()] == [part.name for part in after.all()]
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
    assert unchanged(read(content, OPTIONS)) == content


def test_a_signed_book_loses_its_signature() -> None:
    document = read(book(signatures="<signatures/>"), OPTIONS)
    (finding,) = document.join([Marked("Erstes"), *[None] * (len(document.segments) - 1)]).findings
    assert finding.message == "the book was signed; its translation has no signature"


def test_a_chapter_that_a_book_lacks_is_found() -> None:
    parts, name = members(book()), "OEBPS/book.opf"
    item = b'<item id="gone" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest>'
    content = zipped(parts | {name: parts[name].replace(b"</manifest>", item)})
    document = read(content, OPTIONS)
    (finding,) = document.join([Marked("Erstes"), *[None] * (len(document.segments) - 1)]).findings
    assert finding == ("OEBPS/gone.xhtml", f"{name} names this text, but the book lacks it")
