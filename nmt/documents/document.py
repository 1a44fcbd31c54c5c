"""A file as its format reads it: segments to translate, and parts that stay unchanged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from nmt.decoding.translator.marked import Marked
from nmt.documents.encoding import Encoding
from nmt.errors import NmtError

NO_SYNTAX: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Options:
    """The user's options for files, and the languages of the model."""

    source_language: str = ""  # ISO 639 codes, such as "en"; "": not known
    target_language: str = ""
    columns: tuple[str, ...] = ()  # of a table: names, or numbers from 1; tables need some
    translates_all: bool = False  # entries too that are translated already


DEFAULTS = Options()


@dataclass(frozen=True)
class Segment:
    """A text of a file that is translated by itself: a paragraph, a cell, a message."""

    source: Marked  # without the escapes of the format; its marks are those that the format knows
    place: str = ""  # where it is in the file, for messages, such as "line 12"
    context: str = ""  # what tells equal texts apart, such as a key or a message context
    is_heading: bool = False
    is_one: bool = False  # never split into sentences, such as a label
    # The placeholders that may stand in it: names of `placeholders.SYNTAXES`.
    syntax: frozenset[str] = NO_SYNTAX


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
        """Texts to translate, in the order of the file."""
        ...

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each segment; None leaves one as it is.

        If every translation equals its source, the content is that of the file, byte for byte.
        """
        ...


# Returns what is written for a translation: escaped as the format demands, the marks as they are.
Write = Callable[[Marked], str]


def escaped(translation: Marked, escape: Callable[[str], str]) -> str:
    """Return a translation with everything but its marks escaped."""
    return "".join(part if is_mark else escape(part) for part, is_mark in translation.parts())


class Hole(NamedTuple):
    """A place in a file that holds the text of a segment."""

    segment: int
    raw: str  # what the file has there
    write: Write


MOST_TEXTS = 1_000_000  # of a file; they take about 1 GB


@dataclass
class Skeleton:
    """A text file: what stays as it is, and holes for translations. Formats fill it in order."""

    encoding: Encoding
    segments: list[Segment] = field(default_factory=list)
    _parts: list[str | Hole] = field(default_factory=list)

    def keep(self, raw: str) -> None:
        """Add a text that stays as it is."""
        self._parts.append(raw)

    def translate(self, raw: str, segment: Segment, write: Write) -> None:
        """Add the text of a segment, which `write` encodes again.

        Raises:
            NmtError: if the file has too many texts.
        """
        if len(self.segments) == MOST_TEXTS:
            raise NmtError(
                f"{segment.place}: the file has more than {MOST_TEXTS:,} texts; split it"
            )
        self._parts.append(Hole(len(self.segments), raw, write))
        self.segments.append(segment)

    def repeat(self, raw: str, segment: int, write: Write) -> None:
        """Add one more place for the translation of a segment that was added before."""
        self._parts.append(Hole(segment, raw, write))

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each segment; see `Document.join`."""
        return Joined(self.encoding.encode(self.text(translations)))

    def text(self, translations: Sequence[Marked | None]) -> str:
        """Return the text of the file with a translation of each segment."""
        own = [each and each.of_format() for each in translations]
        new = [
            None if each is None or each == segment.source else each
            for segment, each in zip(self.segments, own, strict=True)
        ]
        return "".join(_filled(part, new) for part in self._parts)


def _filled(part: str | Hole, new: list[Marked | None]) -> str:
    if isinstance(part, str):
        return part
    translation = new[part.segment]
    return part.raw if translation is None else part.write(translation)
