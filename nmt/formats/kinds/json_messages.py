"""JSON: messages of i18next, FormatJS, Chrome extensions (messages.json) and Flutter (.arb).

Strings that are values are translated if they are texts (`no_text`). Keys, numbers and metadata
stay, and so does the layout.
"""

from collections.abc import Iterator
from functools import lru_cache

from nmt.formats.document import Document, Options, Write
from nmt.formats.encoding import decode
from nmt.formats.resources.json_strings import (
    Escapes,
    String,
    check_json,
    escapes_of,
    strings,
    unescaped,
)
from nmt.formats.resources.no_text import is_text
from nmt.formats.resources.values import ValueDocument, message, path_of

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
