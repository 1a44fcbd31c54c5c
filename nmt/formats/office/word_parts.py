"""Read the paragraphs of WordprocessingML (ISO/IEC 29500-1, chapter 17) as parts of inline text."""

from collections.abc import Iterator

from nmt.decoding.marks.marked import Kind
from nmt.formats.office.fields import BEGIN, END, INSTRUCTION, SEPARATE, is_translated, with_fields
from nmt.formats.office.office import local, prefix
from nmt.formats.office.rich_parts import BREAK, TAB, Look, Part, Pieces
from nmt.formats.xml.document import Span, XmlDocument
from nmt.formats.xml.text import escape_text
from nmt.formats.xml.tree import Element

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


def spans(element: Element | None) -> tuple[Span, ...]:
    """Return the span of an element, if there is one."""
    return (Span(element.begin, element.end),) if element else ()


def escape(text: str) -> str:
    """Return the text of a translation for a run, which can hold no line end."""
    return escape_text(" ".join(text.split("\n")))
