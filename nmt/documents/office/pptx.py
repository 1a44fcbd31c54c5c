"""Presentations of Microsoft PowerPoint since 2007, and what all Office formats have in common.

Office Open XML, ISO/IEC 29500.
"""

import re
from collections.abc import Iterator

from nmt.decoding.translator.marked import Kind
from nmt.documents.document import Document, Options
from nmt.documents.office.package import Element, Package, damaged, local, text_in
from nmt.documents.office.rich_text import BREAK, Look, Node, Part, Story, key

TYPES = "[Content_Types].xml"
CORE = "application/vnd.openxmlformats-package.core-properties+xml"
SIGNATURE = "application/vnd.openxmlformats-package.digital-signature-xmlsignature+xml"
CHART = "application/vnd.openxmlformats-officedocument.drawingml.chart+xml"
DIAGRAM = "application/vnd.openxmlformats-officedocument.drawingml.diagramData+xml"
DIAGRAM_PICTURE = "application/vnd.ms-office.drawingml.diagramDrawing+xml"
DRAWING_PARTS = (CHART, DIAGRAM, DIAGRAM_PICTURE)

NUMBERS = re.compile(r"(\d+)")


class OfficePackage(Package):
    """A document of Office: a table says of which type its parts are."""

    def __init__(self, content: bytes) -> None:
        """Read the table of parts; raises NmtError if there is none."""
        super().__init__(content)
        types = (
            (element.get("PartName", "").lstrip("/"), element.get("ContentType", ""))
            for element in self.root(TYPES).iterchildren("*")
        )
        self._types = {name: kind for name, kind in types if name in self.members}
        if SIGNATURE in self._types.values():
            self.warn_signed("signature")

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

    def add_properties(self, options: Options) -> None:
        """Translate the title of the document, and state its language."""
        language = options.target_language
        for name in self.parts(CORE):
            self.add(name, lambda tree: tree.translate_properties(tree.root, language))


def in_order(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts slide2.xml before slide10.xml."""
    pieces = NUMBERS.split(name)
    return [(int(piece[:18]) if piece.isdigit() else -1, piece) for piece in pieces]


DRAWING = (
    "{http://schemas.openxmlformats.org/drawingml/2006/main}",
    "{http://purl.oclc.org/ooxml/drawingml/main}",  # of the strict form
)
# Attributes that do not change how a text looks.
INVISIBLE = frozenset({"lang", "altLang", "dirty", "err", "noProof", "smtClean", "smtId", "bmk"})
LINKS = frozenset({"hlinkClick", "hlinkMouseOver"})
HEADINGS = frozenset({"title", "ctrTitle", "subTitle"})  # types of placeholders


class DrawingStory(Story):
    """The text of a part that has it in shapes, tables or titles."""

    paragraphs = frozenset(f"{namespace}p" for namespace in DRAWING)

    def is_done(self, element: Element) -> bool:
        """Add the description of a picture."""
        if local(element.tag) == "cNvPr":
            self.tree.translate_descriptions(element, self.place)
        return False

    def is_heading(self, paragraph: Element) -> bool:
        """Return whether a paragraph is in the placeholder of a title."""
        shape = next(paragraph.iterancestors("{*}sp"), None)
        placeholders = () if shape is None else shape.iterfind("{*}nvSpPr/{*}nvPr/{*}ph")
        return any(placeholder.get("type") in HEADINGS for placeholder in placeholders)

    def parts(self, paragraph: Element) -> Iterator[Part]:
        """Yield the parts of a paragraph, without its properties."""
        for child in paragraph.iterchildren("*"):
            name = local(child.tag)
            nodes = (Node(child),)
            if name == "r":
                text = next(child.iterchildren("{*}t"), None)
                yield Part(nodes, None, "" if text is None else text_in(text), look(child))
            elif name == "br":
                yield Part(nodes, Kind.ALONE, BREAK)
            elif name not in {"pPr", "endParaRPr"}:  # a field or a formula
                yield Part(nodes, Kind.ALONE, is_outside=False)

    def state_language(self, paragraph: Element) -> None:
        """Name the target language in each run."""
        for element in paragraph.iter("*"):
            if "lang" in element.attrib and self.options.target_language:
                element.set("lang", self.options.target_language)


def look(run: Element) -> Look:
    """Return how a run looks, with its link."""
    properties = next(run.iterchildren("{*}rPr"), None)
    if properties is None:
        return Look()
    seen = sorted(item for item in properties.attrib.items() if item[0] not in INVISIBLE)
    children = list(properties.iterchildren("*"))
    is_link = any(local(child.tag) in LINKS for child in children)
    return Look((*seen, *map(key, children)), (run,), is_link)


def translate_drawings(package: OfficePackage, names: list[str], options: Options) -> None:
    """Translate parts that hold text in shapes."""
    for name in names:
        package.add(name, lambda tree: DrawingStory(tree, options).visit(tree.root))


SLIDES = "application/vnd.openxmlformats-officedocument.presentationml."
MACROS = "application/vnd.ms-powerpoint."
KINDS = ("presentation", "slideshow", "template")
MAIN = (
    *(f"{SLIDES}{kind}.main+xml" for kind in KINDS),
    *(f"{MACROS}{kind}.macroEnabled.main+xml" for kind in KINDS),
)
TEXTS = (f"{SLIDES}slide+xml", f"{SLIDES}notesSlide+xml", *DRAWING_PARTS)


def read(content: bytes, options: Options) -> Document:
    """Return the document of a presentation; a paragraph is a segment.

    These are translated: shapes, tables, notes, diagrams, titles of charts, descriptions of
    pictures, and the title. Layouts are not: their texts are shown only to who edits them.
    """
    package = OfficePackage(content)
    package.main(*MAIN)
    translate_drawings(package, package.parts(*TEXTS), options)
    package.add_properties(options)
    return package
