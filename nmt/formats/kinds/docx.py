"""Documents of Microsoft Word since 2007: Office Open XML, ISO/IEC 29500."""

import re

from nmt.decoding.marks.marked import Marked
from nmt.formats.document import Document, Options, Segment
from nmt.formats.office.drawing_text import translate_drawing_parts
from nmt.formats.office.office import (
    DRAWING_PARTS,
    Package,
    language_attribute,
    local,
    namespace,
    translate_descriptions,
)
from nmt.formats.office.rich_text import inline
from nmt.formats.office.word_parts import WordParts, escape
from nmt.formats.xml.document import XmlDocument
from nmt.formats.xml.tree import Element

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml."
MACROS = "application/vnd.ms-word."
MAIN = (
    *(f"{WORD}document.main+xml", f"{WORD}template.main+xml"),
    *(f"{MACROS}document.macroEnabled.main+xml", f"{MACROS}template.macroEnabledTemplate.main+xml"),
)
TEXTS = tuple(
    f"{WORD}{each}+xml" for each in ("footnotes", "endnotes", "header", "footer", "comments")
)
STYLES = (f"{WORD}styles+xml", f"{WORD}settings+xml")
HEADING = re.compile(r"(heading \d|title|subtitle)$", re.IGNORECASE)


def read(content: bytes, options: Options) -> Document:
    """Return the document of a Word file; a paragraph is a segment.

    These are translated: the text, tables, headers, footers, footnotes, endnotes, comments, text
    boxes, diagrams, titles of charts, descriptions of pictures, and the title.
    """
    package = Package(content)
    main = package.main(*MAIN)
    headings = read_styles(package, options)
    for name in (main, *package.parts(*TEXTS)):
        Story(package.add(name), options, headings).translate()
    translate_drawing_parts(package, package.parts(*DRAWING_PARTS), options)
    package.add_properties(options)
    return package.document


def read_styles(package: Package, options: Options) -> set[str]:
    """State the language in the styles; return the identifiers of the styles of headings."""
    headings = set()
    for part in package.parts(*STYLES):
        document = package.add(part)
        root = document.xml.root
        w = namespace(root.name)
        for each in root.all(f"{w}themeFontLang"):
            follow_language(document, each, options)
        for defaults in root.elements(f"{w}docDefaults"):
            for each in defaults.all(f"{w}lang"):
                follow_language(document, each, options)
        for style in root.elements(f"{w}style"):
            name = style.child(f"{w}name")
            if name and HEADING.match(name.attributes.get(f"{w}val", "")):
                headings.add(style.attributes.get(f"{w}styleId", ""))
    return headings


def follow_language(
    document: XmlDocument, element: Element, options: Options, segment: int | None = None
) -> None:
    """Name the target language in an element such as w:lang, if a segment is translated."""
    name = language_attribute(options.target_language)
    full = namespace(element.name) + name
    if options.target_language and full in element.attributes:
        edit = document.xml.set_attribute(element, full, name, options.target_language)
        document.follow(edit, segment)


class Story:
    """Translate one part of the file that has paragraphs."""

    def __init__(self, document: XmlDocument, options: Options, headings: set[str]) -> None:
        self._document = document
        self._options = options
        self._headings = headings
        self._w = namespace(document.xml.root.name)
        self._parts = WordParts(document)
        self._count = 0

    def translate(self) -> None:
        """Add all paragraphs to the document."""
        self._visit(self._document.xml.root, None)

    def _visit(self, parent: Element, copies: dict[Marked, int] | None) -> None:
        """Add the paragraphs in an element.

        copies: segments by their sources, if the element has the same text as another one: a text
            box is there twice, for new and for old versions of Word.
        """
        for child in parent.elements():
            name = local(child.name)
            if name == "p" and child.name.startswith(self._w):
                self._add(child, copies)
            elif name == "docPr" and copies is None:
                translate_descriptions(self._document, child, self._place())
            if name == "AlternateContent" and copies is None:
                self._visit_alternatives(child)
            else:
                self._visit(child, copies)

    def _visit_alternatives(self, element: Element) -> None:
        known = len(self._document.segments)
        copies = None
        for alternative in element.elements():
            self._visit(alternative, copies)
            if copies is None:
                segments = self._document.segments[known:]
                copies = {each.source: known + number for number, each in enumerate(segments)}

    def _place(self) -> str:
        return f"paragraph {self._count}"

    def _add(self, paragraph: Element, copies: dict[Marked, int] | None) -> None:
        self._count += 1
        content = inline(self._parts.parts(paragraph), escape)
        if content is None:
            return
        first = next(paragraph.elements(), None)
        properties = first if first and local(first.name) == "pPr" else None
        begin = properties.end if properties else paragraph.inner_begin
        end = paragraph.inner_end
        if copies is not None and content.source in copies:
            segment = copies[content.source]
            self._document.repeat(begin, end, segment, content.written)
        else:
            is_heading = properties is not None and self._is_heading(properties)
            added = Segment(content.source, self._place(), is_heading=is_heading)
            segment = self._document.translate(begin, end, added, content.written)
        for each in paragraph.all(f"{self._w}lang"):
            follow_language(self._document, each, self._options, segment)

    def _is_heading(self, properties: Element) -> bool:
        style = properties.child(f"{self._w}pStyle")
        name = style.attributes.get(f"{self._w}val", "") if style else ""
        return name in self._headings or properties.child(f"{self._w}outlineLvl") is not None
