"""Prose: paragraphs of plain text, with blank lines between them."""

import re

from nmt.decoding.marked import Marked
from nmt.formats.document import Document, Options, Segment, Skeleton
from nmt.formats.encoding import decode

PARAGRAPH = re.compile(r"\S(?:.*\S)?(?:\r?\n[^\S\n]*\S(?:.*\S)?)*")  # lines that are not blank
LINE_BREAK = re.compile(r"\s*\n\s*")


def read(content: bytes, options: Options) -> Document:
    """Return the document of a text; a paragraph is a segment, on one line.

    Indentation before and blank lines between paragraphs stay as they are.
    """
    text, encoding = decode(content)
    skeleton = Skeleton(encoding)
    end = 0
    for found in PARAGRAPH.finditer(text):
        skeleton.keep(text[end : found.start()])
        line = text.count("\n", 0, found.start()) + 1
        words = LINE_BREAK.sub(" ", found[0])
        skeleton.translate(found[0], Segment(Marked(words), f"line {line}"), plain)
        end = found.end()
    skeleton.keep(text[end:])
    return skeleton


def plain(translation: Marked) -> str:
    """Return the text of a translation."""
    return translation.text
