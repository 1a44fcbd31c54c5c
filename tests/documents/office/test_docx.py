"""Word documents: text of every kind is translated, and everything else stays."""

import re
from io import BytesIO

import docx
import pytest
from docx.oxml.ns import nsdecls

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.document import Document, Options
from nmt.documents.office.docx import read
from tests.documents.documents import changed_by, headings, members, texts, unchanged, zipped
from tests.documents.samples import SAMPLES

OPTIONS = Options("en", "de")
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


@pytest.fixture(scope="module")
def document() -> Document:
    return read(REPORT, OPTIONS)


def test_text_of_every_kind_is_a_segment(document: Document) -> None:
    assert texts(document) == [
        "A long report",
        "The quick <1>brown</1> fox jumps over the lazy dog.",
        "One word in three runs.",
        *("First point", "Second point", "Cell number 1", "Cell number 2", "Cell number 3"),
        "Line one\n<1>line two</1>",
        "A claim<1/> that needs a note.",
        *("Beside the box.", "A box with a text", "In a box."),
        "See <1>the site</1> for more.",
        "Section 3",
        "The note at the foot.",
        *("Head of the page", "Foot of the page", "The report"),
    ]
    assert headings(document) == ["A long report"]
    assert document.segments[1].place == "word/document.xml, paragraph 2"
    marks = Mark(10, 13, Kind.OPEN), Mark(18, 22, Kind.CLOSE)
    assert document.segments[1].source.marks == marks


def test_the_translation_has_the_same_tree(document: Document) -> None:
    new = changed_by(document)
    before, after = docx.Document(BytesIO(REPORT)), docx.Document(BytesIO(new))
    for old, translated in zip(before.paragraphs, after.paragraphs, strict=True):
        assert translated.style == old.style or translated.style.name == old.style.name  # type: ignore[union-attr]
        assert translated.text == old.text.upper()
    assert [cell.text for cell in after.tables[0].rows[0].cells] == ["12.5", "CELL NUMBER 1"]
    looks = [(part.text, part.bold) for part in after.paragraphs[1].runs]
    fox = " FOX JUMPS OVER THE LAZY DOG."
    assert looks == [("THE QUICK ", None), ("BROWN", True), (fox, None)]
    assert after.core_properties.title == "THE REPORT"
    xml = members(new)["word/document.xml"]
    assert xml.count(b"IN A BOX.") == 2  # for new and for old versions of Word
    assert xml.count(b"footnoteReference") == 1
    assert b'HYPERLINK "https://example.org"' in xml
    assert b"THE NOTE AT THE FOOT." in members(new)["word/footnotes.xml"]


def test_the_language_of_the_translation_is_stated() -> None:
    inner = run("Hello there", '<w:lang w:val="en-US" w:eastAsia="ja-JP"/>')
    new = members(changed_by(read(word_file(inner), OPTIONS)))
    assert b'<w:lang w:val="de" w:eastAsia="ja-JP"/>' in new["word/document.xml"]
    assert b'<w:lang w:val="de"' in new["word/styles.xml"]
    japanese = members(changed_by(read(word_file(inner), Options("en", "zh"))))
    assert b'<w:lang w:val="en-US" w:eastAsia="zh"/>' in japanese["word/document.xml"]
    unnamed = members(changed_by(read(word_file(inner), Options())))
    assert b'<w:lang w:val="en-US" w:eastAsia="ja-JP"/>' in unnamed["word/document.xml"]


BOLD = "<w:b/>"
INSERTED = f'<w:ins w:id="1" w:author="A">{run(" very")}</w:ins>'
DELETED = '<w:del w:id="2" w:author="A"><w:r><w:delText>old</w:delText></w:r></w:del>'
BOOKMARK = '<w:bookmarkStart w:id="3" w:name="x"/>{}<w:bookmarkEnd w:id="3"/>'
MATH = "<m:oMath><m:r><m:t>x</m:t></m:r></m:oMath>"
LIST = (
    f"<w:sdt><w:sdtPr><w:dropDownList/></w:sdtPr><w:sdtContent>{run('Red')}</w:sdtContent></w:sdt>"
)
CONTROL = f"<w:sdt><w:sdtPr/><w:sdtContent>{run('our name')}</w:sdtContent></w:sdt>"
LINK = '<w:hyperlink w:anchor="a">{}</w:hyperlink>'


