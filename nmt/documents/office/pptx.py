"""Presentations of Microsoft PowerPoint since 2007: Office Open XML, ISO/IEC 29500."""

from collections.abc import Iterator

from nmt.decoding.translator.marked import Kind
from nmt.documents.document import Document, Options, Segment
from nmt.documents.office.package import (
    DRAWING_PARTS,
    Package,
    local,
    prefix,
    translate_descriptions,
)
from nmt.documents.office.rich_text import BREAK, Look, Part, Pieces, escape, inline, spans
from nmt.documents.xml.document import Span, XmlDocument
from nmt.documents.xml.file import Element

DRAWING = (
    "{http://schemas.openxmlformats.org/drawingml/2006/main}",
    "{http://purl.oclc.org/ooxml/drawingml/main}",  # of the strict form
)
PARAGRAPHS = tuple(f"{each}p" for each in DRAWING)
# Attributes that do not change how a text looks.
INVISIBLE = frozenset({"lang", "altLang", "dirty", "err", "noProof", "smtClean", "smtId", "bmk"})
LINKS = frozenset({"hlinkClick", "hlinkMouseOver"})
HEADINGS = frozenset({"title", "ctrTitle", "subTitle"})  # types of placeholders


def translate_drawing_parts(package: Package, names: list[str], options: Options) -> None:
    """Translate parts that hold text in shapes."""
    for name in names:
        DrawingText(package.add(name), options).translate()


class DrawingText:
    """Translate one part of a file whose text is in shapes, tables or titles."""

    def __init__(self, document: XmlDocument, options: Options) -> None:
        self._document = document
        self._options = options
        self._count = 0

    def translate(self) -> None:
        """Add all paragraphs to the document."""
        self._visit(self._document.xml.root, False)

    def _visit(self, parent: Element, is_heading: bool) -> None:
        for child in parent.elements():
            name = local(child.name)
            if name == "sp":
                is_heading = is_title(child)
            elif name == "cNvPr":
                translate_descriptions(self._document, child, self._place())
            if child.name in PARAGRAPHS:
                self._add(child, is_heading)
            else:
                self._visit(child, is_heading)

    def _add(self, paragraph: Element, is_heading: bool) -> None:
        self._count += 1
        content = inline(self._parts(paragraph), escape)
        if content is None:
            return
        children = list(paragraph.elements())
        begin, end = paragraph.inner_begin, paragraph.inner_end
        if local(children[0].name) == "pPr":
            begin = children[0].end
        if local(children[-1].name) == "endParaRPr":
            end = children[-1].begin
        segment = Segment(content.source, self._place(), is_heading=is_heading)
        number = self._document.translate(begin, end, segment, content.written)
        for run in paragraph.all():
            if "lang" in run.attributes and self._options.target_language:
                target = self._options.target_language
                edit = self._document.xml.set_attribute(run, "lang", "lang", target)
                self._document.follow(edit, number)

    def _place(self) -> str:
        return f"paragraph {self._count}"

    def _parts(self, paragraph: Element) -> Iterator[Part]:
        for child in paragraph.elements():
            name = local(child.name)
            xml = (Span(child.begin, child.end),)
            text = next((each for each in child.elements() if local(each.name) == "t"), None)
            if name == "r":
                yield Part(xml, None, text.text() if text else "", self._look(child))
            elif name == "br":
                yield Part(xml, Kind.ALONE, BREAK)
            elif not is_property(child):  # a field or a formula
                yield Part(xml, Kind.ALONE, is_edge=False)

    def _look(self, run: Element) -> Look:
        """Return how a run looks, with its link; what is written around its text."""
        properties = next((each for each in run.elements() if local(each.name) == "rPr"), None)
        key = ""
        if properties:
            seen = {k: v for k, v in properties.attributes.items() if k not in INVISIBLE}
            raw = self._document.xml.raw(properties.inner_begin, properties.inner_end)
            key = f"{sorted(seen.items())}{raw.strip()}" if seen or raw.strip() else ""
        a = prefix(self._document, run)
        before: Pieces = (f"<{a}r>", *spans(properties), f"<{a}t>")
        links = properties and any(local(each.name) in LINKS for each in properties.elements())
        return Look(key, before, (f"</{a}t></{a}r>",), bool(links))


def is_property(element: Element) -> bool:
    """Return whether an element formats its paragraph."""
    return local(element.name) in {"pPr", "endParaRPr"}


def is_title(shape: Element) -> bool:
    """Return whether a shape is the title of its slide."""
    kinds = (each.attributes.get("type") for each in shape.all() if local(each.name) == "ph")
    return bool(HEADINGS.intersection(kinds))


SLIDES = "application/vnd.openxmlformats-officedocument.presentationml."
MACROS = "application/vnd.ms-powerpoint."
MAINS = ("presentation", "slideshow", "template")
MAIN = (
    *(f"{SLIDES}{each}.main+xml" for each in MAINS),
    *(f"{MACROS}{each}.macroEnabled.main+xml" for each in MAINS),
)
TEXTS = (f"{SLIDES}slide+xml", f"{SLIDES}notesSlide+xml", *DRAWING_PARTS)


def read(content: bytes, options: Options) -> Document:
    """Return the document of a presentation; a paragraph is a segment.

    These are translated: shapes, tables, notes, diagrams, titles of charts, descriptions of
    pictures, and the title. Layouts are not: their texts are shown only to who edits them.
    """
    package = Package(content)
    package.main(*MAIN)
    translate_drawing_parts(package, package.parts(*TEXTS), options)
    package.add_properties(options)
    return package.document
