"""Find the strings of a JSON text by their places, and write strings as the file does.

No value is built, so that memory stays bounded for a file on a single line of 100 MB.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from nmt.errors import NmtError
from nmt.system.json_data import FAULTS, reason

DEEPEST = 100  # levels of nesting
TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],]')
UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
BYTE = re.compile(r"\(byte (\d+)\)")


class String(NamedTuple):
    """A string that is a value: where it is, with its quotes, and the keys that lead to it."""

    begin: int
    end: int
    keys: tuple[str, ...]  # of objects, and indices of arrays; as written


@dataclass
class Level:
    """An object or an array that is being read."""

    is_object: bool
    key: str = ""
    index: int = 0
    expects_key: bool = False

    def name(self) -> str:
        """Return the key or the index of the value that is being read."""
        return self.key if self.is_object else str(self.index)


def check_json(text: str) -> None:
    """Raise NmtError unless a text is valid JSON, with the line of the fault."""
    encoded = text.encode("utf-8", "surrogatepass")
    try:
        msgspec.json.decode(encoded, type=msgspec.Raw)
    except FAULTS as error:
        found = BYTE.search(str(error))
        place = int(found[1]) if found else len(encoded)
        line = encoded.count(b"\n", 0, place) + 1
        column = place - encoded.rfind(b"\n", 0, place)
        cause = BYTE.sub("", reason(error)).strip()
        raise NmtError(
            f"line {line}: the JSON is not valid near column {column:,} ({cause}); correct it in"
            " an editor that checks JSON"
        ) from error


def strings(text: str) -> Iterator[String]:
    """Yield the strings of valid JSON that are values, in order.

    Raises:
        NmtError: if it is nested too deeply.
    """
    levels: list[Level] = []
    for token in TOKEN.finditer(text):
        sign = token[0][0]
        inner = levels[-1] if levels else None
        if sign == '"':
            if inner and inner.expects_key:
                inner.key, inner.expects_key = token[0][1:-1], False
            else:
                yield String(token.start(), token.end(), tuple(each.name() for each in levels))
        elif sign == "," and inner:
            inner.index += 1
            inner.expects_key = inner.is_object
        elif sign in "{[":
            if len(levels) == DEEPEST:
                line = text.count("\n", 0, token.start()) + 1
                raise NmtError(
                    f"line {line}: the JSON is nested more than {DEEPEST} levels deep; a file of"
                    " texts is flatter"
                )
            levels.append(Level(sign == "{", expects_key=sign == "{"))
        else:
            levels.pop()


class Escapes(NamedTuple):
    r"""Which characters a file escapes in its strings."""

    is_ascii: bool = False  # all others as \u00fc
    characters: str = ""  # of ASCII, though JSON demands it not: / or <>&

    def write(self, text: str) -> str:
        """Return a string as JSON, without quotes."""
        if not self.characters:
            return json.dumps(text, ensure_ascii=self.is_ascii)[1:-1]
        return "".join(map(self._character, text))

    def _character(self, each: str) -> str:
        if each not in self.characters:
            return json.dumps(each, ensure_ascii=self.is_ascii)[1:-1]
        return "\\/" if each == "/" else f"\\u{ord(each):04x}"

    def of(self, raw: str) -> "Escapes":
        """Return the escapes of a string of the file; those of the file if it tells nothing."""
        if raw.isascii() and "\\" not in raw:
            return self
        codes = [int(each, 16) for each in UNICODE_ESCAPE.findall(raw)]
        return Escapes(
            raw.isascii() and (self.is_ascii or any(each > 0x7F for each in codes)),
            "".join(
                sorted({chr(each) for each in codes if 0x20 < each < 0x7F and each not in b'"\\'})
            )
            + "/" * ("\\/" in raw),
        )


def escapes_of(text: str) -> Escapes:
    r"""Return what a file escapes: everything but ASCII if it has \u escapes and nothing else."""
    is_ascii = text.isascii() and any(
        int(each[1], 16) > 0x7F for each in UNICODE_ESCAPE.finditer(text)
    )
    return Escapes(is_ascii)


def unescaped(raw: str) -> str:
    """Return the characters of a string that JSON writes so; raw: without quotes."""
    return raw if "\\" not in raw else str(json.loads(f'"{raw}"'))
