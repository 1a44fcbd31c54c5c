"""Fill in the translations of bilingual files: XLIFF, Qt, TMX and PO."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.document import NO_SYNTAX, Finding, Joined, Options, Segment, escaped
from nmt.documents.marks.never_text import with_placeholders
from nmt.documents.messages.message import Accelerator, Message, put_in, taken_out
from nmt.documents.xml.file import Edit, Element, Text, XmlFile
from nmt.text.languages import english_name


@dataclass(frozen=True)
class Slot:
    """A text that a target is made of: its segments are consecutive."""

    source: Marked
    message: Message
    first: int  # number of its first segment
    accelerator: Accelerator | None
    syntax: frozenset[str]  # of its placeholders
    language: str  # of the translations

    def filled(self, translations: Sequence[Marked | None]) -> Marked | None:
        """Return the text with the translations of its segments; None if it has none."""
        own = translations[self.first : self.first + len(self.message.parts)]
        if all(each is None for each in own):
            return None
        text = self.message.join(own)
        if self.accelerator is None:
            return text
        known = with_placeholders(text.of_format(), self.syntax)  # no letter of theirs
        return put_in(known, self.accelerator, self.language)


@dataclass
class Slots:
    """The segments of a file, collected in order."""

    options: Options
    segments: list[Segment] = field(default_factory=list)

    def add(
        self,
        source: Marked,
        place: str,
        context: str = "",
        syntax: frozenset[str] = NO_SYNTAX,
    ) -> Slot:
        """Add the segments of a text."""
        labelled = taken_out(source)
        message = Message.of(labelled.text)
        accelerator = labelled.accelerator if len(message.parts) == 1 else None
        if accelerator is None:
            message = Message.of(source)
        language = self.options.target_language
        slot = Slot(source, message, len(self.segments), accelerator, syntax, language)
        for text in message.texts():
            self.segments.append(Segment(text, place, context, syntax=syntax))
        return slot


def wrong_language(stated: str, wanted: str, place: str) -> list[Finding]:
    """Return what to say if a file states another target language than the model's."""
    language, expected = (
        each.replace("_", "-").partition("-")[0].lower() for each in (stated, wanted)
    )
    if not language or not expected or language == expected:
        return []
    return [
        Finding(
            place,
            f"the file is for {english_name(language)}, but the translations are in"
            f" {english_name(expected)}",
        )
    ]


class Role(Enum):
    """The role of an element inside a text."""

    PAIR = "a start tag, a text and an end tag"
    WHOLE = "one code with all that is in it"
    BEGIN = "one code, which an END ends"
    END = "one code"


class Code(NamedTuple):
    """An element's role, and the name that a BEGIN has in common with its END."""

    role: Role
    name: str = ""


class Part(NamedTuple):
    """A text or a code, in the order of the file."""

    text: str
    code: Code | None = None  # None: a text
    is_start: bool = False  # of a PAIR; else its end


def marked(
    xml: XmlFile, element: Element, code_of: Callable[[Element], Code], keeps_lines: bool = True
) -> Marked:
    """Return the text of an element with the elements in it as marks.

    keeps_lines: a line break is part of the text; else it is a space.
    """
    parts = list(parts_of(xml, element, code_of))
    kinds = kinds_of(parts)
    texts: list[str] = []
    marks = []
    length = 0
    for part, kind in zip(parts, kinds, strict=True):
        text = part.text
        if part.code is None and not keeps_lines:
            text = on_one_line(text)
        if kind is not None:
            marks.append(Mark(length, length + len(text), kind))
        texts.append(text)
        length += len(text)
    return Marked("".join(texts), tuple(marks))


def on_one_line(text: str) -> str:
    """Return a text with a space for each line break and the spaces around it."""
    if "\n" not in text:
        return text
    lines = text.split("\n")
    inner = [each.strip() for each in lines[1:-1]]
    ends = [lines[0].rstrip(), *inner, lines[-1].lstrip()]
    return " ".join(ends)


def parts_of(xml: XmlFile, element: Element, code_of: Callable[[Element], Code]) -> Iterator[Part]:
    """Yield the texts and codes in an element."""
    for child in element.children:
        if isinstance(child, Text):
            yield Part(child.text)
        elif not isinstance(child, Element):  # a comment
            yield Part(xml.raw(child.begin, child.end), Code(Role.WHOLE))
        else:
            code = code_of(child)
            if code.role is not Role.PAIR or child.is_empty_tag:
                whole = Code(Role.WHOLE) if code.role is Role.PAIR else code
                yield Part(xml.raw(child.begin, child.end), whole)
                continue
            yield Part(xml.raw(child.begin, child.inner_begin), code, is_start=True)
            yield from parts_of(xml, child, code_of)
            yield Part(xml.raw(child.inner_end, child.end), code)


def kinds_of(parts: list[Part]) -> list[Kind | None]:
    """Return the kinds of codes, None for texts; a BEGIN or END that crosses a pair is ALONE."""
    kinds: list[Kind | None] = [None if each.code is None else Kind.ALONE for each in parts]
    open_at: list[int] = []
    for number, part in enumerate(parts):
        if part.code is None:
            continue
        if part.is_start or part.code.role is Role.BEGIN:
            open_at.append(number)
        elif part.code.role in (Role.END, Role.PAIR) and open_at:
            begin = partner(parts, open_at, part.code)
            if begin is not None:
                kinds[begin], kinds[number] = Kind.OPEN, Kind.CLOSE
    return kinds


def partner(parts: list[Part], open_at: list[int], code: Code) -> int | None:
    """Return the part that an end belongs to, and take it and all after it from the open ones."""
    if code.role is Role.PAIR:  # XML is well-formed: it is there
        while parts[open_at[-1]].code != code or not parts[open_at[-1]].is_start:
            open_at.pop()
        return open_at.pop()
    first = parts[open_at[-1]].code
    if first is not None and first.role is Role.BEGIN and first.name == code.name:
        return open_at.pop()
    return None


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
