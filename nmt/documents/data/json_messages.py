"""JSON: messages of i18next, FormatJS, Chrome extensions (messages.json) and Flutter (.arb).

Strings that are values are translated if they are texts (`is_text`). Keys, numbers and metadata
stay, and so does the layout.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Options, SourceDocument, decode
from nmt.documents.marks.never_text import is_text
from nmt.documents.marks.tags import with_tags
from nmt.errors import NmtError
from nmt.system.json_data import FAULTS, reason

DEEPEST = 100  # levels of nesting
TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],]')
UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
BYTE = re.compile(r"\(byte (\d+)\)")

METADATA = ("@", "$", "//")  # keys of ARB, JSON Schema and comments begin so
COMMENTS = {"_comment", "__comment__"}
LOCALE = "@@locale"  # of ARB
# Where each member of the file has this key, its other members are not for readers.
CHROME, FORMATJS = "message", "defaultMessage"
OF_CHROME = {CHROME, "description", "placeholders"}


class String(NamedTuple):
    """A string that is a value: where it is, without its quotes, and the keys that lead to it."""

    begin: int
    end: int
    keys: tuple[str, ...]  # of objects, and indices of arrays; as written


def check_json(text: str) -> None:
    """Raise NmtError unless a text is valid JSON, with the line of the fault."""
    encoded = text.encode("utf-8", "surrogatepass")
    try:
        msgspec.json.decode(encoded, type=msgspec.Raw)
    except FAULTS as error:
        found = BYTE.search(str(error))
        position = int(found[1]) if found else len(encoded)
        line = encoded.count(b"\n", 0, position) + 1
        column = position - encoded.rfind(b"\n", 0, position)
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
    keys: list[str | int] = []  # one of each object and array that is open; an index of an array
    expects_key = False
    for token in TOKEN.finditer(text):
        sign = token[0][0]
        if sign == '"' and expects_key:
            keys[-1], expects_key = token[0][1:-1], False
        elif sign == '"':
            yield String(token.start() + 1, token.end() - 1, tuple(map(str, keys)))
        elif sign == ",":
            last = keys[-1]
            if isinstance(last, int):
                keys[-1] = last + 1
            else:
                expects_key = True
        elif sign in "{[":
            if len(keys) == DEEPEST:
                line = text.count("\n", 0, token.start()) + 1
                raise NmtError(
                    f"line {line}: the JSON is nested more than {DEEPEST} levels deep; a file of"
                    " texts is flatter"
                )
            expects_key = sign == "{"
            keys.append("" if expects_key else 0)
        else:
            keys.pop()
            expects_key = False  # that of an empty object


class Escapes(NamedTuple):
    r"""Which characters a file escapes in its strings."""

    is_ascii: bool = False  # all others as \u00fc
    characters: str = ""  # of ASCII, though JSON demands it not: / or <>&

    def within(self, raw: str) -> "Escapes":
        """Return the escapes of a part of the file; those of the file if it tells nothing."""
        if raw.isascii() and "\\" not in raw:
            return self
        codes = [int(code, 16) for code in UNICODE_ESCAPE.findall(raw)]
        is_ascii = raw.isascii() and (self.is_ascii or any(code > 0x7F for code in codes))
        own = {chr(code) for code in codes if 0x20 < code < 0x7F and code not in b'"\\'}
        return Escapes(is_ascii, "".join(own) + "/" * ("\\/" in raw))

    def write(self, translation: Marked) -> str:
        """Return a translation as JSON, without quotes."""
        if not self.characters:
            return json.dumps(translation.text, ensure_ascii=self.is_ascii)[1:-1]
        return "".join(map(self._character, translation.text))

    def _character(self, character: str) -> str:
        if character not in self.characters:
            return json.dumps(character, ensure_ascii=self.is_ascii)[1:-1]
        return "\\/" if character == "/" else f"\\u{ord(character):04x}"


def read(content: bytes, options: Options) -> Document:
    """Return the document of a JSON file; each string that is a text is a segment.

    Raises:
        NmtError: if it is not valid JSON, or nested too deeply.
    """
    text, encoding = decode(content)
    check_json(text)
    document = SourceDocument(content, text, encoding)
    found = list(strings(text))
    only = _message_key(found)
    escapes = Escapes(Escapes().within(text).is_ascii)
    for begin, end, keys in found:
        if keys == (LOCALE,) and options.target_language:
            document.change(begin, end, options.target_language)
        if not _is_translated(keys, only):
            continue
        raw = text[begin:end]
        value = str(json.loads(f'"{raw}"')) if "\\" in raw else raw
        if is_text(value):
            document.fill_text(begin, end, with_tags(value), escapes.within(raw).write, keys)
    return document


def _is_translated(keys: Sequence[str], only: str) -> bool:
    """Return whether the keys of a string allow a translation."""
    if only:
        return len(keys) == 2 and keys[1] == only
    return not any(key.startswith(METADATA) or key in COMMENTS for key in keys)


def _message_key(found: Sequence[String]) -> str:
    """Return the key that alone has texts: of Chrome's and FormatJS's files; "" in others.

    Each member of such a file is an object with this key, and with no other than the known ones.
    """
    members: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for string in found:
        members.setdefault(string.keys[:1], set()).add(string.keys[1:])
    for key, others in ((CHROME, OF_CHROME), (FORMATJS, None)):
        if members and all(
            (key,) in own and all(path and (not others or path[0] in others) for path in own)
            for own in members.values()
        ):
            return key
    return ""
