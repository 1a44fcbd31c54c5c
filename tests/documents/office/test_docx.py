"""Word documents: text of every kind is translated, and everything else stays."""

from io import BytesIO

import docx
import pytest
from lxml import etree

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.document import Document, Options
from nmt.documents.office.docx import read
from nmt.errors import NmtError
from tests.documents.documents import members, zipped
from tests.documents.reading import changed_by, same, texts_of
from tests.documents.word_samples import BOX, field, paragraph, report, run, saved, word_file

OPTIONS = Options("en", "de")


@pytest.fixture(scope="module")
def content() -> bytes:
    return report()


@pytest.fixture(scope="module")
def document(content: bytes) -> Document:
    return read(content, OPTIONS)


def test_text_of_every_kind_is_a_segment(document: Document) -> None:
    assert texts_of(document) == [
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
    assert [each.source.text for each in document.segments if each.is_heading] == ["A long report"]
    assert document.segments[1].place == "word/document.xml, paragraph 2"
    assert document.segments[1].source.marks == (
        Mark(10, 13, Kind.OPEN),
        Mark(18, 22, Kind.CLOSE),
    )


def test_a_translation_equal_to_its_source_changes_no_byte(
    content: bytes, document: Document
) -> None:
    assert same(document) == content


def test_only_translated_members_change(content: bytes, document: Document) -> None:
    nothing: list[Marked | None] = [None] * len(document.segments)
    nothing[1] = Marked("Der Fuchs.")
    old, new = members(content), members(document.join(nothing).content)
    assert list(old) == list(new)
    changed = {name for name in old if old[name] != new[name]}
    assert changed == {"word/document.xml", "word/styles.xml", "word/settings.xml"} & changed
    assert b"Der Fuchs." in new["word/document.xml"]


def test_what_is_not_translated_has_the_same_canonical_xml(
    content: bytes, document: Document
) -> None:
    changes: list[Marked | None] = [None] * len(document.segments)
    changes[1] = Marked("Der Fuchs.")
    before, after = (
        list(etree.fromstring(members(each)["word/document.xml"])[0])
        for each in (content, document.join(changes).content)
    )
    different = [
        number
        for number, pair in enumerate(zip(before, after, strict=True))
        if len({etree.tostring(each, method="c14n") for each in pair}) > 1
    ]
    assert different == [1]
    assert before[1].xpath("name()") == after[1].xpath("name()") == "w:p"


def styles(document: "docx.document.Document") -> list[str | None]:
    return [each.style.name if each.style else None for each in document.paragraphs]


def test_the_translation_has_the_same_tree(content: bytes, document: Document) -> None:
    new = changed_by(document, str.upper)
    assert texts_of(read(new, OPTIONS)) == [each.upper() for each in texts_of(document)]
    before, after = docx.Document(BytesIO(content)), docx.Document(BytesIO(new))
    assert styles(before) == styles(after)
    assert [each.text.upper() for each in before.paragraphs] == [
        each.text for each in after.paragraphs
    ]
    assert [[cell.text for cell in row.cells] for row in after.tables[0].rows] == [
        ["12.5", "CELL NUMBER 1"],
        ["CELL NUMBER 2", "CELL NUMBER 3"],
    ]
    looks = [(each.text, each.bold) for each in after.paragraphs[1].runs]
    assert looks == [
        *(("THE QUICK ", None), ("BROWN", True)),
        (" FOX JUMPS OVER THE LAZY DOG.", None),
    ]
    assert after.core_properties.title == "THE REPORT"
    xml = members(new)["word/document.xml"]
    assert xml.count(b"IN A BOX.") == 2  # for new and for old versions of Word
    assert xml.count(b"footnoteReference") == 1
    assert b'HYPERLINK "https://example.org"' in xml
    assert xml.count(b"fldCharType") == 6
    assert b">17<" in xml
    assert b"THE NOTE AT THE FOOT." in members(new)["word/footnotes.xml"]


def test_the_language_of_the_translation_is_stated() -> None:
    inner = run("Hello there", '<w:lang w:val="en-US" w:eastAsia="ja-JP"/>')
    new = members(changed_by(read(word_file(inner), OPTIONS), str.upper))
    assert b'<w:lang w:val="de" w:eastAsia="ja-JP"/>' in new["word/document.xml"]
    assert b'<w:lang w:val="de"' in new["word/styles.xml"]
    japanese = members(changed_by(read(word_file(inner), Options("en", "zh")), str.upper))
    assert b'<w:lang w:val="en-US" w:eastAsia="zh"/>' in japanese["word/document.xml"]
    unnamed = members(changed_by(read(word_file(inner), Options()), str.upper))
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
        (run("See ") + LINK.format(run("it", BOLD)) + run(" there"), "See <1>it</1> there"),
        (
            run("See ") + LINK.format(run("it is ", BOLD) + run("x")) + run(" there"),
            "See <1>it is <2>x</2></1> there",
        ),
        (run("Fine", BOLD) + run(" ") + run("words", BOLD), "Fine words"),
        (run("So") + run(" bold ", BOLD) + run("it is now"), "So <1>bold</1> it is now"),
        (field(" REF a ", "Table 1") + run(" shows it"), "<1/> shows it"),
        (run("Page ") + field(" PAGE ", "1") + run(" of it"), "Page <1/> of it"),
        (run("Word") + field(' XE "word" ', ""), "Word<1/>"),
        (LINK.format(run("Part") + "<w:r><w:tab/></w:r>" + field(" PAGEREF a ", "7")), "Part"),
        (
            '<w:fldSimple w:instr=" PAGE "><w:r><w:t>1</w:t></w:r></w:fldSimple>' + run(" of it"),
            "<1/> of it",
        ),
        ("<w:r><w:t> non</w:t><w:noBreakHyphen/><w:t>stop\n</w:t></w:r>", "non-stop"),
        (
            "<w:r><w:t>One</w:t><w:tab/><w:t>two</w:t><w:br/><w:t>three</w:t></w:r>",
            "One\ttwo\nthree",
        ),
        ("<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:tab/></w:r>", "a\tb\t"),
        ("<w:smartTag w:element='x'>" + run("Ber") + "</w:smartTag>" + run("lin"), "Berlin"),
    ],
    ids=[
        *("inserted", "deleted", "whole-bookmark", "inner-bookmark", "spelling", "language"),
        *("formula", "list", "control", "whole-link", "link", "look-in-link", "space-between"),
        *("spaces-at-edges", "reference", "page", "index", "contents", "simple-field"),
        *("hyphen", "tab-and-break", "letters", "smart-tag"),
    ],
)
def test_inline_structure(inner: str, source: str) -> None:
    content = word_file(inner)
    document = read(content, OPTIONS)
    assert texts_of(document) == [source]
    assert same(document) == content
    new = changed_by(document, str.upper)
    assert texts_of(read(new, OPTIONS)) == [source.upper()]
    docx.Document(BytesIO(new))
    xml = members(new)["word/document.xml"].decode()
    for element in ("bookmarkStart", "bookmarkEnd", "fldChar", "w:del ", "w:ins ", "w:sdt>"):
        assert xml.count(element) == paragraph(inner).count(element)


