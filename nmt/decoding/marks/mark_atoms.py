"""Find the signs that belong to an atom, and those that stay with the words beside it."""

import re
from typing import NamedTuple

from nmt.decoding.marks.units import AFTER, BEFORE
from nmt.decoding.translator.symbols import END_MARKS

WORDLIKE = re.compile(r"\w")
SIGNS = re.compile(r"[^\w\s]*")
APOSTROPHES = "'\u2019"


class Bounds(NamedTuple):
    """An atom with its signs, as characters of a text."""

    begin: int
    end: int
    tail_end: int  # of the signs after it that belong to the word before it
    is_after_signs: bool = False  # signs of the word after it stand before it


def bounds_of(text: str, marks: tuple[int, int], room: tuple[int, int], has_word: bool) -> Bounds:
    """Return an atom with its signs.

    Args:
        text: that of the segment.
        marks: begin and end of the marks.
        room: begin and end of the text up to the neighbouring marks.
        has_word: there is a word somewhere before `room`.
    """
    (begin, end), (first, last) = marks, room
    opening = trailing_signs(text[first:begin])
    signs = SIGNS.match(text, end, last)
    closing = signs[0] if signs else ""
    is_inside = WORDLIKE.match(text, end + len(closing), last) is not None
    while opening and closing and is_bracketed(opening[-1], closing[0]):
        opening, closing, begin, end = opening[:-1], closing[1:], begin - 1, end + 1
    kept = len(opening.rstrip("".join({*opening} - {*BEFORE})))
    opening, begin = opening[:kept], begin - len(opening) + kept
    if is_inside and closing[:1] not in APOSTROPHES:
        closing, end = "", end + len(closing)
    elif not is_inside:
        kept = len(closing.rstrip(AFTER))
        closing, end = closing[kept:], end + kept
    has_opening = bool(opening) and not closing
    has_opening = has_opening and WORDLIKE.match(text[end:last].lstrip()) is not None
    if not has_opening:
        begin -= len(opening)
    if is_inside or not closing:
        return Bounds(begin, end, end, has_opening)
    tail_end = end + len(closing)
    before = text[first:begin].rstrip()
    if not has_word and not WORDLIKE.search(before):
        return Bounds(begin, tail_end, tail_end)
    word = before.rstrip(AFTER)
    if len(word) < len(before) < begin - first and WORDLIKE.match(word[-1:]):
        begin = first + len(word)  # two signs at the end of one word are too many
    return Bounds(begin, end, tail_end)


def trailing_signs(text: str) -> str:
    """Return the signs at the end of a text that touch no word before them."""
    place = len(text)
    while place and not text[place - 1].isspace():
        if WORDLIKE.match(text[place - 1]):
            return ""
        place -= 1
    return text[place:]


def is_bracketed(before: str, after: str) -> bool:
    """Return whether two signs are brackets or quotation marks around something."""
    return before in BEFORE and after in AFTER and after not in END_MARKS
