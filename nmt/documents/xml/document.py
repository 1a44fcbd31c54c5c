"""Documents that are XML files: parts of them are replaced by translations."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Joined, Segment
from nmt.documents.xml.file import Edit, Element, XmlFile, escape_text


class Span(NamedTuple):
    """A part of the source that is kept; what is translated within it is replaced."""

    begin: int
    end: int


# New XML, as a whole or in pieces: a translated paragraph keeps a picture with a text in it.
Xml = str | Sequence[str | Span]
WriteXml = Callable[[Marked], Xml]


class Hole(NamedTuple):
    """A part of an XML file that holds the text of a segment."""

    begin: int
    end: int
    segment: int
    write: WriteXml


class Change(NamedTuple):
    """New XML for a part of the source."""

    begin: int
    end: int
    xml: Xml


@dataclass
class XmlDocument:
    """An XML file with places for translations. Formats fill it in any order."""

    xml: XmlFile
    segments: list[Segment] = field(default_factory=list)
    _holes: list[Hole] = field(default_factory=list)
    _following: list[tuple[Edit, int | None]] = field(default_factory=list)

    def translate(self, begin: int, end: int, segment: Segment, write: WriteXml) -> int:
        """Put the translation of a segment in place of a part; return the segment's number.

        write: returns the XML of a translation: escaped, the marks as they are. A part may be
            within another one if the XML of the outer one has a `Span` around it.
        """
        self.segments.append(segment)
        self.repeat(begin, end, len(self.segments) - 1, write)
        return len(self.segments) - 1

    def repeat(self, begin: int, end: int, segment: int, write: WriteXml) -> None:
        """Put the translation of a segment that was added before in one more place."""
        self._holes.append(Hole(begin, end, segment, write))

    def follow(self, edit: Edit, segment: int | None = None) -> None:
        """Make an edit, too, if this segment is translated; if None, if any is.

        This is for what tells about the translation: the language of the file, its state.
        """
        self._following.append((edit, segment))

    def follow_text(self, element: Element, text: str, segment: int | None = None) -> None:
        """Give an element another text if this segment is translated; see `follow`."""
        if not element.is_empty_tag:
            edit = Edit(element.inner_begin, element.inner_end, escape_text(text))
            self.follow(edit, segment)

    def join(self, translations: Sequence[Marked | None], is_changed: bool = False) -> Joined:
        """Return the file with a translation of each segment; see `Document.join`.

        is_changed: something is translated elsewhere, in another file of the document.
        """
        translated = {
            number: translation
            for number, (segment, translation) in enumerate(
                zip(self.segments, translations, strict=True)
            )
            if translation is not None and translation != segment.source
        }
        changes = [
            Change(begin, end, write(translated[segment]))
            for begin, end, segment, write in self._holes
            if segment in translated
        ]
        is_changed = is_changed or bool(translated)
        changes += [
            Change(*edit)
            for edit, segment in self._following
            if (is_changed if segment is None else segment in translated)
        ]
        return Joined(self.xml.edited(Changes(self.xml, changes).outermost()))


class Changes:
    """Changes of one file, some of them within others."""

    def __init__(self, xml: XmlFile, changes: list[Change]) -> None:
        self._xml = xml
        # An outer change comes before those within it.
        self._changes = sorted(changes, key=lambda change: (change.begin, -change.end))
        self._begins = [change.begin for change in self._changes]

    def outermost(self) -> list[Edit]:
        """Return edits for the whole file, apart from each other."""
        return list(self._edits(Span(0, len(self._xml.source)), 0))

    def _edits(self, span: Span, first: int) -> Iterator[Edit]:
        """Yield the edits within a part, without those that are within another one.

        first: the first change that counts: those before it are around the part.
        """
        end = span.begin
        begin = max(first, bisect_left(self._begins, span.begin))
        for number in range(begin, len(self._changes)):
            change = self._changes[number]
            if change.begin >= span.end:
                return
            if change.begin >= end and change.end <= span.end:
                yield Edit(change.begin, change.end, self._written(change.xml, number + 1))
                end = change.end

    def _written(self, xml: Xml, first: int) -> str:
        pieces = [xml] if isinstance(xml, str) else xml
        return "".join(
            piece if isinstance(piece, str) else self._rendered(piece, first) for piece in pieces
        )

    def _rendered(self, span: Span, first: int) -> str:
        """Return a part of the source with what is translated within it."""
        parts = []
        end = span.begin
        for edit in self._edits(span, first):
            parts += [self._xml.raw(end, edit.begin), edit.raw]
            end = edit.end
        parts.append(self._xml.raw(end, span.end))
        return "".join(parts)
