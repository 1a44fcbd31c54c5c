"""Prose: paragraphs are segments, and what is between them stays."""

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import DEFAULTS
from nmt.documents.texts.text import read

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


LISTS = b"""Title of it
===========
A first paragraph that
has two lines.

  - One entry that
    goes on
  - Another entry
1. And a number
---

Not a title
=====
"""


def test_lists_and_headings_are_apart() -> None:
    document = read(LISTS, DEFAULTS)
    assert [each.source.text for each in document.segments] == [
        "Title of it",
        "A first paragraph that has two lines.",
        "One entry that goes on",
        "Another entry",
        "And a number",
        "Not a title",
    ]
    assert [each.is_heading for each in document.segments] == [True, *[False] * 3, True, True]
    assert [each.place for each in document.segments][1:3] == ["line 3", "line 6"]
    same = [each.source for each in document.segments]
    assert document.join(same).content == LISTS


def test_paragraphs_are_wrapped_to_the_width_of_their_source() -> None:
    texts = [
        "Ein Titel",
        "Dieser Absatz hat nun mehr als zwei Zeilen.",
        "Ein Eintrag, der weiter geht",
    ]
    joined = read(LISTS, DEFAULTS).join([*map(Marked, texts), None, None, Marked("Kurz")])
    assert (
        joined.content
        == b"""Ein Titel
=========
Dieser Absatz hat nun
mehr als zwei Zeilen.

  - Ein Eintrag,
    der weiter
    geht
  - Another entry
1. And a number
---

Kurz
=====
"""
    )


def test_old_line_ends_and_breaks_of_a_translation() -> None:
    content = b"Pets\r\r- two dogs\r- a cat\r"
    document = read(content, DEFAULTS)
    assert [each.source.text for each in document.segments] == ["Pets", "two dogs", "a cat"]
    joined = document.join([Marked("Tiere"), Marked("zwei\n\n  Hunde"), None])
    assert joined.content == b"Tiere\r\r- zwei Hunde\r- a cat\r"
