"""Documents and presentations of LibreOffice and others: OpenDocument, ISO/IEC 26300."""

import re
from collections.abc import Iterator

from nmt.decoding.translator.marked import Kind, Marked
from nmt.documents.document import Document, Options, Segment
from nmt.documents.office.package import (
    FILE_NAME,
    Element,
    Package,
    Tree,
    add_child,
    clean,
    damaged,
    local,
    text_in,
)
from nmt.documents.office.rich_text import (
    BREAK,
    TAB,
    Look,
    Node,
    Part,
    Story,
    append_text,
    copied,
)
from nmt.errors import NmtError
from nmt.text.reading.languages import SEPARATOR, primary

NAMESPACE = "{{urn:oasis:names:tc:opendocument:xmlns:{}:1.0}}"
TEXT, STYLE, OFFICE = map(NAMESPACE.format, ("text", "style", "office"))
SVG = NAMESPACE.format("svg-compatible")

SPACES = re.compile("[ \t\r\n]+")
SPACE_RUN = re.compile("(  +)")
MOST_SPACES = 100  # that one element stands for
# What contains text, and stays around its translation.
AROUND = frozenset({f"{TEXT}a", f"{TEXT}meta"})
# They mean nothing to the words beside them.
OUTSIDE = frozenset(
    {
        *("note", "number", "annotation", "annotation-end", "frame", "change"),
        *("change-start", "change-end", "bookmark", "bookmark-start", "bookmark-end"),
    }
)
OUTSIDE_ENDS = ("-mark", "-mark-start", "-mark-end")  # of indexes and references
# Parts of the names of attributes of styles that do not change how a text looks.
INVISIBLE = ("rsid", "language", "country", "script")


PARAGRAPHS = frozenset({f"{TEXT}p", f"{TEXT}h"})
PLAIN = frozenset({f"{SVG}title", f"{SVG}desc", f"{TEXT}index-title-template"})
TITLES = frozenset({"Title", "Subtitle"})  # names of styles


class OpenDocumentStory(Story):
    """The text of one XML file of a document."""

    paragraphs = PARAGRAPHS

    def __init__(self, tree: Tree, options: Options) -> None:
        """Read the styles of a file."""
        super().__init__(tree, options)
        self._keys: dict[str, object] = {}  # how text of a style looks; None: as any
        self._parents: dict[str, str] = {}
        self._is_after_space = True
        for style in tree.root.iter(f"{STYLE}style"):
            name, parent = (
                style.get(f"{STYLE}{attribute}", "") for attribute in ("name", "parent-style-name")
            )
            self._parents[name] = parent
            if style.get(f"{STYLE}family") == "text":
                # LibreOffice makes a style for each editing session, which differs in nothing
                # that is seen.
                seen = [
                    tuple(sorted(item for item in child.attrib.items() if is_visible(item[0])))
                    for child in style.iterchildren("*")
                ]
                self._keys[name] = (parent, *seen) if parent or any(seen) else None

    def is_done(self, element: Element) -> bool:
        """Leave out text that was deleted; add text that is no paragraph."""
        if element.tag in PLAIN:
            text = text_in(element).strip()
            if not FILE_NAME.search(text) or element.tag.startswith(TEXT):
                self.tree.translate_text(element, Segment(Marked(text), self.place))
        return element.tag in PLAIN or element.tag == f"{TEXT}tracked-changes"

    def is_heading(self, paragraph: Element) -> bool:
        """Return whether a paragraph is a heading or has the style of one."""
        style = paragraph.get(f"{TEXT}style-name", "")
        return paragraph.tag == f"{TEXT}h" or bool({style, self._parents.get(style)} & TITLES)

    def put_text(self, parent: Element, text: str, look: Look) -> None:
        """Add a text of a translation: of several spaces in a row, a reader would keep one."""
        for element in look.around:
            parent = copied(parent, element)
        has_text = bool(text.strip(" "))
        for piece in SPACE_RUN.split(clean(text)) if has_text else [text]:
            if piece.strip(" "):
                append_text(parent, piece)
            elif piece:
                append_text(parent, " " * has_text)
                count = {f"{TEXT}c": str(len(piece) - has_text)}
                add_child(parent, f"{TEXT}s", count)

    def parts(self, paragraph: Element) -> Iterator[Part]:
        """Yield the parts of a paragraph."""
        self._is_after_space = True
        return self._parts(paragraph, Look())

    def _parts(self, parent: Element, look: Look) -> Iterator[Part]:
        if parent.text:
            yield self._text(parent.text, look)
        for child in parent:
            if isinstance(child.tag, str):  # no comment
                yield from self._element(child, look)
            if child.tail:
                yield self._text(child.tail, look)

    def _text(self, text: str, look: Look) -> Part:
        """Return a text with one space for each run of them, as a reader sees it."""
        seen = SPACES.sub(" ", text)
        if self._is_after_space:
            seen = seen.removeprefix(" ")
        self._is_after_space = seen.endswith(" ") or (self._is_after_space and not seen)
        return Part((Node(text, look.around),), None, seen, look)

    def _element(self, element: Element, look: Look) -> Iterator[Part]:
        name = element.tag
        nodes = (Node(element, look.around),)
        is_empty = not len(element) and not element.text
        if name == f"{TEXT}span":
            yield from self._parts(element, self._look(element, look))
        elif name in AROUND and not is_empty:
            parts = tuple(self._parts(element, look))
            yield Part(kind=Kind.OPEN, inner=parts, elements=(element, element))
        elif name == f"{TEXT}s" and (count := spaces_in(element)) <= MOST_SPACES:
            self._is_after_space = False
            yield Part(nodes, None, " " * count, look)
        elif name != f"{TEXT}soft-page-break":
            shown = {f"{TEXT}tab": TAB, f"{TEXT}line-break": BREAK}.get(name, "")
            self._is_after_space = bool(shown)
            is_separate = bool(shown) or is_outside(local(name))
            yield Part(nodes, Kind.ALONE, shown, is_outside=is_separate)

    def _look(self, span: Element, outer: Look) -> Look:
        name = span.get(f"{TEXT}style-name", "")
        key = self._keys.get(name, name)
        return Look((*outer.key, key), (*outer.around, span)) if key else outer


