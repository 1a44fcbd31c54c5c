"""Resource bundles of Java: `.properties`, in UTF-8 or ISO-8859-1."""

import re
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from nmt.errors import NmtError
from nmt.formats.document import Document, Options
from nmt.formats.encoding import Encoding, decode, decode_as
from nmt.formats.resources.java_strings import (
    DOUBLED,
    ESCAPE,
    style_of,
    unescaped,
    without_apostrophes,
)
from nmt.formats.resources.no_text import is_text
from nmt.formats.resources.values import ValueDocument, message, path_of

LATIN_1 = Encoding("iso8859-1")
COMMENT = re.compile(r"[ \t\f]*(?:[#!][^\r\n]*)?(?:\r\n|\r|\n|\Z)")
# A line goes on after a backslash at its end.
LINE = re.compile(r"(?:[^\\\r\n]|\\(?:\r\n|.|\Z))*+", re.DOTALL)
KEY = re.compile(
    r"[ \t\f]*((?:[^\\:= \t\f\r\n]|\\(?:\r\n|.))*+)"
    r"(?:\\(?:\r\n|\r|\n)|[ \t\f])*+(?:[:=](?:\\(?:\r\n|\r|\n)|[ \t\f])*+)?",
    re.DOTALL,
)
BAD_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*+\\u(?![0-9a-fA-F]{4})")


class Entry(NamedTuple):
    """A key and a value, and where the value is in the text."""

    key: str
    begin: int
    end: int


def read(content: bytes, options: Options) -> Document:
    r"""Return the document of a resource bundle; each value that is a text has segments.

    Raises:
        NmtError: for an escape \u without four digits.
    """
    text, encoding = _decoded(content)
    if bad := BAD_ESCAPE.search(text):
        line = text.count("\n", 0, bad.end()) + 1
        raise NmtError(rf"line {line}: \u needs four hexadecimal digits; write \\ for a backslash")
    entries = [*_entries(text)]
    values = [unescaped(text[each.begin : each.end]) for each in entries]
    style = style_of(text, encoding.name)
    # If a message without arguments has doubled apostrophes, MessageFormat reads all messages.
    plain = (each for each in values if not style.is_pattern(each))
    style = style._replace(doubles=any(map(DOUBLED.search, plain)))
    document = ValueDocument(encoding)
    kept, line = 0, 1
    for entry, value in zip(entries, values, strict=True):
        if not is_text(value):
            continue
        line += text.count("\n", kept, entry.begin)
        document.keep(text[kept : entry.begin])
        raw = text[entry.begin : entry.end]
        source = message(value)
        document.translate(
            raw,
            without_apostrophes(source) if style.is_pattern(value) else source,
            partial(style.write, raw),
            place=f"line {line}",
            context=path_of([entry.key]),
        )
        line += raw.count("\n")
        kept = entry.end
    document.keep(text[kept:])
    return document


def _decoded(content: bytes) -> tuple[str, Encoding]:
    """Return the text in UTF-8 if it is valid, else in ISO-8859-1, as Java 9 reads it."""
    try:
        content.decode()
    except UnicodeDecodeError:
        is_marked = content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"))
        return decode(content) if is_marked else decode_as(content, LATIN_1)
    return decode(content)


def _entries(text: str) -> Iterator[Entry]:
    at = 0
    while at < len(text):
        comment = COMMENT.match(text, at)
        if comment and comment.end() > at:
            at = comment.end()
            continue
        line = LINE.match(text, at)
        key = KEY.match(text, at)
        if not line or not key:  # both match anything
            return
        begin = min(key.end(), line.end())
        if begin < line.end():
            yield Entry(ESCAPE.sub(r"\2", key[1]), begin, line.end())
        at = line.end()
        at += 2 if text.startswith("\r\n", at) else 1
