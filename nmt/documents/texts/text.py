"""Plain text: prose in paragraphs with blank lines between them, or plain lines."""

import re
from functools import partial
from typing import NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Options, Segment, SourceDocument
from nmt.documents.encoding import decode
from nmt.documents.texts.wrapping import (
    LINE,
    LINE_BREAK,
    joined_lines,
    line_of,
    unbroken,
    width_of,
    words_of,
    wrapped,
)

# Before the text of an entry of a list: a bullet or a number.
MARKER = re.compile(r"[^\S\n]*(?:[-*+•–]|\(?(?:\d{1,4}|[A-Za-z])[.)])[^\S\n]+(?=\S)")
UNDERLINE = re.compile(r"\s*([=~^\"'#*+-])\1{2,}\s*")


class Line(NamedTuple):
    """A line of a paragraph, and where its text is in the file."""

    before: str  # indentation, and the marker of a list
    begin: int
    text: str
    after: str  # spaces and the line end


def read(content: bytes, options: Options) -> Document:
    """Return the document of a text; a paragraph is a segment, on one line.

    Indentation, markers of lists and blank lines stay as they are. If a paragraph has several
    lines, its translation is wrapped to the width of the longest one.
    """
    text, encoding = decode(content)
    document = SourceDocument(content, text, encoding)
    paragraph: list[Line] = []
    for found in LINE.finditer(text):
        line = found[0]
        if UNDERLINE.fullmatch(line) and len(paragraph) == 1:
            _add_heading(document, paragraph[0], line, found.start())
            paragraph = []
            continue
        marker = MARKER.match(line)
        if marker or not line.strip():
            _add(document, paragraph)
            paragraph = []
        if not line.strip():
            continue
        begin = marker.end() if marker else len(line) - len(line.lstrip())
        end = len(line.rstrip())
        paragraph.append(Line(line[:begin], found.start() + begin, line[begin:end], line[end:]))
    _add(document, paragraph)
    return document


def _add(
    document: SourceDocument, paragraph: list[Line], *, is_heading: bool = False
) -> int | None:
    """Add a paragraph and return the number of its segment; None without words: it stays."""
    source = joined_lines([line.text for line in paragraph])
    if not any(map(str.isalpha, source)):
        return None
    first, last = paragraph[0], paragraph[-1]
    place = document.place(first.begin)
    number = document.add(Segment(Marked(source), place, is_heading=is_heading))
    end = last.begin + len(last.text)
    document.fill(first.begin, end, number, partial(_write, paragraph))
    return number


def _add_heading(document: SourceDocument, line: Line, underline: str, begin: int) -> None:
    """Add a heading; a line of the same width under it gets that of the translation."""
    number = _add(document, [line], is_heading=True)
    sign = underline.strip()
    begin += underline.index(sign)
    if number is not None and len(sign) == width_of(line.text):
        end = begin + len(sign)
        document.fill(begin, end, number, lambda new: sign[0] * width_of(new.text))


def _write(paragraph: list[Line], translation: Marked) -> str:
    """Return a translation on one line, or on several if its source has them."""
    if len(paragraph) == 1:
        return unbroken(translation)
    width = max(width_of(line.before + line.text) for line in paragraph)
    first, second = paragraph[0], paragraph[1]
    lines = wrapped(
        words_of(translation),
        max(1, width - width_of(second.before)),
        first=max(1, width - width_of(first.before)),
    )
    line_break = LINE_BREAK.search(first.after)
    return f"{line_break[0] if line_break else ''}{second.before}".join(map(line_of, lines))


def read_lines(content: bytes, options: Options) -> Document:
    """Return the document of a text; each line with words is a segment.

    A line ends at a line feed, a carriage return or both.
    """
    text, encoding = decode(content)
    document = SourceDocument(content, text, encoding)
    for line, found in enumerate(LINE.finditer(text), 1):
        words = found[0].strip()
        if words:
            begin = found.start() + found[0].index(words)
            number = document.add(Segment(Marked(words), f"line {line}", is_one=True))
            document.fill(begin, begin + len(words), number, unbroken)
    return document
