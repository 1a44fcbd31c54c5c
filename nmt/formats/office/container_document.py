"""Documents that are zip files: each translated member is a document of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from nmt.decoding.marks.marked import Marked
from nmt.formats.document import Document, Finding, Joined, Segment
from nmt.formats.office.containers import Container
from nmt.formats.xml.document import XmlDocument


class Part(NamedTuple):
    """A member that is translated."""

    name: str
    content: bytes
    document: Document


@dataclass
class ContainerDocument:
    """A zip file as a document; formats add its members."""

    container: Container
    # What to tell a user of a changed file: where, and a sentence without its end.
    warnings: Sequence[Finding] = ()
    _parts: list[Part] = field(default_factory=list)

    def add(self, name: str, content: bytes, document: Document) -> None:
        """Translate a member, too; `content` is what was read of it."""
        self._parts.append(Part(name, content, document))

    @cached_property
    def segments(self) -> Sequence[Segment]:
        """Return the segments of all members, in the order in which they were added."""
        return [
            replace(segment, place=f"{part.name}, {segment.place}")
            for part in self._parts
            for segment in part.document.segments
        ]

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each segment; see `Document.join`."""
        is_changed = any(
            translation is not None and translation != segment.source
            for segment, translation in zip(self.segments, translations, strict=True)
        )
        if not is_changed:
            return Joined(self.container.changed({}))
        findings = [*self.warnings]
        changes = {}
        left = iter(translations)
        for name, content, document in self._parts:
            own = list(islice(left, len(document.segments)))
            if isinstance(document, XmlDocument):
                joined = document.join(own, is_changed=True)
            else:
                joined = document.join(own)
            if joined.content != content:
                changes[name] = joined.content
            findings += (each._replace(place=f"{name}, {each.place}") for each in joined.findings)
        return Joined(self.container.changed(changes), tuple(findings))
