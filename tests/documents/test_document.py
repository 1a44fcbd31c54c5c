"""A source with holes: what is written where, and all else stays."""

import pytest

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.document import UTF_8, Encoding, RawMark, Segment, SourceDocument
from tests.documents.documents import places

SOURCE = "# One\r\n![a cat](x) two\nthree\n"


def document(source: str = SOURCE, encoding: Encoding = UTF_8) -> SourceDocument:
    return SourceDocument(source.encode(encoding.name), source, encoding)


def fill(found: SourceDocument, text: str, source: Marked | None = None, *marks: RawMark) -> int:
    begin = SOURCE.index(text)
    number = found.add(Segment(source or Marked(text), found.place(begin)))
    found.fill(begin, begin + len(text), number, lambda new: new.text, marks)
    return number


def test_a_source_stays_but_for_its_holes() -> None:
    found = document()
    fill(found, "three")
    fill(found, "One")
    assert places(found) == ["line 3", "line 1"]
    assert found.join([None, Marked("One")]).content == SOURCE.encode()
    assert found.join([Marked("3"), Marked("1")]).content == b"# 1\r\n![a cat](x) two\n3\n"
    # A translation beside its source is written, though they are equal.
    found.is_bilingual = True
    found.change(len(SOURCE), len(SOURCE), "end")
    assert found.join([None, None]).content == SOURCE.encode()
    assert found.join([None, Marked("One")]).content == SOURCE.encode() + b"end"
    # Edits that overlap are a bug.
    found.change(3, 7, "x")
    with pytest.raises(ValueError, match="two edits"):
        found.join([None, Marked("1")])


def test_a_hole_may_lie_within_a_mark_of_another() -> None:
    found = document()
    begin, picture = SOURCE.index("!["), "![a cat](x)"
    mark = RawMark("![...]", begin, begin + len(picture))
    source = Marked("![...] two", (Mark(0, 6),))
    number = found.add(Segment(source))
    found.fill(begin, SOURCE.index("\nthree"), number, lambda new: new.text, [mark])
    fill(found, "a cat")
    turned = Marked("TWO ![...]", (Mark(4, 10),))
    both = found.join([turned, Marked("A CAT")]).content
    assert both == b"# One\r\nTWO ![A CAT](x)\nthree\n"
    assert found.join([turned, None]).content == b"# One\r\nTWO ![a cat](x)\nthree\n"
    assert found.join([None, Marked("A CAT")]).content == b"# One\r\n![A CAT](x) two\nthree\n"


def test_what_cannot_be_written_leaves_the_source_and_what_is_within_it() -> None:
    found = document()
    begin = SOURCE.index("![")
    number = found.add(Segment(Marked("x two"), "line 2"))
    mark = RawMark("x", begin, begin + 11)
    found.fill(begin, SOURCE.index("\nthree"), number, lambda new: None, [mark])
    fill(found, "a cat")
    joined = found.join([Marked("y"), Marked("A CAT")])
    assert joined.content == b"# One\r\n![A CAT](x) two\nthree\n"
    assert [finding.place for finding in joined.findings] == ["line 2"]


def test_insertions_at_one_place_keep_their_order_before_a_hole() -> None:
    found = document()
    found.change(2, 2, "a")
    fill(found, "One")
    found.change(2, 2, "b", range(0, 1))
    found.change(5, 5, "!", range(1, 2))
    fill(found, "three")
    assert found.join([Marked("1"), None]).content.startswith(b"# ab1\r\n")
    assert found.join([None, Marked("3")]).content.startswith(b"# aOne!\r\n")
    assert found.join([None, None]).content == SOURCE.encode()


def test_a_change_takes_all_translations_of_its_segments() -> None:
    found = document()
    text = found.add_text(Marked("One\n\nthree"), "line 1")
    found.change(2, 5, lambda own: text.filled(own).text.replace("\n", "/"), text.segments)  # type: ignore[union-attr]  # (one is translated)
    assert [segment.source.text for segment in found.segments] == ["One", "three"]
    assert found.join([None, Marked("3")]).content.startswith(b"# One//3\r\n")


def test_equal_marks_keep_their_order() -> None:
    found = document("<b>a</b><b>c</b>")
    marks = [RawMark("<b>", 0, 3), RawMark("<b>", 8, 11, "<B>"), RawMark("</b>", 4, 8)]
    source = Marked("<b><b>", (Mark(0, 3, Kind.OPEN), Mark(3, 6, Kind.OPEN)))
    number = found.add(Segment(source))
    found.fill(0, 16, number, lambda new: new.text, marks)
    turned = Marked("<b>x<b>y", (Mark(0, 3, Kind.OPEN), Mark(4, 7, Kind.OPEN)))
    assert found.join([turned]).content == b"<b>x<B>y"
