"""Values of data files: messages of programs in JSON, YAML, properties and the like.

Tags are marks. Each line or paragraph of a value is translated by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import MOST_TEXTS, NO_SYNTAX, Joined, Segment, Write, key_path
from nmt.documents.encoding import Encoding
from nmt.documents.messages.message import Text
from nmt.errors import NmtError

# Placeholders that may stand in messages whose program is not known.
SYNTAX = frozenset({"brace", "date", "icu", "printf", "dollar", "percent-brace", "symbol", "tags"})
path_of = key_path


class Value(NamedTuple):
    """A value of a file and its segments."""

    raw: str  # what the file has there
    first: int  # number of its first segment
    message: Text | None  # None: the segment is the whole value
    write: Write


class Following(NamedTuple):
    """A part of a file that changes if any segment is translated, such as a language's code."""

    raw: str
    changed: str


@dataclass
class ValueDocument:
    """A file of values. Formats fill it in order."""

    encoding: Encoding
    segments: list[Segment] = field(default_factory=list)
    parts: list[str | Value | Following] = field(default_factory=list)

    def keep(self, raw: str) -> None:
        """Add a part of the file that stays as it is."""
        self.parts.append(raw)

    def follow(self, raw: str, changed: str) -> None:
        """Add a part of the file that is replaced if any segment is translated."""
        self.parts.append(Following(raw, changed))

    def keep_following(self) -> None:
        """Let the parts stay that `follow` added."""
        self.parts = [each.raw if isinstance(each, Following) else each for each in self.parts]

    def translate(
        self,
        raw: str,
        text: Marked,
        write: Write,
        *,
        place: str,
        context: str,
        syntax: frozenset[str] = SYNTAX,
    ) -> None:
        """Add a value: what the file has there, its text, and how a translation is written.

        Raises:
            NmtError: if the file has too many texts.
        """
        if len(self.segments) >= MOST_TEXTS:
            raise NmtError(f"{place}: the file has more than {MOST_TEXTS:,} texts; split it")
        is_plain = text.text[:1].isalpha() and "\n" not in text.text
        whole = None if is_plain else Text.of(text, 0, NO_SYNTAX, None)
        self.parts.append(Value(raw, len(self.segments), whole, write))
        for each in whole.texts() if whole else [text]:
            self.segments.append(Segment(each, place, context, syntax=syntax))

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each segment; see `Document.join`."""
        own = [each and each.of_format() for each in translations]
        new = [
            None if each is None or each == segment.source else each
            for segment, each in zip(self.segments, own, strict=True)
        ]
        is_changed = any(each is not None for each in new)
        return Joined(
            self.encoding.encode("".join(_filled(part, new, is_changed) for part in self.parts))
        )


def _filled(part: str | Value | Following, new: list[Marked | None], is_changed: bool) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Following):
        return part.changed if is_changed else part.raw
    if part.message is None:
        only = new[part.first]
        return part.raw if only is None else part.write(only)
    own = new[part.first : part.first + len(part.message.parts)]
    is_same = all(each is None for each in own)
    return part.raw if is_same else part.write(part.message.join(own))
