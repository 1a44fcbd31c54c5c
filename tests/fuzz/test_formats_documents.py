"""XML, zip files and documents in them: any content gives its own bytes, or one sentence."""

from collections.abc import Callable
from functools import cache, partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.documents.document import Options
from nmt.documents.office import docx, epub, odt, pptx
from nmt.documents.office.package import Package
from nmt.documents.registry import Read
from tests.documents.documents import members, zipped
from tests.documents.office.test_docx import BOOKMARK, CONTROL, DELETED, INSERTED, LINK, LIST, MATH
from tests.documents.office.test_epub import book
from tests.documents.office.test_odt import CHANGE, SPAN, STYLES, file_with
from tests.documents.office.test_odt import report as open_document
from tests.documents.office.test_pptx import slides
from tests.documents.word_samples import BOX, field, lean, report, run, word_file
from tests.fuzz import CASES, fuzz, value_or_error
from tests.fuzz.documents import check
from tests.fuzz.mutations import changed_bytes

pytestmark = pytest.mark.slow

# A case of a whole document takes some ten times as long as others.
few = settings(fuzz, max_examples=max(1, CASES // 10))
OPTIONS = Options("en", "de")
XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE a SYSTEM "a.dtd"><a xmlns="u" xmlns:v="w"'
    " v:x='&lt;1' b=\">2\"><b/>ä &amp; x\r\n<b></b ><![CDATA[u]]v]]><v:c>y</v:c><!-- c --><?p i?>"
    "z&nbsp;&#65;</a>\n<!-- x -->"
)
PIECES = [
    *("<a>", "</a>", "<b/>", "<v:b xmlns:v='w'>", "</v:b>", "<a b='c' d=\">\">", "x", "ä", " "),
    *("&amp;", "&#65;", "&lt;", "&x;", "<![CDATA[", "]]>", "<!--", "-->", "<?p ", "?>", "\r\n"),
    *("<!DOCTYPE a>", "<!DOCTYPE a [<!ENTITY x 'y'>]>", "<?xml version='1.0'?>", "<", ">", "'"),
]
WORD_PIECES = [
    *(run("One"), run(" two.", "<w:b/>"), run("x", '<w:lang w:val="en"/>'), run(" "), "<w:r/>"),
    *("<w:r><w:tab/></w:r>", "<w:r><w:br/><w:t>y</w:t></w:r>", field(" PAGE ", "1"), MATH, BOX),
    *(field(" HYPERLINK ", run("here")), LINK.format(run("it")), BOOKMARK.format(""), DELETED),
    *(INSERTED, CONTROL, LIST, '<w:r><w:fldChar w:fldCharType="begin"/></w:r>', "<w:pPr/>"),
    *('<w:r><w:fldChar w:fldCharType="end"/></w:r>', "<w:hyperlink>", "</w:hyperlink>", "<w:p>"),
    *("</w:p>", '<w:r><w:fldChar w:fldCharType="separate"/></w:r>', "<w:ins>", "</w:ins>"),
    *("<w:smartTag>", "</w:smartTag>", "<w:r><w:instrText> TOC </w:instrText></w:r>"),
]
TEXT_PIECES = [
    *("One", " two. ", "  ", "<text:s/>", '<text:s text:c="3"/>', "<text:tab/>", CHANGE, "\n"),
    *(SPAN("T1", "x"), SPAN("B1", "red"), SPAN("B2", " y "), "<text:line-break/>", "<text:p>"),
    *("<text:a>", "</text:a>", '<text:span text:style-name="B1">', "</text:span>", "</text:p>"),
    *("<text:note><text:p>Note it</text:p></text:note>", "<text:date>Now</text:date>"),
]
READERS: dict[str, Read] = {
    "docx": docx.read,
    "odt": odt.read,
    "pptx": pptx.read,
    "epub": epub.read,
}
SAMPLES: dict[str, Callable[[], bytes]] = {
    "docx": cache(lambda: zipped(lean(members(report())))),
    "odt": cache(open_document),
    "pptx": cache(slides),
    "epub": cache(book),
}


def together(pieces: list[str]) -> st.SearchStrategy[bytes]:
    """Return a strategy of pieces in any order."""
    return st.lists(st.sampled_from(pieces), max_size=20).map(lambda found: "".join(found).encode())


@few
@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 2**32))
def test_any_zip_file_is_kept_or_refused(name: str, seed: int) -> None:
    content = changed_bytes(Random(seed), SAMPLES[name]())
    container = value_or_error(lambda: Package(content))
    if container is None:
        return
    assert container.changed({}) is content
    names = list(container.members)
    changed = Package(container.changed({names[0]: b"new"} if names else {}))
    assert list(changed.members) == names
    for each in names[1:]:
        before, after = (
            value_or_error(partial(whole.read, each)) for whole in (container, changed)
        )
        assert before in {None, after}  # a damaged local header is written again
    check(READERS[name], content, OPTIONS)


def with_spoiled_member(draw: Random, content: bytes) -> bytes:
    """Return a document one of whose XML files is changed."""
    parts = members(content)
    name = draw.choice(sorted(each for each in parts if not each.endswith((".jpeg", "/"))))
    parts[name] = changed_bytes(draw, parts[name], 3)
    return zipped(parts)


@pytest.mark.parametrize("name", sorted(SAMPLES))
@few
@given(seed=st.integers(0, 2**32))
def test_any_document_is_kept_or_refused(name: str, seed: int) -> None:
    check(READERS[name], with_spoiled_member(Random(seed), SAMPLES[name]()), OPTIONS)


def check_written(read: Read, content: bytes) -> None:
    """Check a document, and that what is written for it is well-formed."""
    document = check(read, content, OPTIONS)
    if document is not None:
        new = document.join(
            [each.source._replace(text="x", marks=()) for each in document.segments]
        )
        assert read(new.content, OPTIONS)


@fuzz
@given(st.lists(st.sampled_from(WORD_PIECES), max_size=12))
def test_any_paragraph_of_word_is_kept(pieces: list[str]) -> None:
    check_written(docx.read, word_file("".join(pieces)))


@fuzz
@given(st.lists(st.sampled_from(TEXT_PIECES), max_size=12))
def test_any_paragraph_of_open_document_is_kept(pieces: list[str]) -> None:
    check_written(odt.read, file_with("".join(pieces), STYLES))
