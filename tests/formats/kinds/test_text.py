"""Prose: paragraphs are segments, and what is between them stays."""

from nmt.decoding.marked import Marked
from nmt.formats.document import DEFAULTS
from nmt.formats.kinds.text import read

CONTENT = b"\xef\xbb\xbf  One two.\r\n  Three.\r\n\r\n\r\nFour.\n"


def test_paragraphs_are_segments() -> None:
    document = read(CONTENT, DEFAULTS)
    assert [each.source.text for each in document.segments] == ["One two. Three.", "Four."]
    assert [each.place for each in document.segments] == ["line 1", "line 5"]


def test_a_translation_equal_to_its_source_changes_no_byte() -> None:
    document = read(CONTENT, DEFAULTS)
    same = [each.source for each in document.segments]
    assert document.join(same).content == CONTENT
    assert document.join([None, None]).content == CONTENT


def test_translations_take_the_places_of_paragraphs() -> None:
    joined = read(CONTENT, DEFAULTS).join([Marked("Eins."), None])
    assert joined.content == b"\xef\xbb\xbf  Eins.\r\n\r\n\r\nFour.\n"
