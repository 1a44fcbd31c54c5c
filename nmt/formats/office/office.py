"""Read what documents of Microsoft Office have in common: Office Open XML, ISO/IEC 29500.

A document is a zip file of parts; `[Content_Types].xml` tells what each part is.
"""

import re
from collections.abc import Iterator

from nmt.decoding.marks.marked import Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.formats.document import Finding, Options, Segment
from nmt.formats.office.container_document import ContainerDocument
from nmt.formats.office.containers import Container, damaged
from nmt.formats.xml.document import XmlDocument
from nmt.formats.xml.file import read_xml
from nmt.formats.xml.text import escape_attribute, escape_text
from nmt.formats.xml.tree import Element
from nmt.text.languages import primary

TYPES = "[Content_Types].xml"
CORE = "application/vnd.openxmlformats-package.core-properties+xml"
SIGNATURE = "application/vnd.openxmlformats-package.digital-signature-xmlsignature+xml"
CHART = "application/vnd.openxmlformats-officedocument.drawingml.chart+xml"
DIAGRAM = "application/vnd.openxmlformats-officedocument.drawingml.diagramData+xml"
DIAGRAM_PICTURE = "application/vnd.ms-office.drawingml.diagramDrawing+xml"
DRAWING_PARTS = (CHART, DIAGRAM, DIAGRAM_PICTURE)
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
SIGNED = Finding("signature", "the document was signed; its translation has no signature")

NUMBERS = re.compile(r"(\d+)")
FILE_NAME = re.compile(r"[\\/]|^\S+$")  # programs write the picture's name as its description
EAST_ASIAN = frozenset({"zh", "ja", "ko"})
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})


def local(name: str) -> str:
    """Return the name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]


def namespace(name: str) -> str:
    """Return the namespace of a name, in braces; "" for none."""
    return name[: name.rfind("}") + 1]


def prefix(document: XmlDocument, element: Element) -> str:
    """Return the prefix of an element as the file writes it, with its colon; "" for none."""
    tag = document.xml.source[element.begin + 1 : element.begin + 100]
    written = re.split(rb"[\s/>]", tag, maxsplit=1)[0].decode("utf-8", "replace")
    before, colon, _ = written.rpartition(":")
    return before + colon


class Package:
    """A document of Office, and the document that is made of it."""

    def __init__(self, content: bytes) -> None:
        """Read the table of parts; raises NmtError if there is none."""
        self.container = Container(content)
        self._types = dict(self._read_types())
        is_signed = SIGNATURE in self._types.values()
        self.document = ContainerDocument(self.container, [SIGNED] if is_signed else [])

    def _read_types(self) -> Iterator[tuple[str, str]]:
        for element in read_xml(self.container.read(TYPES)).root.elements():
            name = element.attributes.get("PartName", "").lstrip("/")
            if name in self.container:
                yield name, element.attributes.get("ContentType", "")

    def parts(self, *types: str) -> list[str]:
        """Return the names of the parts of some types: by type, then by the number in the name."""
        found = [name for name, kind in self._types.items() if kind in types]
        return sorted(found, key=lambda name: (types.index(self._types[name]), in_order(name)))

    def main(self, *types: str) -> str:
        """Return the name of the main part; raises DamagedError if there is none."""
        found = self.parts(*types)
        if not found:
            raise damaged("it has no main part of this format")
        return found[0]

    def add(self, name: str) -> XmlDocument:
        """Return a part as a document of its own, which is to be translated."""
        content = self.container.read(name)
        document = XmlDocument(read_xml(content))
        self.document.add(name, content, document)
        return document

    def add_properties(self, options: Options) -> None:
        """Translate the title of the document, and state its language."""
        for name in self.parts(CORE):
            document = self.add(name)
            for element in document.xml.root.elements(f"{DUBLIN_CORE}title"):
                translate_text(document, element, Segment(Marked(element.text()), "title"))
            language = document.xml.root.child(f"{DUBLIN_CORE}language")
            if language and options.target_language and language.text().strip():
                document.follow_text(language, options.target_language)


def in_order(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts slide2.xml before slide10.xml."""
    pieces = NUMBERS.split(name)
    return [(int(each[:18]) if each.isdigit() else -1, each) for each in pieces]


def translate_text(document: XmlDocument, element: Element, segment: Segment) -> None:
    """Translate the text of an element that has no elements, if it has words."""
    if has_words(segment.source.text) and not any(element.elements()):
        begin, end = element.inner_begin, element.inner_end
        document.translate(begin, end, segment, lambda new: escape_text(new.text))


def translate_descriptions(document: XmlDocument, element: Element, place: str) -> None:
    """Translate what a picture has for those who cannot see it."""
    for name in ("title", "descr"):
        value = element.attributes.get(name, "").strip()
        found = document.xml.attribute(element, name)
        if found and has_words(value) and not FILE_NAME.search(value):
            segment = Segment(Marked(value), place, context="description of a picture")
            document.translate(*found, segment, lambda new: escape_attribute(new.text))


def language_attribute(target: str) -> str:
    """Return which attribute of w:lang names a language: by its script."""
    if primary(target) in EAST_ASIAN:
        return "eastAsia"
    return "bidi" if primary(target) in RIGHT_TO_LEFT else "val"
