"""Documents whose segments may lie inside the marks of others, such as the `alt` of a picture."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from nmt.decoding.translator.marked import Mark, Marked
from nmt.documents.document import Finding, Joined, Segment
from nmt.documents.encoding import Encoding
from nmt.documents.marks.templates import Templates


class Either(NamedTuple):
    """A part of a file that is written in another way if the file was translated."""

    raw: str
    changed: str


class Piece(NamedTuple):
    """A part of the text of a segment, as the file has it."""

    parts: "tuple[Part, ...]"
    mark: str = ""  # how the segment's text shows it; "": words
    changed: str = ""  # what is written for a mark if the segment is translated; "": its parts


# Returns what is written for a translation whose marks are as in the file; None: it cannot.
Write = Callable[[Marked], str | None]


@dataclass(eq=False)
class Spot:
    """A place in a file that holds the text of a segment."""

    segment: Segment
    pieces: tuple[Piece, ...]
    write: Write
    number: int = -1  # of the segment in the document


Part = str | Either | Spot


@dataclass
class NestedDocument:
    """A text file: what stays as it is, and spots for translations. Formats fill it in order.

    They read the text of `templates`; segments and the file have the codes of the templates.
    """

    encoding: Encoding
    templates: Templates = field(default_factory=Templates)
    segments: list[Segment] = field(default_factory=list)
    _parts: list[Part] = field(default_factory=list)

    def put(self, *parts: Part) -> None:
        """Add parts; the segments in them follow those that were added before."""
        for part in parts:
            self._parts.append(part)
            self._number(part)

    def _number(self, part: Part) -> None:
        if isinstance(part, Spot):
            part.number = len(self.segments)
            source, place = part.segment.source, part.segment.place
            shown, line = self.templates.shown(source), self.templates.place(place)
            self.segments.append(replace(part.segment, source=shown, place=line))
            for piece in part.pieces:
                for inner in piece.parts:
                    self._number(inner)

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each segment; see `Document.join`."""
        text, findings = self.text(translations)
        return Joined(self.encoding.encode(text), findings)

    def text(self, translations: Sequence[Marked | None]) -> tuple[str, tuple[Finding, ...]]:
        """Return the text of the file with translations, and what a user should look at."""
        text, findings = self.hidden_text(translations)
        places = self.templates.place
        return (
            self.templates.restored(text),
            tuple(each._replace(place=places(each.place)) for each in findings),
        )

    def hidden_text(self, translations: Sequence[Marked | None]) -> tuple[str, list[Finding]]:
        """Return the same as `text`, with stand-ins for the codes of templates."""
        joining = Joining(self, translations)
        return "".join(map(joining.text, self._parts)), joining.findings


class Joining:
    """Puts translations into a document."""

    def __init__(self, document: NestedDocument, translations: Sequence[Marked | None]) -> None:
        """Take the translation of each segment; one that equals its source is none."""
        own = [each and each.of_format() for each in translations]
        self.translations = [
            None if each is None or each == segment.source else document.templates.hidden(each)
            for segment, each in zip(document.segments, own, strict=True)
        ]
        self.is_changed = any(each is not None for each in self.translations)
        self.findings: list[Finding] = []

    def text(self, part: Part) -> str:
        """Return what is written for a part."""
        if isinstance(part, str):
            return part
        if isinstance(part, Either):
            return part.changed if self.is_changed else part.raw
        translation = self.translations[part.number]
        if translation is not None:
            written = part.write(with_raw_marks(translation, list(self._raw_marks(part))))
            if written is not None:
                return written
            message = "the translation cannot be written with its marks; the text is left"
            self.findings.append(Finding(part.segment.place, message))
        return "".join(self.text(inner) for piece in part.pieces for inner in piece.parts)

    def _raw_marks(self, spot: Spot) -> Iterator[tuple[str, str]]:
        """Yield how each mark of a segment is shown, and what is written for it."""
        for piece in spot.pieces:
            if piece.mark:
                yield piece.mark, piece.changed or "".join(map(self.text, piece.parts))


def with_raw_marks(translation: Marked, raw_marks: Sequence[tuple[str, str]]) -> Marked:
    """Return a translation with each mark as the file has it; a mark that it has not is text.

    raw_marks: how each mark of the source is shown and what the file has, in order.
    """
    rest: dict[str, list[str]] = {}
    for shown, raw in reversed(raw_marks):
        rest.setdefault(shown, []).append(raw)
    parts, marks, begin, end = list[str](), list[Mark](), 0, 0
    for mark in translation.marks:
        raws = rest.get(translation.text[mark.begin : mark.end])
        if raws is None:
            continue
        parts.append(translation.text[end : mark.begin])
        begin += mark.begin - end
        raw = raws.pop() if len(raws) > 1 else raws[0]
        marks.append(Mark(begin, begin + len(raw), mark.kind))
        parts.append(raw)
        begin, end = begin + len(raw), mark.end
    parts.append(translation.text[end:])
    return Marked("".join(parts), tuple(marks))
