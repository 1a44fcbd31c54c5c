"""Documents of Microsoft Word since 2007: Office Open XML, ISO/IEC 29500."""

import re
from collections.abc import Iterator

from nmt.decoding.translator.marked import Kind, Marked
from nmt.documents.document import Document, Options, Segment
from nmt.documents.office.package import (
    DRAWING_PARTS,
    Package,
    language_attribute,
    local,
    namespace,
    prefix,
    translate_descriptions,
)
from nmt.documents.office.pptx import translate_drawing_parts
from nmt.documents.office.rich_text import (
    BREAK,
    TAB,
    Look,
    Part,
    Pieces,
    escape,
    inline,
    spans,
    xml_of,
)
from nmt.documents.xml.document import Span, XmlDocument
from nmt.documents.xml.file import Element

BEGIN, SEPARATE, END = "begin", "separate", "end"  # roles of parts
INSTRUCTION = "instruction:"  # followed by its text
DEEPEST = 50  # fields within each other
# Fields whose result is text of the author.
TRANSLATED = frozenset({"HYPERLINK", "TOC", "INDEX"})


def is_translated(instruction: str) -> bool:
    """Return whether the result of a field is text of the author, from its instruction."""
    words = instruction.split(maxsplit=1)
    return bool(words) and words[0].upper() in TRANSLATED


def with_fields(parts: list[Part]) -> list[Part]:
    """Return the parts with each whole field as one mark, and links as a pair of marks.

    Fields that begin or end in another paragraph, or within another element, stay in parts.
    """
    result: list[Part] = []
    begins: list[list[int]] = [[]]  # places of beginnings in each element that is open
    for part in parts:
        if part.kind is Kind.OPEN:
            begins.append([])
        elif part.kind is Kind.CLOSE:
            begins.pop()
        elif part.role == BEGIN and len(begins[-1]) < DEEPEST:
            begins[-1].append(len(result))
        elif part.role == END and begins[-1]:
            begin = begins[-1].pop()
            result[begin:] = field_of([*result[begin:], part])
            continue
        result.append(part)
    return result


def field_of(parts: list[Part]) -> list[Part]:
    """Return a field, from its beginning to its end, as one mark; a link with its text."""
    instruction = "".join(each.role.removeprefix(INSTRUCTION) for each in parts if is_code(each))
    separators = [number for number, each in enumerate(parts) if each.role == SEPARATE]
    begin = separators[0] + 1 if separators else 0
    is_flat = all(each.kind is Kind.ALONE for each in parts[:begin])
    if begin and is_flat and is_translated(instruction):
        opening = Part(xml_of(parts[:begin]), Kind.OPEN)
        return [opening, *parts[begin:-1], Part(parts[-1].xml, Kind.CLOSE)]
    # A field without a result is a mark of the index, which shows nothing.
    return [Part(xml_of(parts), Kind.ALONE, is_edge=not separators)]


def is_code(part: Part) -> bool:
    """Return whether a part is an instruction."""
    return part.role.startswith(INSTRUCTION)


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
FIELD_ROLES = {"begin": BEGIN, "separate": SEPARATE, "end": END}
XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


class WordParts:
    """Read paragraphs of one file."""

    def __init__(self, document: XmlDocument) -> None:
        self._document = document
        self._w = document.xml.root.name[: document.xml.root.name.rfind("}") + 1]

    def parts(self, paragraph: Element) -> list[Part]:
        """Return the parts of a paragraph, without its properties."""
        return with_fields(list(self._of(paragraph)))

    def _of(self, parent: Element) -> Iterator[Part]:
        for child in parent.elements():
            name = local(child.name)
            if name == "r":
                yield from self._of_run(child)
            elif name == "smartTag":  # a hint of a spelling checker
                yield from self._of(child)
            elif name in AROUND or (name == "fldSimple" and self._is_link(child)):
                yield from self._around(child, child)
            elif name == "sdt":
                yield from self._of_control(child)
            elif name not in DROPPED:
                yield self._alone(child, name)

    def _around(self, outer: Element, inner: Element) -> Iterator[Part]:
        if inner.is_empty_tag:
            yield self._alone(outer, "")
            return
        yield Part((Span(outer.begin, inner.inner_begin),), Kind.OPEN)
        yield from self._of(inner)
        yield Part((Span(inner.inner_end, outer.end),), Kind.CLOSE)

    def _of_control(self, control: Element) -> Iterator[Part]:
        properties = control.child(f"{self._w}sdtPr")
        kinds = {local(each.name) for each in properties.elements()} if properties else set()
        content = control.child(f"{self._w}sdtContent")
        if content is None or kinds & FIXED_CONTROLS:
            yield self._alone(control, "fldSimple")
        else:
            yield from self._around(control, content)

    def _is_link(self, field: Element) -> bool:
        return is_translated(field.attributes.get(f"{self._w}instr", ""))

    def _alone(self, element: Element, name: str) -> Part:
        is_edge = name not in WORDS
        return Part((Span(element.begin, element.end),), Kind.ALONE, is_edge=is_edge)

    def _of_run(self, run: Element) -> Iterator[Part]:
        if run.is_empty_tag:
            return
        properties = run.child(f"{self._w}rPr")
        look = self._look(run, properties)
        before = (Span(run.begin, run.inner_begin), *spans(properties))
        for child in run.elements():
            name = local(child.name)
            if name not in DROPPED:
                xml = (*before, Span(child.begin, child.end), Span(run.inner_end, run.end))
                yield self._of_content(child, name, xml, look)

    def _of_content(self, child: Element, name: str, xml: Pieces, look: Look) -> Part:
        if name == "t":
            text = child.text()
            if child.attributes.get(XML_SPACE) != "preserve":
                text = text.strip(" \t\r\n")
            return Part(xml, None, text, look)
        if name == "noBreakHyphen":
            return Part(xml, None, "-", look)
        if name in {"tab", "ptab"}:
            return Part(xml, Kind.ALONE, TAB)
        if name == "cr" or (name == "br" and f"{self._w}type" not in child.attributes):
            return Part(xml, Kind.ALONE, BREAK)
        return Part(xml, Kind.ALONE, is_edge=name not in WORDS, role=self._role(child, name))

    def _role(self, child: Element, name: str) -> str:
        """Return the role of the content of a run in a field; "" for none."""
        if name == "instrText":
            return INSTRUCTION + child.text()
        return FIELD_ROLES.get(child.attributes.get(f"{self._w}fldCharType", ""), "")

    def _look(self, run: Element, properties: Element | None) -> Look:
        """Return how a run looks, and what is written around its text."""
        key = "".join(
            self._visible(each)
            for each in (properties.elements() if properties else ())
            if local(each.name) not in INVISIBLE
        )
        w = prefix(self._document, run)
        before: Pieces = (f"<{w}r>", *spans(properties), f'<{w}t xml:space="preserve">')
        return Look(key, before, (f"</{w}t></{w}r>",))

    def _visible(self, element: Element) -> str:
        if local(element.name) == "rFonts" and f"{self._w}hint" in element.attributes:
            visible = dict(element.attributes)
            del visible[f"{self._w}hint"]
            return f"rFonts{sorted(visible.items())}" if visible else ""
        return self._document.xml.raw(element.begin, element.end)


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
