"""Texts with marks: parts, slices and joins keep every character and every mark."""

from nmt.decoding.marks.marked import Kind, Mark, Marked, joined

TEXT = Marked(
    "<b>Open</b> %s now",
    (Mark(0, 3, Kind.OPEN), Mark(7, 11, Kind.CLOSE), Mark(12, 14, is_text=True)),
)


def test_parts_are_the_whole_text() -> None:
    assert "".join(part for part, _ in TEXT.parts()) == TEXT.text
    assert [part for part, is_mark in TEXT.parts() if is_mark] == TEXT.mark_texts()
    assert TEXT.without_marks() == "Open  now"


def test_slices_join_to_the_whole() -> None:
    assert joined([TEXT.slice(0, 11), TEXT.slice(11, len(TEXT.text))]) == TEXT


def test_marks_of_texts_are_text_for_the_format() -> None:
    assert TEXT.of_format().mark_texts() == ["<b>", "</b>"]
    assert TEXT.of_format().text == TEXT.text
