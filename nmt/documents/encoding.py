"""Decode the content of text files, and encode it again in the same way."""

import codecs
from typing import NamedTuple

from nmt.errors import NmtError, shown

# Longer marks first: that of UTF-32 begins with that of UTF-16.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


# Python has these for other purposes; some take quadratic time.
NOT_OF_FILES = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"}


class Encoding(NamedTuple):
    """How a text file is encoded."""

    name: str = "utf-8"
    mark: bytes = b""  # the byte order mark that the file begins with
    lacking: str = "strict"  # what becomes of characters that it lacks: `errors` of str.encode

    def encode(self, text: str) -> bytes:
        """Return the bytes of a text; raises NmtError for a character that it cannot write."""
        try:
            return self.mark + text.encode(self.name, self.lacking)
        except UnicodeEncodeError as error:
            character = text[error.start]
            raise NmtError(
                f"the encoding {self.name} of the file has no {character!r} (U+"
                f"{ord(character):04X}), which the translation needs; save the file in UTF-8"
            ) from error


UTF_8 = Encoding()


def decode(content: bytes, declared: str = "") -> tuple[str, Encoding]:
    """Return the text of a file and its encoding: by its byte order mark, else as declared.

    declared: the name that the file gives, or "" for UTF-8. Line ends stay as they are.

    Raises:
        NmtError: for bytes that are not in the encoding, or an unknown encoding.
    """
    return decode_as(content, encoding_of(content, declared))


def encoding_of(content: bytes, declared: str = "") -> Encoding:
    """Return the encoding of a file's content, or of its beginning; see `decode`."""
    for mark, name in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return Encoding(name, mark)
    try:
        name = codecs.lookup(declared or "utf-8").name
        is_text = codecs.lookup(name)._is_text_encoding and name not in NOT_OF_FILES
    except LookupError:
        is_text = False
    if not is_text:
        raise NmtError(
            f"there is no encoding {shown(declared)}; save the file in UTF-8 and declare it there"
        )
    return Encoding(name)


def decode_as(content: bytes, encoding: Encoding) -> tuple[str, Encoding]:
    """Return the text of a file in a known encoding; raises NmtError with the line if not.

    A text has no NUL character: expat and editors end there.
    """
    body = content[len(encoding.mark) :]
    try:
        text = body.decode(encoding.name)
    except UnicodeDecodeError as error:
        begin = len(encoding.mark) + error.start
        line = content.count(b"\n", 0, begin) + 1
        raise NmtError(
            f"line {line}: the bytes at offset {begin:,} are not {encoding.name}; save the file in"
            " UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise NmtError(
            f"line {line}: there is a NUL character, so this is not text; if the file is UTF-16"
            " without a byte order mark, save it in UTF-8"
        )
    # Some encodings have several forms of a character, of which one is lost.
    if encoding.name != UTF_8.name and text.encode(encoding.name, "replace") != body:
        raise NmtError(f"the bytes are not valid {encoding.name}; save the file in UTF-8")
    return text, encoding
