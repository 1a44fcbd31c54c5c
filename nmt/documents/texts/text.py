"""Plain text: prose in paragraphs with blank lines between them, or plain lines."""

import re
from functools import partial

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Options, Segment, SourceDocument, decode
from nmt.documents.texts.wrapping import (
    LINE,
    LINE_BREAK,
    join_words,
    joined_lines,
    measure_width,
    split_words,
    unbroken,
    wrapped,
)

# Before the text of an entry of a list: a bullet or a number.
MARKER = r"[^\S\n]*(?:[-*+•–]|\(?(?:\d{1,4}|[A-Za-z])[.)])[^\S\n]+(?=\S)"
# Indentation and the marker of a list, the text, and the spaces and the line end after it.
PARTS = re.compile(rf"(?:(?P<marker>{MARKER})|(?P<indent>\s*))(?P<text>.*\S|)(?P<after>\s*)")
UNDERLINE = re.compile(r"\s*([=~^\"'#*+-])\1{2,}\s*")


def read(content: bytes, options: Options) -> Document:
    """Return the document of a text; a paragraph is a segment, on one line.

    Indentation, markers of lists and blank lines stay as they are. If a paragraph has several
    lines, its translation is wrapped to the width of the longest one.
    """
    text, encoding = decode(content)
    document = SourceDocument(content, text, encoding)
    paragraph: list[re.Match[str]] = []
    for found in LINE.finditer(text):
        if UNDERLINE.fullmatch(found[0]) and len(paragraph) == 1:
            _add_heading(document, paragraph[0], found)
            paragraph = []
            continue
        line = PARTS.fullmatch(text, *found.span())
        if not line or not line["text"] or line["marker"]:  # one matches any line
            _add(document, paragraph)
            paragraph = []
        if line and line["text"]:
            paragraph.append(line)
    _add(document, paragraph)
    return document


def _add(
    document: SourceDocument, paragraph: list[re.Match[str]], *, is_heading: bool = False
) -> int | None:
    """Add a paragraph and return the number of its segment; None without words: it stays."""
    source = joined_lines([line["text"] for line in paragraph])
    if not any(map(str.isalpha, source)):
        return None
    begin, end = paragraph[0].start("text"), paragraph[-1].end("text")
    number = document.add(Segment(Marked(source), document.place(begin), is_heading=is_heading))
    document.fill(begin, end, number, partial(_write, paragraph))
    return number


def _add_heading(document: SourceDocument, line: re.Match[str], underline: re.Match[str]) -> None:
    """Add a heading; a line of the same width under it gets that of the translation."""
    number = _add(document, [line], is_heading=True)
    signs = underline[0].strip()
    if number is not None and len(signs) == measure_width(line["text"]):
        begin = underline.start() + underline[0].index(signs)
        end = begin + len(signs)
        document.fill(begin, end, number, lambda new: signs[0] * measure_width(new.text))


def _write(paragraph: list[re.Match[str]], translation: Marked) -> str:
    """Return a translation on one line, or on several if its source has them."""
    if len(paragraph) == 1:
        return unbroken(translation)
    starts = [line["marker"] or line["indent"] for line in paragraph]
    lines = [start + line["text"] for start, line in zip(starts, paragraph, strict=True)]
    width = max(map(measure_width, lines))
    first, later = (max(1, width - measure_width(start)) for start in starts[:2])
    written = map(join_words, wrapped(split_words(translation), later, first=first))
    line_break = LINE_BREAK.search(paragraph[0]["after"])
    return f"{line_break[0] if line_break else ''}{starts[1]}".join(written)


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
