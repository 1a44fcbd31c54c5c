"""Presentations: slides, tables, notes and titles of charts are translated, the rest stays."""

from io import BytesIO

import pytest
from pptx import Presentation

from nmt.documents.document import Document, Options
from nmt.documents.office.pptx import read
from tests.documents.documents import (
    changed_by,
    headings,
    joined,
    members,
    places,
    texts,
    unchanged,
    zipped,
)
from tests.documents.samples import SAMPLES

OPTIONS = Options("en", "de")
SLIDES = (SAMPLES / "slides.pptx").read_bytes()  # as python-pptx writes them


@pytest.fixture(scope="module")
def document() -> Document:
    return read(SLIDES, OPTIONS)


def test_text_of_every_kind_is_a_segment(document: Document) -> None:
    assert texts(document) == [
        *("A picture of a cat", "A title", "First point"),
        "Some <1>bold</1> words <2>and a rather long link</2>",
        *("Line one\nline two", "Head cell", "A note for the speaker", "Sales by region"),
        "My slides",
    ]
    assert headings(document) == ["A title"]
    assert places(document)[1] == "ppt/slides/slide1.xml, paragraph 1"


def test_the_translation_has_the_same_tree(document: Document) -> None:
    new = changed_by(document)
    (before,), (after,) = (Presentation(BytesIO(file)).slides for file in (SLIDES, new))
    shapes = list(zip(before.shapes, after.shapes, strict=True))
    for old, new_shape in shapes:
        assert old.shape_type == new_shape.shape_type
        if old.has_text_frame:
            assert new_shape.text_frame.text == old.text_frame.text.upper()
    runs = shapes[1][1].text_frame.paragraphs[1].runs
    assert [(run.text, run.font.bold) for run in runs] == [
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
)
def test_inline_structure(inner: str, source: str) -> None:
    parts = members(SLIDES)
    parts["ppt/slides/slide1.xml"] = f'<p xmlns:a="{A}"><a:p>{inner}</a:p></p>'.encode()
    changed = zipped(parts)
    document = read(changed, OPTIONS)
    assert texts(document)[0] == source
    assert unchanged(document) == changed
    new = changed_by(document)
    assert texts(read(new, OPTIONS))[0] == source.upper()


def test_the_language_of_the_translation_is_stated() -> None:
    parts = members(SLIDES)
    slide = parts["ppt/slides/slide1.xml"]
    parts["ppt/slides/slide1.xml"] = slide.replace(b'<a:rPr b="1"', b'<a:rPr lang="en-US" b="1"')
    document = read(zipped(parts), OPTIONS)
    new = members(changed_by(document))["ppt/slides/slide1.xml"]
    assert b'<a:rPr lang="de" b="1"' in new
    new = members(joined(document, "Eine Katze"))["ppt/slides/slide1.xml"]
    assert b'<a:rPr lang="en-US" b="1"' in new
