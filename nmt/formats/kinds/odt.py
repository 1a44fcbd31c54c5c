"""Documents and presentations of LibreOffice and others: OpenDocument, ISO/IEC 26300."""

import re

from nmt.decoding.marks.marked import Marked
from nmt.errors import NmtError
from nmt.formats.document import Document, Finding, Options, Segment
from nmt.formats.office.container_document import ContainerDocument
from nmt.formats.office.containers import Container, damaged
from nmt.formats.office.office import FILE_NAME, translate_text
from nmt.formats.office.open_document import (
    DUBLIN_CORE,
    OFFICE,
    STYLE,
    SVG,
    TEXT,
    OpenDocumentParts,
)
from nmt.formats.office.rich_text import inline
from nmt.formats.xml.document import XmlDocument
from nmt.formats.xml.file import read_xml
from nmt.formats.xml.tree import Element
from nmt.text.languages import SEPARATOR, primary

FO = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"
TYPE = b"application/vnd.oasis.opendocument."
MANIFEST = "META-INF/manifest.xml"
SIGNATURES = "META-INF/documentsignatures.xml"
SIGNED = Finding(SIGNATURES, "the document was signed; its translation has no signature")
CONTENTS = re.compile(r"(?:Object [^/]*/)?content\.xml")  # of the document, and of its charts
PARAGRAPHS = frozenset({f"{TEXT}p", f"{TEXT}h"})
PLAIN = frozenset({f"{SVG}title", f"{SVG}desc", f"{TEXT}index-title-template"})
TITLES = frozenset({"Title", "Subtitle"})  # names of styles


def read(content: bytes, options: Options) -> Document:
    """Return the document of an OpenDocument file; a paragraph is a segment.

    These are translated: the text, tables, headers, footers, notes, comments, text boxes, titles
    of charts, descriptions of pictures, and the title.
    """
    container = Container(content)
    if "mimetype" in container and not container.read("mimetype").startswith(TYPE):
        raise damaged("it is not an OpenDocument file")
    if MANIFEST in container and b"encryption-data" in container.read(MANIFEST):
        raise NmtError("the file has a password; save it without one")
    document = ContainerDocument(container, [SIGNED] if SIGNATURES in container else [])
    names = ["content.xml", *filter(CONTENTS.fullmatch, container.names), "styles.xml", "meta.xml"]
    for name in dict.fromkeys(names):
        if name in container or name == "content.xml":
            member = container.read(name)
            part = XmlDocument(read_xml(member))
            document.add(name, member, part)
            Story(part, options).translate()
    return document


class Story:
    """Translate one XML file of a document."""

    def __init__(self, document: XmlDocument, options: Options) -> None:
        self._document = document
        self._options = options
        self._parts = OpenDocumentParts(document)
        self._parents = {
            style.attributes.get(f"{STYLE}name", ""): style.attributes.get(
                f"{STYLE}parent-style-name", ""
            )
            for style in document.xml.root.all(f"{STYLE}style")
        }
        self._count = 0

    def translate(self) -> None:
        """Add all paragraphs to the document, and its language."""
        root = self._document.xml.root
        for part in root.elements(f"{OFFICE}body", f"{OFFICE}master-styles"):
            self._visit(part)
        if self._options.target_language:
            self._state_language(root)
        for part in root.elements(f"{OFFICE}meta"):
            for title in part.elements(f"{DUBLIN_CORE}title"):
                translate_text(self._document, title, Segment(Marked(title.text()), "title"))

    def _visit(self, parent: Element) -> None:
        for child in parent.elements():
            if child.name == f"{TEXT}tracked-changes":  # deleted text
                continue
            if child.name in PARAGRAPHS:
                self._add(child)
            if child.name in PLAIN:
                self._add_plain(child)
            else:
                self._visit(child)

    def _add_plain(self, element: Element) -> None:
        text = element.text().strip()
        if not FILE_NAME.search(text) or element.name.startswith(TEXT):
            translate_text(self._document, element, Segment(Marked(text), self._place()))

    def _place(self) -> str:
        return f"paragraph {self._count}"

    def _add(self, paragraph: Element) -> None:
        self._count += 1
        content = inline(self._parts.parts(paragraph), self._parts.escape)
        if content is not None:
            is_heading = paragraph.name == f"{TEXT}h" or self._is_title(paragraph)
            segment = Segment(content.source, self._place(), is_heading=is_heading)
            begin, end = paragraph.inner_begin, paragraph.inner_end
            self._document.translate(begin, end, segment, content.written)

    def _is_title(self, paragraph: Element) -> bool:
        style = paragraph.attributes.get(f"{TEXT}style-name", "")
        return bool({style, self._parents.get(style)} & TITLES)

    def _state_language(self, root: Element) -> None:
        """Name the target language where the source language or the default one stands."""
        target = self._options.target_language
        for meta in root.elements(f"{OFFICE}meta"):
            for stated in meta.elements(f"{DUBLIN_CORE}language"):
                self._document.follow_text(stated, target)
        known = {primary(self._options.source_language)}
        for style in root.all(f"{STYLE}default-style"):
            for properties in style.elements(f"{STYLE}text-properties"):
                known.add(properties.attributes.get(f"{FO}language", ""))
        for properties in root.all(f"{STYLE}text-properties"):
            if properties.attributes.get(f"{FO}language", "") in known - {""}:
                self._follow(properties, target)

    def _follow(self, properties: Element, target: str) -> None:
        names = {f"{FO}language": primary(target), f"{FO}country": country(target)}
        for name, value in names.items():
            if name in properties.attributes:
                edit = self._document.xml.set_attribute(properties, name, name, value)
                self._document.follow(edit)


def country(language: str) -> str:
    """Return the country of a code such as pt-BR; "none", as OpenDocument has it, without one."""
    pieces = [each for each in SEPARATOR.split(language)[1:] if len(each) == 2]
    return pieces[0].upper() if pieces else "none"
