"""Presentations: slides, tables, notes and titles of charts are translated, the rest stays."""

from io import BytesIO

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Options
from nmt.documents.office.pptx import read
from nmt.errors import NmtError
from tests.documents.documents import members, zipped
from tests.documents.reading import changed_by, same, texts_of
from tests.documents.word_samples import word_file

OPTIONS = Options("en", "de")


def slides() -> bytes:
    """Return a presentation with most of what presentations have, as python-pptx writes it."""
    presentation = Presentation()
    presentation.core_properties.title = "My slides"
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "A title"
    frame = slide.placeholders[1].text_frame
    frame.text = "First point"
    paragraph = frame.add_paragraph()
    for words, is_bold in (("Some ", None), ("bo", True), ("ld", True), (" words", None)):
        run = paragraph.add_run()
        run.text = words
        run.font.bold = is_bold
    run = paragraph.add_run()
    run.text = " and a rather long link"
    run.hyperlink.address = "https://example.org"
    frame.add_paragraph().text = "Line one\vline two"
    slide.notes_slide.notes_text_frame.text = "A note for the speaker"
    size = (Inches(1), Inches(4), Inches(4), Inches(1))
    table = slide.shapes.add_table(2, 2, *size).table
    table.cell(0, 0).text = "Head cell"
    table.cell(1, 1).text = "42"
    data = CategoryChartData()
    data.categories = ["East", "West"]
    data.add_series("Q1", (1, 2))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *size, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Sales by region"
    picture = slide.shapes[0]._element.nvSpPr.cNvPr
    picture.set("descr", "A picture of a cat")
    file = BytesIO()
    presentation.save(file)
    return file.getvalue()


@pytest.fixture(scope="module")
def content() -> bytes:
    return slides()


@pytest.fixture(scope="module")
def document(content: bytes) -> Document:
    return read(content, OPTIONS)


def test_text_of_every_kind_is_a_segment(document: Document) -> None:
    assert texts_of(document) == [
        *("A picture of a cat", "A title", "First point"),
        "Some <1>bold</1> words <2>and a rather long link</2>",
        *("Line one\nline two", "Head cell", "A note for the speaker", "Sales by region"),
        "My slides",
    ]
    assert [each.source.text for each in document.segments if each.is_heading] == ["A title"]
    assert document.segments[1].place == "ppt/slides/slide1.xml, paragraph 1"


def test_a_translation_equal_to_its_source_changes_no_byte(
    content: bytes, document: Document
) -> None:
    assert same(document) == content


def test_the_translation_has_the_same_tree(content: bytes, document: Document) -> None:
    new = changed_by(document, str.upper)
    assert texts_of(read(new, OPTIONS)) == [each.upper() for each in texts_of(document)]
    (before,), (after,) = (Presentation(BytesIO(each)).slides for each in (content, new))
    shapes = list(zip(before.shapes, after.shapes, strict=True))
    for old, new_shape in shapes:
        assert old.shape_type == new_shape.shape_type
        if old.has_text_frame:
            assert new_shape.text_frame.text == old.text_frame.text.upper()
    runs = shapes[1][1].text_frame.paragraphs[1].runs
    assert [(each.text, each.font.bold) for each in runs] == [
        *(("SOME ", None), ("BOLD", True), (" WORDS ", None)),
        ("AND A RATHER LONG LINK", None),
    ]
    assert runs[-1].hyperlink.address == "https://example.org"
    assert shapes[2][1].table.cell(0, 0).text == "HEAD CELL"
    assert after.notes_slide.notes_text_frame.text == "A NOTE FOR THE SPEAKER"
    chart = shapes[3][1].chart
    assert chart.chart_title.text_frame.text == "SALES BY REGION"
    assert list(chart.plots[0].categories) == ["East", "West"]  # as in its embedded sheet
    assert b'descr="A PICTURE OF A CAT"' in members(new)["ppt/slides/slide1.xml"]


A = "http://schemas.openxmlformats.org/drawingml/2006/main"


@pytest.mark.parametrize(
    ("inner", "source"),
    [
        (
            '<a:r><a:rPr lang="en-US" dirty="0"/><a:t>Hel</a:t></a:r><a:r><a:t>lo you</a:t></a:r>',
            "Hello you",
        ),
        (
            '<a:r><a:t>Slide </a:t></a:r><a:fld id="{1}" type="slidenum"><a:t>1</a:t></a:fld>'
            "<a:r><a:t> of it</a:t></a:r>",
            "Slide <1/> of it",
        ),
        ("<a:pPr/><a:br/><a:r><a:t>After it</a:t></a:r><a:endParaRPr/>", "After it"),
        ("<a:endParaRPr/><a:r><a:t>In disorder</a:t></a:r><a:pPr/>", "In disorder"),
    ],
    ids=["language", "field", "properties", "disorder"],
)
def test_inline_structure(content: bytes, inner: str, source: str) -> None:
    parts = members(content)
    parts["ppt/slides/slide1.xml"] = f'<p xmlns:a="{A}"><a:p>{inner}</a:p></p>'.encode()
    changed = zipped(parts)
    document = read(changed, OPTIONS)
    assert texts_of(document)[0] == source
    assert same(document) == changed
    new = changed_by(document, str.upper)
    assert texts_of(read(new, OPTIONS))[0] == source.upper()


def test_the_language_of_the_translation_is_stated(content: bytes) -> None:
    parts = members(content)
    slide = parts["ppt/slides/slide1.xml"]
    parts["ppt/slides/slide1.xml"] = slide.replace(b'<a:rPr b="1"', b'<a:rPr lang="en-US" b="1"')
    document = read(zipped(parts), OPTIONS)
    new = changed_by(document, str.upper)
    assert b'<a:rPr lang="de" b="1"' in members(new)["ppt/slides/slide1.xml"]
    nothing: list[Marked | None] = [None] * len(document.segments)
    nothing[0] = Marked("Eine Katze")
    new = document.join(nothing).content
    assert b'<a:rPr lang="en-US" b="1"' in members(new)["ppt/slides/slide1.xml"]


def test_other_documents_are_refused() -> None:
    with pytest.raises(
        NmtError,
        match="of another format: it has no main part of this format",
    ):
        read(word_file("<w:r/>"), OPTIONS)
