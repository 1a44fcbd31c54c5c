r"""Texts as `.properties` files of Java have them: escapes, continued lines, apostrophes."""

import re
from typing import NamedTuple

from nmt.decoding.marks.marked import Mark, Marked, joined
from nmt.formats.marking.tags import with_changed_words
from nmt.formats.wrapping import line_of, width_of_line, words_of, wrapped

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
