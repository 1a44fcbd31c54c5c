"""XML files with a source and a target for each message, such as XLIFF and those of Qt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nmt.decoding.marks.marked import Marked
from nmt.formats.catalogues.bilingual import Slot, Slots
from nmt.formats.document import Finding, Joined, Segment, escaped
from nmt.formats.xml.file import Edit, XmlFile
from nmt.formats.xml.tree import Element

Pieces = tuple[str | Slot, ...]  # XML that stays, and texts
MOST_SPACE = 200  # bytes before an element
Escape = Callable[[str], str]


@dataclass(frozen=True)
class Target:
    """A message whose translation is to be written."""

    texts: tuple[Pieces, ...]  # of the target, or of each of its plural forms
    edits: Callable[[Sequence[str]], list[Edit]]  # takes the XML of each text
    following: tuple[Edit, ...] = ()  # once for all targets that have it: the language of the file


@dataclass
class BilingualDocument:
    """A bilingual XML file that was read."""

    xml: XmlFile
    slots: Slots
    escape: Escape
    targets: list[Target] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def segments(self) -> Sequence[Segment]:
        """Lines and paragraphs of the messages to translate."""
        return self.slots.segments

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with targets filled in; see `Document.join`."""
        edits: list[Edit] = []
        following: dict[Edit, None] = {}
        for target in self.targets:
            slots = [each for text in target.texts for each in text if isinstance(each, Slot)]
            filled = {slot: slot.filled(translations) for slot in slots}
            if all(each is None for each in filled.values()):
                continue
            shown = {
                slot: escaped((text or slot.source).of_format(), self.escape)
                for slot, text in filled.items()
            }
            edits += target.edits(
                [
                    "".join(each if isinstance(each, str) else shown[each] for each in text)
                    for text in target.texts
                ]
            )
            following |= dict.fromkeys(target.following)
        findings = tuple(self.findings) if edits else ()
        return Joined(self.xml.edited([*edits, *following]), findings)


def prefix_of(xml: XmlFile, element: Element) -> str:
    """Return the prefix of an element's name with its colon, "" for none."""
    tag = xml.raw(element.begin + 1, element.inner_begin)
    name = tag.split(None, 1)[0].rstrip("/>").partition(">")[0].rstrip("/")
    prefix, colon, _ = name.rpartition(":")
    return prefix + colon


def content_edit(xml: XmlFile, element: Element, content: str) -> Edit:
    """Return the edit that gives an element other content, also if it is an empty tag."""
    if not element.is_empty_tag:
        return Edit(element.inner_begin, element.inner_end, content)
    local = element.name.rpartition("}")[2]
    begin = element.end - len("/>")
    return Edit(begin, element.end, f">{content}</{prefix_of(xml, element)}{local}>")


def space_before(xml: XmlFile, element: Element) -> str:
    """Return the white space before an element: its line break and indentation."""
    before = xml.source[max(0, element.begin - MOST_SPACE) : element.begin]
    return before[len(before.rstrip()) :].decode()