def is_visible(attribute: str) -> bool:
    """Return whether an attribute changes how a text looks."""
    return not any(part in local(attribute) for part in INVISIBLE)


def is_outside(name: str) -> bool:
    """Return whether an element means nothing to the words beside it."""
    return name in OUTSIDE or name.endswith(OUTSIDE_ENDS) or name.startswith("index-")


def spaces_in(element: Element) -> int:
    """Return how many spaces an element stands for."""
    count = element.get(f"{TEXT}c", "1")
    return int(count) if count.isascii() and count.isdigit() and len(count) < 9 else MOST_SPACES + 1


FO = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"
TYPE = b"application/vnd.oasis.opendocument."
MANIFEST = "META-INF/manifest.xml"
SIGNATURES = "META-INF/documentsignatures.xml"
CONTENTS = re.compile(r"(?:Object [^/]*/)?content\.xml")  # of the document, and of its charts


def read(content: bytes, options: Options) -> Document:
    """Return the document of an OpenDocument file; a paragraph is a segment.

    These are translated: the text, tables, headers, footers, notes, comments, text boxes, titles
    of charts, descriptions of pictures, and the title.
    """
    package = Package(content)
    if "mimetype" in package.members and not package.read("mimetype").startswith(TYPE):
        raise damaged("it is not an OpenDocument file")
    if MANIFEST in package.members and b"encryption-data" in package.read(MANIFEST):
        raise NmtError("the file has a password; save it without one")
    if SIGNATURES in package.members:
        package.warn_signed(SIGNATURES)
    names = ["content.xml", *filter(CONTENTS.fullmatch, package.members), "styles.xml", "meta.xml"]
    for name in dict.fromkeys(names):
        if name in package.members or name == "content.xml":
            package.add(name, lambda tree: translate(tree, options))
    return package


def translate(tree: Tree, options: Options) -> None:
    """Add all texts of a file, and its language."""
    story = OpenDocumentStory(tree, options)
    for part in tree.root.iterchildren(f"{OFFICE}body", f"{OFFICE}master-styles"):
        story.visit(part)
    if options.target_language:
        state_language(tree, options)
    for properties in tree.root.iterchildren(f"{OFFICE}meta"):
        tree.translate_properties(properties, options.target_language)


def state_language(tree: Tree, options: Options) -> None:
    """Name the target language where the source language or the default one stands."""
    target = options.target_language
    known = {primary(options.source_language)}
    for style in tree.root.iter(f"{STYLE}default-style"):
        for properties in style.iterchildren(f"{STYLE}text-properties"):
            known.add(properties.get(f"{FO}language", ""))
    for properties in tree.root.iter(f"{STYLE}text-properties"):
        if properties.get(f"{FO}language", "") in known - {""}:
            tree.follow_attribute(properties, f"{FO}language", primary(target))
            tree.follow_attribute(properties, f"{FO}country", country(target))


def country(language: str) -> str:
    """Return the country of a code such as pt-BR; "none", as OpenDocument has it, without one."""
    pieces = [piece for piece in SEPARATOR.split(language)[1:] if len(piece) == 2]
    return pieces[0].upper() if pieces else "none"
