"""XLIFF 1.0 to 1.2 and 2.0 to 2.2 (`.xlf`, `.xliff`): targets are filled in beside their sources.

The formats are OASIS standards. Inline codes are marks: they stand in the target as in the source.
"""

from collections.abc import Iterator
from functools import partial

from nmt.decoding.translator.marked import Kind
from nmt.documents.document import Document, Options, Own
from nmt.documents.marks.icu import HEAD
from nmt.documents.messages.bilingual import (
    PAIR,
    WHOLE,
    Code,
    marked,
    state_language,
    write_text,
)
from nmt.documents.messages.message import Text
from nmt.documents.xml.tree import XML_SPACE, Element, XmlDocument, read_xml

NAMESPACE = "urn:oasis:names:tc:xliff:document:"
# States of a target of version 1 in which it is no translation yet.
TO_TRANSLATE = ("new", "needs-translation", "needs-adaptation", "needs-l10n")
REVIEW = "needs-review-translation"
BY_MACHINE = "mt-suggestion"
INITIAL, TRANSLATED = "initial", "translated"  # states of a segment of version 2
PAIRS = ("g", "pc", "mrk")
BEGINS = ("bx", "bpt", "sc", "sm")
# XLIFF does not say which programs read the texts.
SYNTAX = frozenset({"python", "objc", "brace", "tags"})
ICU = frozenset({"icu", "tags"})
ENDS = ("ex", "ept", "ec", "em")
KEYS = ("rid", "startRef", "id")  # what a BEGIN and its END have in common


def read(content: bytes, options: Options) -> Document:
    """Return the document of an XLIFF file."""
    document = read_xml(content, "xliff", "XLIFF", NAMESPACE)
    document.is_bilingual = True
    version = document.root.attributes.get("version", "")
    Reader(document, options, version).read(document.root)
    return document


class Reader:
    """Adds the units of a file to its document."""

    def __init__(self, document: XmlDocument, options: Options, version: str) -> None:
        self.document = document
        self.options = options
        self.is_new = version.startswith("2")
        self.is_1_2 = version == "1.2"
        self.original = ""  # the document that units are from

    def read(self, element: Element, translates: bool = True, keeps_lines: bool = False) -> None:
        """Read an element and those in it; they inherit whether they are translated."""
        stated = element.attributes.get("translate")
        translates = stated != "no" if stated else translates
        keeps_lines = keeps_lines_in(element, keeps_lines)
        name, first = element.name, len(self.document.segments)
        if name == "file":
            self.original = element.attributes.get("original", "")
        if name == "trans-unit" and translates:
            self.add_unit(element, element, keeps_lines)
        elif name == "unit" and translates:
            for segment in element.all("segment"):
                self.add_unit(element, segment, keeps_lines)
        elif name in ("xliff", "file", "body", "group"):
            for child in element.elements():
                self.read(child, translates, keeps_lines)
        if name == ("xliff" if self.is_new else "file"):
            attribute = "trgLang" if self.is_new else "target-language"
            segments = range(first, len(self.document.segments))
            wanted = self.options.target_language
            state_language(self.document, element, attribute, wanted, segments)

    def add_unit(self, unit: Element, parent: Element, keeps_lines: bool) -> None:
        """Add a unit, or a segment of one, if it needs a translation."""
        source, target = parent.child("source"), parent.child("target")
        if source is None or not self.needs_translation(parent, target):
            return
        keeps_lines = keeps_lines_in(source, keeps_lines)
        names = (unit.attributes.get(name) for name in ("resname", "name", "id"))
        context = " ".join(filter(None, names))
        first = len(self.document.segments)
        source = parent.child("seg-source") or source
        pieces = [*self.pieces(source, context, keeps_lines)]
        segments = range(first, len(self.document.segments))
        if segments:
            self.write_target(source, target, pieces, segments)
            self.write_state(parent, segments)

    def pieces(self, source: Element, context: str, keeps_lines: bool) -> Iterator[str | Text]:
        """Yield what a target is made of: a text, or texts between the tags of segments."""
        document, end = self.document, source.inner_begin
        marks = [mrk for mrk in source.all("mrk") if mrk.attributes.get("mtype") == "seg"]
        for element in marks or [source]:
            if element.begin < end and element is not source:
                continue  # in a segment
            yield document.raw(end, element.inner_begin)
            text = marked(document, element, code, keeps_lines=keeps_lines)
            syntax = ICU if HEAD.search(text.text) else SYNTAX
            yield document.add_text(
                *(text, document.place(element.begin), context, syntax),
                accelerator_language=self.options.target_language,
                document=self.original,
            )
            end = element.inner_end
        yield document.raw(end, source.inner_end)

    def needs_translation(self, parent: Element, target: Element | None) -> bool:
        """Return whether a target is to be written."""
        if self.options.translates_all:
            return True
        state = (parent if self.is_new else target or parent).attributes.get("state", "")
        if parent.attributes.get("approved") == "yes":
            return False
        is_empty = target is None or not target.text().strip()
        if self.is_new:
            return state == INITIAL or (is_empty and not state)
        return state in TO_TRANSLATE or is_empty

    def write_target(
        self, source: Element, target: Element | None, pieces: list[str | Text], segments: range
    ) -> None:
        """Let a target be written, with what version 1 says of it."""
        states = {} if self.is_new else {"state": REVIEW}
        if self.is_1_2:
            states["state-qualifier"] = BY_MACHINE
        if target is not None:
            self.document.change_content(target, segments, partial(write_pieces, pieces))
            for name, value in states.items():
                self.document.set_attribute(target, name, value, segments)
            return
        prefix, colon, _ = self.document.written_name(source).rpartition(":")
        name = f"{prefix}{colon}target"
        attributes = "".join(f' {key}="{value}"' for key, value in states.items())
        pieces = [self.document.space_before(source), f"<{name}{attributes}>", *pieces]
        write = partial(write_pieces, [*pieces, f"</{name}>"])
        self.document.change(source.end, source.end, write, segments)

    def write_state(self, parent: Element, segments: range) -> None:
        """Let a unit or a segment state that its translation is new."""
        if self.is_new:
            self.document.set_attribute(parent, "state", TRANSLATED, segments)
            self.document.remove_attribute(parent, "subState", segments)  # it belongs to a state
        elif parent.attributes.get("approved") == "yes":
            self.document.set_attribute(parent, "approved", "no", segments)


def write_pieces(pieces: list[str | Text], own: Own) -> str:
    """Return the XML of texts and what is between them."""
    return "".join(piece if isinstance(piece, str) else write_text(piece, own) for piece in pieces)


def keeps_lines_in(element: Element, inherited: bool) -> bool:
    """Return whether a line break in an element is part of its text."""
    space = element.attributes.get(XML_SPACE)
    return space == "preserve" if space else inherited


def code(element: Element) -> Code:
    """Return what an inline element is."""
    name, attributes = element.name, element.attributes
    if name == "mrk" and attributes.get("mtype") == "protected":
        return WHOLE
    if name == "mrk" and attributes.get("translate") == "no":
        return WHOLE
    if name in PAIRS:
        return PAIR
    key = next((attributes[key] for key in KEYS if key in attributes), "")
    return Code(Kind.OPEN if name in BEGINS else Kind.CLOSE if name in ENDS else Kind.ALONE, key)