@pytest.mark.parametrize(
    ("inner", "source"),
    [
        (run("A") + INSERTED + run(" long day"), "A<1> very</1> long day"),
        (run("A ") + DELETED + run("new day"), "A <1/>new day"),
        (BOOKMARK.format(run("All of it")), "All of it"),
        (run("Part ") + BOOKMARK.format(run("of")) + run(" it"), "Part <1/>of<2/> it"),
        (run("Hel") + '<w:proofErr w:type="spellStart"/>' + run("lo you"), "Hello you"),
        (run("Hel", '<w:lang w:val="de"/>') + run("lo you", "<w:noProof/>"), "Hello you"),
        (run("With ") + MATH + run(" in it"), "With <1/> in it"),
        (run("Colour: ") + LIST + run(" paint"), "Colour: <1/> paint"),
        (run("To ") + CONTROL + run(" here"), "To <1>our name</1> here"),
        (LINK.format(run("A link", BOLD)), "A link"),
        (
            run("See ") + LINK.format(run("it is ", BOLD) + run("x")) + run(" there"),
            "See <1>it is <2>x</2></1> there",
        ),
        (run("Fine", BOLD) + run(" ") + run("words", BOLD), "Fine words"),
        (run("So") + run(" bold ", BOLD) + run("it is now"), "So <1>bold</1> it is now"),
        (field(" REF a ", "Table 1") + run(" shows it"), "<1/> shows it"),
        (run("Word") + field(' XE "word" ', ""), "Word<1/>"),
        (LINK.format(run("Part") + "<w:r><w:tab/></w:r>" + field(" PAGEREF a ", "7")), "Part"),
        (
            '<w:fldSimple w:instr=" PAGE "><w:r><w:t>1</w:t></w:r></w:fldSimple>' + run(" of it"),
            "<1/> of it",
        ),
        ("<w:r><w:t> non</w:t><w:noBreakHyphen/><w:t>stop\n</w:t></w:r>", "non-stop"),
        ("<w:r><w:t>One</w:t><w:tab/><w:t>2</w:t><w:br/><w:t>three</w:t></w:r>", "One\t2\nthree"),
        ("<w:smartTag w:element='x'>" + run("Ber") + "</w:smartTag>" + run("lin"), "Berlin"),
        *[(inner, "") for inner in ("", run("12.5 %"), DELETED, field(" DATE ", "Monday"), MATH)],
    ],
)
def test_inline_structure(inner: str, source: str) -> None:
    content = word_file(inner)
    document = read(content, OPTIONS)
    assert "".join(texts(document)) == source
    assert unchanged(document) == content
    new = changed_by(document)
    assert "".join(texts(read(new, OPTIONS))) == source.upper()
    docx.Document(BytesIO(new))
    xml = members(new)["word/document.xml"].decode()
    for element in ("bookmarkStart", "bookmarkEnd", "fldChar", "w:del ", "w:ins ", "w:sdt>"):
        assert xml.count(element) == paragraph(inner).count(element)


def test_a_translation_without_its_marks_still_opens(document: Document) -> None:
    new = document.join([Marked("Wort") for _ in document.segments]).content
    assert set(texts(read(new, OPTIONS))) == {"Wort"}
    assert members(new)["word/document.xml"].count(b"footnoteReference") == 1
    docx.Document(BytesIO(new))


@pytest.mark.parametrize(
    "shown", ["</1> <1>", "<2> <1> </2>", "<1> <2> </1>", "</3>", "<1> <1>", "<3> <2> <1>"]
)
def test_marks_in_disorder_are_written_well_formed(shown: str) -> None:
    inner = run("a ") + LINK.format(run("bb ", BOLD) + run("c")) + run(" dd") + INSERTED
    document = read(word_file(inner), OPTIONS)
    assert texts(document) == ["a <1>bb <2>c</2></1> dd<3> very</3>"]
    text, marks = "", []
    for tag in shown.split():
        kind = Kind.CLOSE if tag.startswith("</") else Kind.OPEN
        marks.append(Mark(len(text), len(text) + len(tag), kind))
        text += f"{tag} word "
    new = document.join([Marked(text, tuple(marks))]).content
    docx.Document(BytesIO(new))
    assert members(new)["word/document.xml"].count(b" word ") == len(marks)


def test_text_of_marks_in_a_translation_is_escaped() -> None:
    document = read(word_file(run("Fish &amp; chips")), OPTIONS)
    new = document.join([Marked("<b> & %s", (Mark(6, 8, Kind.ALONE, is_text=True),))]).content
    assert docx.Document(BytesIO(new)).paragraphs[0].text == "<b> & %s"


def test_a_signed_document_loses_its_signature() -> None:
    kind = "application/vnd.openxmlformats-package.digital-signature-xmlsignature+xml"
    override = f'<Override PartName="/_xmlsignatures/sig1.xml" ContentType="{kind}"/></Types>'
    parts = members(word_file(run("Hello there")))
    types = parts["[Content_Types].xml"].replace(b"</Types>", override.encode())
    signed = {"[Content_Types].xml": types, "_xmlsignatures/sig1.xml": b"<Signature/>"}
    document = read(zipped(parts | signed), OPTIONS)
    assert not document.join([None]).findings
    (finding,) = document.join([Marked("Hallo")]).findings
    assert finding.message == "the document was signed; its translation has no signature"


def test_a_text_box_in_a_sentence_moves_with_it() -> None:
    document = read(word_file(run("Before ") + BOX + run(" after")), OPTIONS)
    assert texts(document) == ["Before <1/> after", "A box with a text", "In a box."]
    new = document.join([Marked("<1/> x", (Mark(0, 4),)), None, Marked("Neu.")]).content
    xml = members(new)["word/document.xml"]
    assert xml.count(b"Neu.") == 2
    assert xml.index(b"Neu.") < xml.index(b" x</w:t>")
