"""Documents and presentations of LibreOffice and others: OpenDocument, ISO/IEC 26300."""

import re
from collections.abc import Iterator

from nmt.decoding.translator.marked import Kind, Marked
from nmt.documents.document import Document, Finding, Options, Segment
from nmt.documents.office.package import (
    FILE_NAME,
    Container,
    ContainerDocument,
    damaged,
    local,
    prefix,
    translate_text,
)
from nmt.documents.office.rich_text import BREAK, TAB, Look, Part, Pieces, inline
from nmt.documents.xml.document import Span, XmlDocument
from nmt.documents.xml.file import Element, Text, escape_text, read_xml
from nmt.errors import NmtError
from nmt.text.languages import SEPARATOR, primary

NAMESPACE = "{{urn:oasis:names:tc:opendocument:xmlns:{}:1.0}}"
TEXT, STYLE, OFFICE = map(NAMESPACE.format, ("text", "style", "office"))
SVG = NAMESPACE.format("svg-compatible")
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"

SPACES = re.compile("[ \t\r\n]+")
SPACE_RUN = re.compile("  +")
MOST_SPACES = 100  # that one element stands for
# What contains text, and stays around its translation.
AROUND = frozenset({f"{TEXT}a", f"{TEXT}meta"})
# They mean nothing to the words beside them.
EDGES = frozenset(
    {
        *("note", "number", "annotation", "annotation-end", "frame", "change"),
        *("change-start", "change-end", "bookmark", "bookmark-start", "bookmark-end"),
    }
)
EDGE_ENDS = ("-mark", "-mark-start", "-mark-end")  # of indexes and references
# Parts of the names of attributes of styles that do not change how a text looks.
INVISIBLE = ("rsid", "language", "country", "script")


class OpenDocumentParts:
    """Read paragraphs of one file."""

    def __init__(self, document: XmlDocument) -> None:
        self._document = document
        self._styles = dict(self._keys_of_styles(document.xml.root))
        self._prefix = "text:"
        self._is_after_space = True

    def _keys_of_styles(self, root: Element) -> Iterator[tuple[str, str]]:
        """Yield the name of each style of the file, and a key for how its text looks.

        LibreOffice makes a style for each editing session; they differ in nothing that is seen.
        """
        for style in root.all(f"{STYLE}style"):
            if style.attributes.get(f"{STYLE}family") == "text":
                seen = [
                    sorted(item for item in each.attributes.items() if is_visible(item[0]))
                    for each in style.elements()
                ]
                parent = style.attributes.get(f"{STYLE}parent-style-name", "")
                is_seen = parent or any(seen)
                yield style.attributes.get(f"{STYLE}name", ""), f"{parent}{seen}" if is_seen else ""

    def parts(self, paragraph: Element) -> list[Part]:
        """Return the parts of a paragraph."""
        self._prefix = prefix(self._document, paragraph)
        self._is_after_space = True
        return list(self._of(paragraph, Look("")))

    def escape(self, text: str) -> str:
        """Return a text as XML: of several spaces in a row, a reader would keep one."""
        if text and not text.strip(" "):
            return self._spaces(len(text))
        return SPACE_RUN.sub(lambda found: " " + self._spaces(len(found[0]) - 1), escape_text(text))

    def _spaces(self, count: int) -> str:
        return f'<{self._prefix}s {self._prefix}c="{count}"/>'

    def _of(self, parent: Element, look: Look) -> Iterator[Part]:
        for child in parent.children:
            if isinstance(child, Text):
                yield self._of_text(child, look)
            elif isinstance(child, Element):
                yield from self._of_element(child, look)

    def _of_text(self, text: Text, look: Look) -> Part:
        """Return a text with one space for each run of them, as a reader sees it."""
        seen = SPACES.sub(" ", text.text)
        if self._is_after_space:
            seen = seen.removeprefix(" ")
        self._is_after_space = seen.endswith(" ") or (self._is_after_space and not seen)
        return Part(around(look, text.begin, text.end), None, seen, look)

    def _of_element(self, element: Element, look: Look) -> Iterator[Part]:
        name = element.name
        xml = around(look, element.begin, element.end)
        if name == f"{TEXT}span":
            if not element.is_empty_tag:
                yield from self._of(element, self._look(element, look))
        elif name in AROUND and not element.is_empty_tag:
            yield Part((Span(element.begin, element.inner_begin),), Kind.OPEN)
            yield from self._of(element, look)
            yield Part((Span(element.inner_end, element.end),), Kind.CLOSE)
        elif name == f"{TEXT}s" and (count := spaces_of(element)) <= MOST_SPACES:
            self._is_after_space = False
            yield Part(xml, None, " " * count, look)
        elif name != f"{TEXT}soft-page-break":
            shown = {f"{TEXT}tab": TAB, f"{TEXT}line-break": BREAK}.get(name, "")
            self._is_after_space = bool(shown)
            is_edge = bool(shown) or is_outside(local(name))
            yield Part(xml, Kind.ALONE, shown, is_edge=is_edge)

    def _look(self, span: Element, outer: Look) -> Look:
        name = span.attributes.get(f"{TEXT}style-name", "")
        key = self._styles.get(name, name)
        if not key:
            return outer
        before = (*outer.before, Span(span.begin, span.inner_begin))
        after = (Span(span.inner_end, span.end), *outer.after)
        return Look(f"{outer.key}/{key}", before, after)


def is_visible(attribute: str) -> bool:
    """Return whether an attribute changes how a text looks."""
    return not any(part in local(attribute) for part in INVISIBLE)


def is_outside(name: str) -> bool:
    """Return whether an element means nothing to the words beside it."""
    return name in EDGES or name.endswith(EDGE_ENDS) or name.startswith("index-")


def spaces_of(element: Element) -> int:
    """Return how many spaces an element stands for."""
    count = element.attributes.get(f"{TEXT}c", "1")
    return int(count) if count.isascii() and count.isdigit() and len(count) < 9 else MOST_SPACES + 1


def around(look: Look, begin: int, end: int) -> Pieces:
    """Return a part of the file as it looks."""
    return (*look.before, Span(begin, end), *look.after)


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
