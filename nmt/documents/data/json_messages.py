"""JSON: messages of i18next, FormatJS, Chrome extensions (messages.json) and Flutter (.arb).

Strings that are values are translated if they are texts (`no_text`). Keys, numbers and metadata
stay, and so does the layout.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import msgspec

from nmt.documents.data.values import ValueDocument, path_of
from nmt.documents.document import Document, Options, Write
from nmt.documents.encoding import decode
from nmt.documents.marks.never_text import is_text
from nmt.documents.marks.tags import message
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


METADATA = ("@", "$", "//")  # keys of ARB, JSON Schema and comments begin so
COMMENTS = {"_comment", "__comment__"}
LOCALE = "@@locale"  # of ARB
# Where each member of the file has this key, its other members are not for readers.
CHROME, FORMATJS = "message", "defaultMessage"
OF_CHROME = {CHROME, "description", "placeholders"}


def read(content: bytes, options: Options) -> Document:
    """Return the document of a JSON file; each string that is a text is a segment.

    Raises:
        NmtError: if it is not valid JSON, or nested too deeply.
    """
    text, encoding = decode(content)
    check_json(text)
    document = ValueDocument(encoding)
    only = _message_key(text)
    escapes = escapes_of(text)
    kept, line = 0, 1
    for string in strings(text):
        begin, end = string.begin + 1, string.end - 1
        raw = text[begin:end]
        is_locale = string.keys == (LOCALE,) and options.target_language != ""
        if not is_locale and not _is_translated(string, only):
            continue
        value = unescaped(raw)
        if not is_locale and not is_text(value):
            continue
        document.keep(text[kept:begin])
        line += text.count("\n", kept, begin)
        kept = end
        if is_locale:
            document.follow(raw, options.target_language)
            continue
        write = _writers(escapes.of(raw))
        place, context = f"line {line}", path_of(string.keys)
        document.translate(raw, message(value), write, place=place, context=context)
    document.keep(text[kept:])
    return document


def _is_translated(string: String, only: str) -> bool:
    """Return whether the keys of a string allow a translation."""
    if only:
        return len(string.keys) == 2 and string.keys[1] == only
    return not any(key.startswith(METADATA) or key in COMMENTS for key in string.keys)


def _message_key(text: str) -> str:
    """Return the key that alone has texts: of Chrome's and FormatJS's files; "" in others."""
    for key, others in ((CHROME, OF_CHROME), (FORMATJS, None)):
        if _is_in_all(strings(text), key, others):
            return key
    return ""


def _is_in_all(found: Iterator[String], key: str, others: set[str] | None) -> bool:
    """Return whether each member of a file is an object with this key, and no other than these."""
    member, has_key = None, True
    for string in found:
        if len(string.keys) < 2 or (others and string.keys[1] not in others):
            return False
        if string.keys[0] != member:
            if not has_key:
                return False
            member, has_key = string.keys[0], False
        has_key = has_key or string.keys[1:] == (key,)
    return has_key and member is not None


@lru_cache(maxsize=64)
def _writers(escapes: Escapes) -> Write:
    """Return the function that writes a value; one for many values."""
    return lambda translation: escapes.write(translation.text)
