"""Documents of Microsoft Word since 2007: Office Open XML, ISO/IEC 29500."""

import re
from collections.abc import Iterable, Iterator

from nmt.decoding.translator.marked import Kind
from nmt.documents.document import Document, Options
from nmt.documents.office.package import Element, Tree, local, namespace, text_in
from nmt.documents.office.pptx import DRAWING_PARTS, OfficePackage, translate_drawings
from nmt.documents.office.rich_text import (
    BREAK,
    TAB,
    Look,
    Node,
    Part,
    Story,
    add_run,
    key,
    nodes_in,
)
from nmt.documents.xml.tree import XML_SPACE
from nmt.text.reading.languages import primary

BEGIN, SEPARATE, END = "begin", "separate", "end"  # roles of parts, as w:fldCharType has them
INSTRUCTION = "instruction:"  # followed by its text
DEEPEST = 50  # fields within each other
# Fields whose result is text of the author.
TRANSLATED = frozenset({"HYPERLINK", "TOC", "INDEX"})


def is_translated(instruction: str) -> bool:
    """Return whether the result of a field is text of the author, from its instruction."""
    words = instruction.split(maxsplit=1)
    return bool(words) and words[0].upper() in TRANSLATED


def with_fields(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return the parts with each whole field as one mark, and links as a pair of marks.

    Fields that begin or end in another paragraph, or within another element, stay in parts.
    """
    result: list[Part] = []
    begins: list[int] = []
    for part in parts:
        if part.role == BEGIN and len(begins) < DEEPEST:
            begins.append(len(result))
        result.append(part)
        if part.role == END and begins:
            begin = begins.pop()
            result[begin:] = [field(result[begin:])]
    return tuple(result)


def field(parts: list[Part]) -> Part:
    """Return a field, from its beginning to its end, as one mark; a link with its text."""
    codes = (part.role for part in parts if part.role.startswith(INSTRUCTION))
    instruction = "".join(code.removeprefix(INSTRUCTION) for code in codes)
    separators = [number for number, part in enumerate(parts, 1) if part.role == SEPARATE]
    begin = separators[0] if separators else 0
    is_flat = all(part.kind is Kind.ALONE for part in parts[:begin])
    if begin and is_flat and is_translated(instruction):
        nodes, end = nodes_in(parts[:begin]), parts[-1].nodes
        return Part(nodes, Kind.OPEN, inner=tuple(parts[begin:-1]), end=end)
    # A field without a result is a mark of the index, which shows nothing.
    return Part(nodes_in(parts), Kind.ALONE, is_outside=not separators)


# What contains runs, and stays around their translation.
AROUND = frozenset({"hyperlink", "ins", "moveTo", "customXml", "dir", "bdo"})
# A word processor finds them again; or the hyphenation of the source language.
DROPPED = frozenset(
    {"pPr", "rPr", "proofErr", "lastRenderedPageBreak", "softHyphen", "smartTagPr", "customXmlPr"}
)
# Their content says something in the sentence.
WORDS = frozenset({"fldSimple", "oMath", "sym", "pgNum", "ruby"})
# Controls whose content is one of a list, or is computed.
FIXED_CONTROLS = frozenset(
    {"comboBox", "dropDownList", "date", "checkbox", "picture", "docPartObj"}
)
# They change neither how a text looks nor what it means.
INVISIBLE = frozenset({"lang", "noProof", "rPrChange", "bCs", "iCs", "szCs", "snapToGrid"})
EAST_ASIAN = frozenset({"zh", "ja", "ko"})
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})


class WordStory(Story):
    """The text of one part, whose paragraphs have runs."""

    def __init__(self, tree: Tree, options: Options, headings: set[str]) -> None:
        """Take a tree; headings: identifiers of styles."""
        super().__init__(tree, options)
        self._headings = headings
        self._w = namespace(tree.root.tag)
        self.paragraphs = frozenset({f"{self._w}p"})

    def is_done(self, element: Element) -> bool:
        """Add the description of a picture; add a text box once, which is there twice.

        One copy is for new, the other for old versions of Word.
        """
        name = local(element.tag)
        if self.copies is not None:
            return False
        if name == "docPr":
            self.tree.translate_descriptions(element, self.place)
        if name != "AlternateContent":
            return False
        known = len(self.tree.segments)
        for alternative in element.iterchildren("*"):
            self.visit(alternative)
            if self.copies is None:
                found = enumerate(self.tree.segments[known:], known)
                self.copies = {segment.source: number for number, segment in found}
        self.copies = None
        return True

    def is_heading(self, paragraph: Element) -> bool:
        """Return whether a paragraph has the style or the level of a heading."""
        w = self._w
        properties = next(paragraph.iterchildren("*"))
        style = properties.find(f"{w}pStyle")
        name = "" if style is None else style.get(f"{w}val", "")
        return local(properties.tag) == "pPr" and (
            name in self._headings or properties.find(f"{w}outlineLvl") is not None
        )

    def put_text(self, parent: Element, text: str, look: Look) -> None:
        """Add a text of a translation to an element."""
        add_run(parent, text, look).set(XML_SPACE, "preserve")

    def state_language(self, paragraph: Element) -> None:
        """Name the target language where the paragraph names a language."""
        name = self._w + language_attribute(self.options.target_language)
        for language in paragraph.iter(f"{self._w}lang"):
            if self.options.target_language and name in language.attrib:
                language.set(name, self.options.target_language)

    def parts(self, paragraph: Element) -> tuple[Part, ...]:
        """Return the parts of a paragraph, without its properties."""
        return with_fields(self._parts(paragraph))

    def _parts(self, parent: Element) -> Iterator[Part]:
        for child in parent.iterchildren("*"):
            name = local(child.tag)
            if name == "r":
                yield from self._run(child)
            elif name == "smartTag":  # a hint of a spelling checker
                yield from self._parts(child)
            elif name in AROUND or (name == "fldSimple" and self._is_link(child)):
                yield self._around(child, child)
            elif name == "sdt":
                yield self._control(child)
            elif name not in DROPPED:
                yield alone(Node(child), name)

    def _around(self, outer: Element, inner: Element) -> Part:
        if not len(inner):
            return alone(Node(outer), "")
        parts = with_fields(self._parts(inner))
        return Part(kind=Kind.OPEN, inner=parts, elements=(outer, inner))

    def _control(self, control: Element) -> Part:
        kinds = {local(kind.tag) for kind in control.iterfind(f"{self._w}sdtPr/*")}
        content = control.find(f"{self._w}sdtContent")
        if content is None or kinds & FIXED_CONTROLS:
            return alone(Node(control), "fldSimple")
        return self._around(control, content)

    def _is_link(self, field: Element) -> bool:
        return is_translated(field.get(f"{self._w}instr", ""))

    def _run(self, run: Element) -> Iterator[Part]:
        look = self._look(run)
        for child in run.iterchildren("*"):
            name = local(child.tag)
            if name not in DROPPED:
                yield self._content(child, name, Node(child, (run,)), look)

    def _content(self, child: Element, name: str, node: Node, look: Look) -> Part:
        """Return the part for an element in a run."""
        if name == "t":
            text = text_in(child)
            if child.get(XML_SPACE) != "preserve":
                text = text.strip(" \t\r\n")
            return Part((node,), None, text, look)
        if name == "noBreakHyphen":
            return Part((node,), None, "-", look)
        if name in {"tab", "ptab"}:
            return Part((node,), Kind.ALONE, TAB)
        if name == "cr" or (name == "br" and f"{self._w}type" not in child.attrib):
            return Part((node,), Kind.ALONE, BREAK)
        if name == "instrText":
            return alone(node, name, INSTRUCTION + text_in(child))
        return alone(node, name, child.get(f"{self._w}fldCharType", ""))

    def _look(self, run: Element) -> Look:
        """Return how a run looks."""
        visible: list[object] = []
        hint = f"{self._w}hint"  # how to choose among the fonts
        for child in run.iterfind(f"{self._w}rPr/*"):
            name = local(child.tag)
            if name == "rFonts" and hint in child.attrib:
                visible += sorted(item for item in child.attrib.items() if item[0] != hint)
            elif name not in INVISIBLE:
                visible.append(key(child))
        return Look(tuple(visible), (run,))


def alone(node: Node, name: str, role: str = "") -> Part:
    """Return a mark for an element with a name."""
    return Part((node,), Kind.ALONE, is_outside=name not in WORDS, role=role)


def language_attribute(target: str) -> str:
    """Return which attribute of w:lang names a language: by its script."""
    if primary(target) in EAST_ASIAN:
        return "eastAsia"
    return "bidi" if primary(target) in RIGHT_TO_LEFT else "val"


WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml."
MACROS = "application/vnd.ms-word."
MAIN = (
    *(f"{WORD}document.main+xml", f"{WORD}template.main+xml"),
    *(f"{MACROS}document.macroEnabled.main+xml", f"{MACROS}template.macroEnabledTemplate.main+xml"),
)
TEXTS = tuple(
    f"{WORD}{kind}+xml" for kind in ("footnotes", "endnotes", "header", "footer", "comments")
)
STYLES = (f"{WORD}styles+xml", f"{WORD}settings+xml")
HEADING = re.compile(r"(heading \d|title|subtitle)$", re.IGNORECASE)


def read(content: bytes, options: Options) -> Document:
    """Return the document of a Word file; a paragraph is a segment.

    These are translated: the text, tables, headers, footers, footnotes, endnotes, comments, text
    boxes, diagrams, titles of charts, descriptions of pictures, and the title.
    """
    package = OfficePackage(content)
    main = package.main(*MAIN)
    headings: set[str] = set()
    for name in package.parts(*STYLES):
        package.add(name, lambda tree: read_styles(tree, options, headings))
    for name in (main, *package.parts(*TEXTS)):
        package.add(name, lambda tree: WordStory(tree, options, headings).visit(tree.root))
    translate_drawings(package, package.parts(*DRAWING_PARTS), options)
    package.add_properties(options)
    return package


def read_styles(tree: Tree, options: Options, headings: set[str]) -> None:
    """State the language in the styles; add the identifiers of those of headings."""
    w = namespace(tree.root.tag)
    languages = [
        *tree.root.iter(f"{w}themeFontLang"),
        *tree.root.iterfind(f"{w}docDefaults//{w}lang"),
    ]
    name = w + language_attribute(options.target_language)
    for language in languages:
        tree.follow_attribute(language, name, options.target_language)
    for style in tree.root.iterchildren(f"{w}style"):
        title = style.find(f"{w}name")
        if title is not None and HEADING.match(title.get(f"{w}val", "")):
            headings.add(style.get(f"{w}styleId", ""))
