"""Plain text: prose in paragraphs with blank lines between them, or plain lines."""

import re
from functools import partial
from typing import NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Options, Segment, Skeleton
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
    """A line of a paragraph; its parts make up what the file has."""

    before: str  # indentation, and the marker of a list
    text: str
    after: str  # spaces and the line end


def read(content: bytes, options: Options) -> Document:
    """Return the document of a text; a paragraph is a segment, on one line.

    Indentation, markers of lists and blank lines stay as they are. If a paragraph has several
    lines, its translation is wrapped to the width of the longest one.
    """
    text, encoding = decode(content)
    skeleton = Skeleton(encoding)
    paragraph: list[Line] = []
    number = 0  # of the line at which the paragraph begins
    for place, found in enumerate(LINE.finditer(text), start=1):
        line = found[0]
        if UNDERLINE.fullmatch(line) and len(paragraph) == 1:
            _add_heading(skeleton, paragraph[0], line, number)
            paragraph = []
            continue
        marker = MARKER.match(line)
        if marker or not line.strip():
            _add(skeleton, paragraph, number)
            paragraph = []
        if not line.strip():
            skeleton.keep(line)
            continue
        number = number if paragraph else place
        begin = marker.end() if marker else len(line) - len(line.lstrip())
        end = len(line.rstrip())
        paragraph.append(Line(line[:begin], line[begin:end], line[end:]))
    _add(skeleton, paragraph, number)
    return skeleton


def _add(
    skeleton: Skeleton, paragraph: list[Line], number: int, *, is_heading: bool = False
) -> None:
    """Add a paragraph that begins at a line; without words, it stays."""
    if not paragraph:
        return
    whole = "".join("".join(line) for line in paragraph)
    first, last = paragraph[0], paragraph[-1]
    source = joined_lines([line.text for line in paragraph])
    if not any(map(str.isalpha, source)):
        skeleton.keep(whole)
        return
    skeleton.keep(first.before)
    raw = whole[len(first.before) : len(whole) - len(last.after)]
    segment = Segment(Marked(source), f"line {number}", is_heading=is_heading)
    skeleton.translate(raw, segment, partial(_write, paragraph))
    skeleton.keep(last.after)


def _add_heading(skeleton: Skeleton, line: Line, underline: str, number: int) -> None:
    """Add a heading; a line of the same width under it gets that of the translation."""
    segment = len(skeleton.segments)
    _add(skeleton, [line], number, is_heading=True)
    begin, sign = len(underline) - len(underline.lstrip()), underline.strip()
    is_as_wide = len(sign) == width_of(line.text) and segment < len(skeleton.segments)
    if not is_as_wide:
        skeleton.keep(underline)
        return

    def write(translation: Marked) -> str:
        return sign[0] * width_of(translation.text)

    skeleton.keep(underline[:begin])
    skeleton.repeat(sign, segment, write)
    skeleton.keep(underline[begin + len(sign) :])


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
    skeleton = Skeleton(encoding)
    for number, found in enumerate(LINE.finditer(text), 1):
        line = found[0]
        words = line.strip()
        begin = line.find(words)
        skeleton.keep(line[:begin])
        if words:
            segment = Segment(Marked(words), f"line {number}", is_one=True)
            skeleton.translate(words, segment, unbroken)
        skeleton.keep(line[begin + len(words) :])
    return skeleton
