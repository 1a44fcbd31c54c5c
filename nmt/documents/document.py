"""A file as its format reads it: segments to translate, and what stays as it is.

The content of a file is decoded, and later encoded in the same way.

A format finds texts in the source of a file and adds a hole for each: from where to where it goes,
which segments it holds, and what is written for their translations. All else stays, character for
character.
"""

import codecs
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import NamedTuple, Protocol

from nmt.decoding.translator.marked import Marked, joined
from nmt.documents.marks.never_text import ANY_PROGRAM
from nmt.documents.messages.message import Text
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

    declared: the name that the file gives, or "" for UTF-8. Line ends stay as they are. A text has
    no NUL character: expat and editors end there.

    Raises:
        NmtError: for bytes that are not in the encoding, with the line, or an unknown encoding.
    """
    encoding = find_encoding(content, declared)
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


def find_encoding(content: bytes, declared: str) -> Encoding:
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


NO_SYNTAX: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Options:
    """The user's options for files, and the languages of the model."""

    source_language: str = ""  # ISO 639 codes, such as "en"; "": not known
    target_language: str = ""
    columns: tuple[str, ...] = ()  # of a table: names, or numbers from 1; tables need some
    translates_all: bool = False  # entries too that are translated already
    to: str = ""  # the language to write, if not that of the settings


@dataclass(frozen=True)
class Segment:
    """A text of a file that is translated by itself: a paragraph, a cell, a message."""

    source: Marked  # without the escapes of the format; its marks are those that the format knows
    place: str = ""  # where it is in the file, for messages, such as "line 12"
    context: str = ""  # what tells equal texts apart, such as a key or a message context
    is_heading: bool = False
    is_one: bool = False  # never split into sentences, such as a label
    # The placeholders that may stand in it: names of `never_text.SYNTAXES`.
    syntax: frozenset[str] = NO_SYNTAX
    document: str = ""  # of several in the file, the one that it is from; "": not stated


LONGEST_PATH = 200  # characters
LONGEST_KEY = 60


def key_path(keys: Sequence[str]) -> str:
    """Return keys as a path, such as menu.file.open; the beginning of a long one is left out."""
    path = ".".join(key[:LONGEST_KEY] for key in keys)
    return path if len(path) <= LONGEST_PATH else f"...{path[-LONGEST_PATH:]}"


class Finding(NamedTuple):
    """A fault in a translated file that a user should look at."""

    place: str  # as that of a segment
    message: str  # a sentence without its end, such as "the subtitle has 21 characters a second"


class Joined(NamedTuple):
    """The content of a translated file, and the faults that a user should look at."""

    content: bytes
    findings: tuple[Finding, ...] = ()


