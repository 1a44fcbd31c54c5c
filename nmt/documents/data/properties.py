"""Resource bundles of Java: `.properties`, in UTF-8 or ISO-8859-1."""

import re
import sys
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from nmt.decoding.translator.marked import Mark, Marked, joined
from nmt.documents.document import UTF_8, Document, Options, SourceDocument, decode, unescaped
from nmt.documents.marks.never_text import is_text
from nmt.documents.marks.tags import with_changed_words, with_tags
from nmt.documents.texts.wrapping import join_words, line_width, split_words, wrapped
from nmt.errors import NmtError

ESCAPE = re.compile(
    r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?:\r\n|\r|\n)[ \t\f]*|(?P<sign>.)|\Z)", re.DOTALL
)
NAMED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
ESCAPED = str.maketrans(
    {"\\": "\\\\"} | {character: f"\\{name}" for name, character in NAMED.items()}
)
CONTINUED = re.compile(r"\\(\r\n|\r|\n)([ \t\f]*)")
CODE = re.compile(r"\\u([0-9a-fA-F]{4})")
BAD_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*+\\u(?![0-9a-fA-F]{4})")
# An argument such as {0}, which MessageFormat fills in.
ARGUMENT = re.compile(r"\{\d{1,3}[,}]")
QUOTED = re.compile(r"(''|'[^']*'?)")

COMMENT = re.compile(r"[ \t\f]*(?:[#!][^\r\n]*)?(?:\r\n|\r|\n|\Z)")
# A line goes on after a backslash at its end.
LINE = re.compile(r"(?:[^\\\r\n]|\\(?:\r\n|.|\Z))*+", re.DOTALL)
KEY = re.compile(
    r"[ \t\f]*((?:[^\\:= \t\f\r\n]|\\(?:\r\n|.))*+)"
    r"(?:\\(?:\r\n|\r|\n)|[ \t\f])*+(?:[:=](?:\\(?:\r\n|\r|\n)|[ \t\f])*+)?",
    re.DOTALL,
)


class Entry(NamedTuple):
    """A key and a value, and where the value is in the text."""

    key: str
    begin: int
    end: int
    raw: str  # value
    value: str


class Style(NamedTuple):
    """How a file writes its values."""

    first_code: int  # of the characters that are escaped
    is_upper: bool  # the digits of escapes
    doubles: bool = False  # apostrophes, in every value

    def is_pattern(self, value: str) -> bool:
        """Return whether MessageFormat reads a value."""
        return self.doubles or bool(ARGUMENT.search(value))

    def write(self, entry: Entry, translation: Marked) -> str:
        """Return a translation as a value; it has continued lines if its source has some."""
        if self.is_pattern(entry.value):
            translation = with_changed_words(translation, lambda part: part.replace("'", "''"))
        text = "".join(map(self._character, translation.text.translate(ESCAPED)))
        continued = CONTINUED.search(entry.raw)
        if continued:
            width = max(map(len, entry.raw.splitlines())) - len(continued[2])
            lines = wrapped(split_words(Marked(text)), width)
            if sum(map(line_width, lines)) + len(lines) - 1 == len(text):
                text = f" \\{continued[1]}{continued[2]}".join(map(join_words, lines))
        return f"\\{text}" if text[:1] in (" ", "\t", "\f") else text

    def _character(self, character: str) -> str:
        if ord(character) < self.first_code:
            return character
        digits = character.encode("utf-16-be", "surrogatepass").hex()
        digits = digits.upper() if self.is_upper else digits
        return "".join(f"\\u{digits[index : index + 4]}" for index in range(0, len(digits), 4))


def read(content: bytes, options: Options) -> Document:
    r"""Return the document of a resource bundle; each value that is a text has segments.

    Raises:
        NmtError: for an escape \u without four digits.
    """
    try:
        text, encoding = decode(content)
    except NmtError:  # not UTF-8: Java 9 reads ISO-8859-1
        text, encoding = decode(content, "iso8859-1")
    document = SourceDocument(content, text, encoding)
    if bad := BAD_ESCAPE.search(text):
        place = document.place(bad.end())
        raise NmtError(rf"{place}: \u needs four hexadecimal digits; write \\ for a backslash")
    entries = list(_entries(text))
    # A file in ASCII is read alike as UTF-8 and as ISO-8859-1, so other characters are escaped.
    first_code = sys.maxunicode + 1 if encoding.name == UTF_8.name else 0x100
    digits = "".join(CODE.findall(text))
    style = Style(0x80 if text.isascii() else first_code, digits != digits.lower())
    # If a message without arguments has doubled apostrophes, MessageFormat reads all messages.
    plain = (entry.value for entry in entries if not style.is_pattern(entry.value))
    style = style._replace(doubles=any("''" in value for value in plain))
    for entry in entries:
        if is_text(entry.value):
            source = with_tags(entry.value)
            if style.is_pattern(entry.value):
                source = without_apostrophes(source)
            write = partial(style.write, entry)
            document.fill_text(entry.begin, entry.end, source, write, [entry.key])
    return document


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
        begin, at = min(key.end(), line.end()), line.end()
        if begin < at:
            raw = text[begin:at]
            yield Entry(
                ESCAPE.sub(r"\g<sign>", key[1]), begin, at, raw, unescaped(raw, ESCAPE, NAMED)
            )
        at += 2 if text.startswith("\r\n", at) else 1


def without_apostrophes(text: Marked) -> Marked:
    """Return a pattern of MessageFormat with single apostrophes, and what it quotes as marks."""
    pieces = list[Marked]()
    for part, mark in text.parts():
        for number, piece in enumerate([part] if mark else QUOTED.split(part)):
            own = Mark(0, 0) if number % 2 and piece != "''" else mark
            pieces.append(own.over(piece) if own else Marked(piece.replace("''", "'")))
    return joined(pieces)
