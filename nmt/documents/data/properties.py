"""Resource bundles of Java: `.properties`, in UTF-8 or ISO-8859-1."""

import re
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from nmt.decoding.translator.marked import Mark, Marked, joined
from nmt.documents.data.values import ValueDocument, path_of
from nmt.documents.document import Document, Options
from nmt.documents.encoding import Encoding, decode, decode_as
from nmt.documents.marks.never_text import is_text
from nmt.documents.marks.tags import message, with_changed_words
from nmt.documents.texts.wrapping import line_of, width_of_line, words_of, wrapped
from nmt.errors import NmtError

ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(?:\r\n|\r|\n)[ \t\f]*|(.)|\Z)", re.DOTALL)
NAMED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
CONTINUED = re.compile(r"\\(\r\n|\r|\n)([ \t\f]*)")
CODE = re.compile(r"\\u([0-9a-fA-F]{4})")
# An argument such as {0}, which MessageFormat fills in.
ARGUMENT = re.compile(r"\{\d{1,3}[,}]")
DOUBLED = re.compile(r"''")
QUOTED = re.compile(r"''|'[^']*'?")


def unescaped(raw: str) -> str:
    """Return the characters of a value."""

    def character(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        return NAMED.get(found[2], found[2]) if found[2] else ""

    text = ESCAPE.sub(character, raw) if "\\" in raw else raw
    if any("\ud800" <= each <= "\udfff" for each in text):  # two escapes for one character
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def without_apostrophes(text: Marked) -> Marked:
    """Return a pattern of MessageFormat with single apostrophes, and what it quotes as marks."""
    parts: list[Marked] = []
    number = 0
    for part, is_mark in text.parts():
        if is_mark:
            kind = text.marks[number].kind
            parts.append(Marked(part, (Mark(0, len(part), kind),)))
            number += 1
            continue
        end = 0
        for found in QUOTED.finditer(part):
            parts.append(Marked(part[end : found.start()]))
            whole = (Mark(0, len(found[0])),)
            parts.append(Marked("'") if found[0] == "''" else Marked(found[0], whole))
            end = found.end()
        parts.append(Marked(part[end:]))
    return joined(parts)


class Style(NamedTuple):
    """How a file writes its values."""

    is_ascii: bool  # other characters are escaped
    encoding: str
    is_upper: bool  # the digits of escapes
    doubles: bool  # apostrophes, in every value

    def is_pattern(self, value: str) -> bool:
        """Return whether MessageFormat reads a value."""
        return self.doubles or bool(ARGUMENT.search(value))

    def write(self, raw: str, translation: Marked) -> str:
        """Return a translation as a value; it has continued lines if the source, raw, has some."""
        if self.is_pattern(unescaped(raw)):
            translation = with_changed_words(translation, lambda part: part.replace("'", "''"))
        escaped = with_changed_words(translation, self._escape)
        text = "".join(self._escape(p) if m else p for p, m in escaped.parts())
        continued = CONTINUED.search(raw)
        if continued:
            width = max(map(len, raw.splitlines())) - len(continued[2])
            lines = wrapped(words_of(Marked(text)), width)
            if sum(map(width_of_line, lines)) + len(lines) - 1 == len(text):
                text = f" \\{continued[1]}{continued[2]}".join(map(line_of, lines))
        return f"\\{text}" if text[:1] in (" ", "\t", "\f") else text

    def _escape(self, text: str) -> str:
        text = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
        text = text.replace("\r", "\\r").replace("\f", "\\f")
        if self.is_ascii or self.encoding != "utf-8":
            text = "".join(each if self._is_written(each) else self._code(each) for each in text)
        return text

    def _is_written(self, character: str) -> bool:
        return character.isascii() or (not self.is_ascii and ord(character) < 0x100)

    def _code(self, character: str) -> str:
        encoded = character.encode("utf-16-be", "surrogatepass")
        codes = (f"{encoded[at]:02x}{encoded[at + 1]:02x}" for at in range(0, len(encoded), 2))
        return "".join(f"\\u{each.upper() if self.is_upper else each}" for each in codes)


def style_of(text: str, encoding: str) -> Style:
    """Return how a file writes its values.

    A file in ASCII is read alike as UTF-8 and as ISO-8859-1, so other characters are escaped.
    """
    digits = "".join(CODE.findall(text))
    return Style(text.isascii(), encoding, digits != digits.lower(), doubles=False)


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
