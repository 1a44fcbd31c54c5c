"""Read the paragraphs of OpenDocument (ISO/IEC 26300, chapter 6) as parts of inline text."""

import re
from collections.abc import Iterator

from nmt.decoding.marks.marked import Kind
from nmt.formats.office.office import local, prefix
from nmt.formats.office.rich_parts import BREAK, TAB, Look, Part, Pieces
from nmt.formats.xml.document import Span, XmlDocument
from nmt.formats.xml.text import escape_text
from nmt.formats.xml.tree import Element, Text

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