@pytest.mark.parametrize(
    "inner",
    ["", run("12.5 %"), DELETED, field(" DATE ", "Monday"), MATH],
    ids=["empty", "number", "deleted", "computed", "formula"],
)
def test_paragraphs_without_words_of_the_author_are_no_segments(inner: str) -> None:
    assert not read(word_file(inner), OPTIONS).segments


def test_a_translation_without_its_marks_still_opens(document: Document) -> None:
    new = document.join([Marked("Wort") for _ in document.segments]).content
    assert set(texts_of(read(new, OPTIONS))) == {"Wort"}
    assert members(new)["word/document.xml"].count(b"footnoteReference") == 1
    docx.Document(BytesIO(new))


@pytest.mark.parametrize(
    "shown",
    ["</1> <1>", "<2> <1> </2>", "<1> <2> </1>", "</3>", "<1> <1>", "<3> <2> <1>"],
    ids=["closed-first", "crossed", "open", "closed", "twice", "all-open"],
)
def test_marks_in_disorder_are_written_well_formed(shown: str) -> None:
    inner = run("a ") + LINK.format(run("bb ", BOLD) + run("c")) + run(" dd") + INSERTED
    document = read(word_file(inner), OPTIONS)
    assert texts_of(document) == ["a <1>bb <2>c</2></1> dd<3> very</3>"]
    text, marks = "", []
    for each in shown.split():
        kind = Kind.CLOSE if each.startswith("</") else Kind.OPEN
        marks.append(Mark(len(text), len(text) + len(each), kind))
        text += f"{each} word "
    new = document.join([Marked(text, tuple(marks))]).content
    docx.Document(BytesIO(new))
    assert members(new)["word/document.xml"].count(b" word ") == len(marks)


def test_text_of_marks_in_a_translation_is_escaped() -> None:
    document = read(word_file(run("Fish &amp; chips")), OPTIONS)
    new = document.join([Marked("<b> & %s", (Mark(6, 8, Kind.ALONE, is_text=True),))]).content
    assert docx.Document(BytesIO(new)).paragraphs[0].text == "<b> & %s"


def test_a_signed_document_loses_its_signature() -> None:
    content = members_with_signature(word_file(run("Hello there")))
    document = read(content, OPTIONS)
    assert not document.join([None]).findings
    (finding,) = document.join([Marked("Hallo")]).findings
    assert finding.message == "the document was signed; its translation has no signature"


def members_with_signature(content: bytes) -> bytes:
    kind = "application/vnd.openxmlformats-package.digital-signature-xmlsignature+xml"
    override = f'<Override PartName="/_xmlsignatures/sig1.xml" ContentType="{kind}"/></Types>'
    parts = members(content)
    types = parts["[Content_Types].xml"].replace(b"</Types>", override.encode())
    signed = {"[Content_Types].xml": types, "_xmlsignatures/sig1.xml": b"<Signature/>"}
    return zipped(parts | signed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Hello", "the file is damaged or of another format: it is not a complete zip file"),
        (
            saved(docx.Document()).replace(b"[Content_Types].xml", b"[Content_types].xml"),
            r"the file is damaged or of another format: it has no '\[Content_Types\].xml'",
        ),
    ],
    ids=["text", "no-types"],
)
def test_other_files_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read(content, OPTIONS)


def test_a_text_box_in_a_sentence_moves_with_it() -> None:
    document = read(word_file(run("Before ") + BOX + run(" after")), OPTIONS)
    assert texts_of(document) == ["Before <1/> after", "A box with a text", "In a box."]
    new = document.join([Marked("<1/> x", (Mark(0, 4),)), None, Marked("Neu.")]).content
    xml = members(new)["word/document.xml"]
    assert xml.count(b"Neu.") == 2
    assert xml.index(b"Neu.") < xml.index(b" x</w:t>")
