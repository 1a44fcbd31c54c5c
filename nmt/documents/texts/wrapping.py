"""Columns that a text takes on a terminal, and lines that fit into a number of columns."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from nmt.decoding.translator.marked import Mark, Marked


def measure_width(text: str) -> int:
    """Return the columns of a text: 2 for wide characters, none for those that combine."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 1 + is_wide(character) for character in text
    )


def is_wide(character: str) -> bool:
    """Return whether a character takes two columns, as those of Chinese and Japanese do."""
    return unicodedata.east_asian_width(character) in "WF"


LINE_BREAK = re.compile(r"\r\n?|\n")
LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+\Z")  # with its line break
SPACE = re.compile(r"[ \t\r\n\f\v]+")  # no-break spaces are part of words
# Chinese and Japanese, which have no spaces; a line does not begin with their closing signs.
UNSPACED = re.compile(
    r"[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\U00020000-\U0003ffff][\u3001\u3002\u300d\u300f\u3011\uff01\uff0c\uff1a\uff1b"
    r"\uff1f\uff09\u30fc\u30c3\u3063\u3083\u3085\u3087\u2026]*"
)


BORDER = re.compile(f"({SPACE.pattern}|{UNSPACED.pattern})")


class Word(NamedTuple):
    """A part of a text that no line break divides."""

    text: str  # with the marks that touch it
    width: int  # in columns, or as its maker measures it
    has_space: bool = True  # before it, unless it begins a line


def split_words(
    text: Marked,
    measure_part: Callable[[str, Mark | None], int] = lambda part, mark: measure_width(part),
) -> list[Word]:
    """Return the words of a text.

    measure_part: gives the width of a part of the text, which may be a mark: 0 for an unseen tag.
    """
    words: list[Word] = []
    is_open = has_space = False  # the next piece may belong to the last word; a space is before it
    for part, mark in text.parts():
        for piece in [part] if mark else filter(None, BORDER.split(part)):
            if not mark and SPACE.fullmatch(piece):
                is_open, has_space = False, True
                continue
            is_unspaced = not mark and UNSPACED.fullmatch(piece) is not None
            width = measure_part(piece, mark)
            if is_open and not (is_unspaced and words[-1].width):
                last = words[-1]
                words[-1] = Word(last.text + piece, last.width + width, last.has_space)
            else:
                words.append(Word(piece, width, has_space))
            is_open, has_space = not is_unspaced, False
    if is_open and len(words) > 1 and not words[-1].width:  # tags at the end
        tags = words.pop()
        gap = " " if tags.has_space else ""
        words[-1] = words[-1]._replace(text=words[-1].text + gap + tags.text)
    return words


def line_width(words: Iterable[Word]) -> int:
    """Return the width of words on a line."""
    return sum(word.width + (number > 0 and word.has_space) for number, word in enumerate(words))


def join_words(words: Iterable[Word]) -> str:
    """Return words as a line."""
    return "".join(
        f" {word.text}" if number and word.has_space else word.text
        for number, word in enumerate(words)
    )


def wrapped(words: Sequence[Word], width: int, first: int | None = None) -> list[list[Word]]:
    """Return words as lines of at most `width` characters; a longer word has its own line.

    first: the width of the first line, if it is another one.
    """
    lines: list[list[Word]] = []
    used = 0
    for word in words:
        wider = used + word.has_space + word.width
        most = first if first is not None and len(lines) == 1 else width
        if lines and wider <= most:
            lines[-1].append(word)
            used = wider
        else:
            lines.append([word])
            used = word.width
    return lines


def joined_lines(lines: Sequence[str]) -> str:
    """Return lines of a paragraph as one, with a space between them if the script has spaces."""
    parts = [*lines[:1]]
    for before, line in pairwise(lines):
        is_unspaced = UNSPACED.match(before[-1:]) and UNSPACED.match(line)
        parts += "" if is_unspaced else " ", line
    return "".join(parts)


def unbroken(translation: Marked) -> str:
    """Return a translation on one line; that of a memory may have line breaks."""
    lines = LINE_BREAK.split(translation.text)
    return lines[0] if len(lines) == 1 else joined_lines([*filter(None, map(str.strip, lines))])


def on_one_line(text: str) -> str:
    """Return a text with a space for each line break and the white space around it."""
    if "\n" not in text:
        return text
    first, *inner, last = text.split("\n")
    return " ".join([first.rstrip(), *map(str.strip, inner), last.lstrip()])