class Document(Protocol):
    """A file that was read."""

    @property
    def segments(self) -> Sequence[Segment]:
        """Return the texts to translate, in the order of the file."""
        ...

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each segment; None leaves one as it is.

        If every translation equals its source, the content is that of the file, byte for byte.
        """
        ...


# Returns what is written for a translation: escaped as the format demands, the marks as they are.
Write = Callable[[Marked], str]


def unescaped(raw: str, escape: re.Pattern[str], named: Mapping[str, str]) -> str:
    """Return a text without its escapes, of which two may stand for one character.

    escape: with the groups `code`, four hexadecimal digits, and `sign`, which stands for itself
    unless it is named.
    """

    def character(found: re.Match[str]) -> str:
        if found["code"]:
            return chr(int(found["code"], 16))
        return named.get(found["sign"], found["sign"] or "")

    text, count = escape.subn(character, raw)
    return (
        text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if count else raw
    )


MOST_TEXTS = 1_000_000  # of a file; they take about 1 GB
UNWRITABLE = "the translation cannot be written with its marks; the text is left"
Own = Mapping[int, Marked]  # translations by the numbers of their segments; others stay


class RawMark(NamedTuple):
    """A mark of a segment, and what the source has for it, which may hold further holes."""

    shown: str  # in the text of the segment
    begin: int  # in the source
    end: int
    changed: str = ""  # what is written for it beside a translation; "": the source


class Hole(NamedTuple):
    """A part of a source in whose place the translation of a segment is written."""

    begin: int
    end: int  # as `begin`: what is written is inserted
    segments: range | None  # None: all of the file
    write: str | Callable[[Own], str | None]  # returns None if the translation cannot be written
    marks: Sequence[RawMark] = ()  # of the only segment; else marks are written as they are shown


@dataclass
class SourceDocument:
    """A file as its source, and the holes in it. Formats add them in any order.

    Positions are those in `source`: characters of a text, bytes of XML in UTF-8. Holes are apart
    from each other, or one is within a mark of another.
    """

    content: bytes  # as it was read
    source: str | bytes
    encoding: Encoding
    segments: list[Segment] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)  # of the source
    # Sources stay beside their translations; one that equals its source is written, too.
    is_bilingual: bool = False
    _holes: list[Hole] = field(default_factory=list)

    def raw(self, begin: int, end: int) -> str:
        """Return a part of the source."""
        part = self.source[begin:end]
        return part if isinstance(part, str) else part.decode()

    def place(self, begin: int) -> str:
        """Return where a part of the source is, such as "line 12"."""
        return f"line {bisect_left(self._line_ends, begin) + 1}"

    @cached_property
    def _line_ends(self) -> list[int]:
        if isinstance(self.source, str):
            return [found.start() for found in re.finditer(r"\r\n?|\n", self.source)]
        return [found.start() for found in re.finditer(rb"\r\n?|\n", self.source)]

    def add(self, segment: Segment) -> int:
        """Add a segment and return its number; raises NmtError if the file has too many texts."""
        if len(self.segments) == MOST_TEXTS:
            raise NmtError(
                f"{segment.place}: the file has more than {MOST_TEXTS:,} texts; split it"
            )
        self.segments.append(segment)
        return len(self.segments) - 1

    def add_text(
        self,
        source: Marked,
        place: str,
        context: str = "",
        syntax: frozenset[str] = NO_SYNTAX,
        *,
        accelerator_language: str | None = None,
        document: str = "",
    ) -> Text:
        """Add the segments of a message: its lines and paragraphs that have words.

        accelerator_language: that of the translations, if letters may have signs of accelerators.
        document: as that of a segment.
        """
        text = Text.parse(source, len(self.segments), syntax, accelerator_language)
        for part in text.texts():
            self.add(Segment(part, place, context, syntax=syntax, document=document))
        return text

    def fill(
        self,
        begin: int,
        end: int,
        segment: int,
        write: Callable[[Marked], str | None],
        marks: Sequence[RawMark] = (),
    ) -> None:
        """Put the translation of a segment in place of a part of the source.

        write: returns what the file has for a translation: escaped, its marks as they are.
        """
        own = range(segment, segment + 1)
        self._holes.append(Hole(begin, end, own, lambda found: write(found[segment]), marks))

    def change(
        self,
        begin: int,
        end: int,
        write: str | Callable[[Own], str | None],
        segments: range | None = None,
    ) -> None:
        """Replace a part of the source if one of some segments is translated.

        write: returns what is written; or a text that tells about the translation, such as its
        language or its state. segments: None for all of the file.
        """
        self._holes.append(Hole(begin, end, segments, write))

    def fill_text(
        self,
        begin: int,
        end: int,
        source: Marked,
        write: Write,
        keys: Sequence[str],
        syntax: frozenset[str] = ANY_PROGRAM,
        copies: Sequence[tuple[int, Write]] = (),
    ) -> None:
        """Put the translation of a message in place of a part of the source.

        keys: those that lead to the message. copies: where it is inserted besides, and what writes
        it there.
        """
        place, context = self.place(begin), key_path(keys)
        if source.text[:1].isalpha() and "\n" not in source.text:  # as most are
            number = self.add(Segment(source, place, context, syntax=syntax))
            segments = range(number, number + 1)
            filled: Callable[[Own], Marked | None] = itemgetter(number)
        else:
            text = self.add_text(source, place, context, syntax)
            segments, filled = text.segments, text.filled

        def put(first: int, last: int, write: Write) -> None:
            self.change(first, last, lambda own: write(filled(own) or source), segments)

        put(begin, end, write)
        for there, copy in copies:
            put(there, there, copy)

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each segment; see `Document.join`."""
        found = self.translated(translations)
        if not found:
            return Joined(self.content, tuple(self.findings))
        text, findings = self.filled(found)
        return Joined(self.encoding.encode(text), (*self.findings, *findings))

    def translated(self, translations: Sequence[Marked | None]) -> Own:
        """Return the translations that are to be written, with the format's marks."""
        own = (None if text is None else text.of_format() for text in translations)
        pairs = zip(self.segments, own, strict=True)
        return {
            number: text
            for number, (segment, text) in enumerate(pairs)
            if text is not None and (self.is_bilingual or text != segment.source)
        }

    def filled(self, translated: Own) -> tuple[str, list[Finding]]:
        """Return the source with its holes filled, and what a user should look at."""
        findings: list[Finding] = []
        # What is inserted comes before what is replaced, and a hole before those within its marks.
        holes = sorted(self._holes, key=lambda hole: (hole.begin, hole.begin < hole.end, -hole.end))
        number = 0  # of the next hole

        def fill(begin: int, end: int) -> str:
            """Return a part of the source with the holes that begin in it."""
            nonlocal number
            parts: list[str] = []
            while number < len(holes) and holes[number].begin < end:
                hole, own = holes[number], translated
                number += 1
                if hole.segments is not None:
                    own = {segment: own[segment] for segment in hole.segments if segment in own}
                if not own:
                    continue
                if hole.begin < begin:  # the part is left out, or written already
                    if hole.end > begin:
                        raise ValueError(f"two edits at {hole.begin:,}")
                    continue
                following, told = number, len(findings)
                raw = [
                    (mark.shown, mark.changed or fill(mark.begin, mark.end)) for mark in hole.marks
                ]
                if raw:
                    own = {segment: with_raw_marks(text, raw) for segment, text in own.items()}
                written = hole.write if isinstance(hole.write, str) else hole.write(own)
                if written is None:  # only what is within the text is filled
                    assert hole.segments is not None  # noqa: S101 (a text is of a segment)
                    number, findings[told:] = following, []
                    findings.append(Finding(self.segments[hole.segments[0]].place, UNWRITABLE))
                    continue
                parts += self.raw(begin, hole.begin), written
                begin = hole.end
            return "".join([*parts, self.raw(begin, end)])

        return fill(0, len(self.source) + 1), findings  # a text may be inserted at the end


def with_raw_marks(translation: Marked, raw_marks: Sequence[tuple[str, str]]) -> Marked:
    """Return a translation with each mark as the file has it; a mark that it has not is text.

    raw_marks: how each mark of the source is shown and what the file has, in order.
    """
    rest: dict[str, list[str]] = {}
    for text, raw in reversed(raw_marks):
        rest.setdefault(text, []).append(raw)
    pieces = list[Marked]()
    for part, mark in translation.parts():
        raws = rest.get(part) if mark else None
        if mark and raws:
            pieces.append(mark.over(raws.pop() if len(raws) > 1 else raws[0]))
        else:
            pieces.append(Marked(part))
    return joined(pieces)
