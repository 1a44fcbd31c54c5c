r"""Strings of Android: `strings.xml`, with arrays and plurals.

Elements in a text, such as <b>, are marks; <xliff:g> is one with its content.
"""

import re
from functools import partial

from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.documents.document import Document, Options, Segment, Write, escaped, key_path
from nmt.documents.marks.tags import with_changed_words, with_tags
from nmt.documents.messages.bilingual import Code, Role, marked, space_before
from nmt.documents.messages.plurals import categories_of
from nmt.documents.xml.document import XmlDocument
from nmt.documents.xml.file import Element, Text, XmlFile, cdata, escape_text, read_xml
from nmt.errors import NmtError

SYNTAX = frozenset({"printf", "tags", "breaks"})
XLIFF = re.compile(r"\{urn:oasis:names:tc:xliff:document:1\.[12]\}g")
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))|\"", re.DOTALL)
NAMED = {"n": "\n", "t": "\t"}
ESCAPED = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\t": "\\t"}
REFERENCE = re.compile(r"\s*[@?][\w:+*.-]*/?[\w.]*\s*")  # to another resource
LAYOUT = re.compile(r"(?<![ \t])[ \t]*+[\r\n]\s*")  # a line break and the spaces around it


def read(content: bytes, options: Options) -> Document:
    """Return the document of Android's strings; each text with words is a segment.

    Raises:
        NmtError: if it is no XML, or not of Android.
    """
    xml = read_xml(content)
    if xml.root.name != "resources":
        raise NmtError(
            f"{xml.place(xml.root.begin)}: the root is <{xml.root.name[:40]}>, but that of strings"
            " of Android is <resources>; name the right format with --format"
        )
    document = XmlDocument(xml)
    if _is_translatable(xml.root):
        for element in filter(_is_translatable, xml.root.elements()):
            name = element.attributes.get("name", "")
            if element.name == "string" or (
                element.name == "item" and element.attributes.get("type") == "string"
            ):
                _add(document, element, [name])
            elif element.name in ("string-array", "array"):
                for number, item in enumerate(element.elements("item")):
                    _add(document, item, [name, str(number)])
            elif element.name == "plurals":
                _add_plurals(document, element, name, categories_of(options.target_language))
    return document


def _is_translatable(element: Element) -> bool:
    return element.attributes.get("translatable") != "false"


def _add_plurals(
    document: XmlDocument, element: Element, name: str, categories: tuple[str, ...]
) -> None:
    """Add the items of a message with a number, and those that only the target language needs."""
    items = [*element.elements("item")]
    present = {each.attributes.get("quantity", ""): each for each in items}
    for category, item in present.items():
        number = _add(document, item, [name, category])
        missing = [each for each in categories if each not in present]
        if category == "other" and missing and number is not None:
            gap = space_before(document.xml, item)
            write = partial(_items, _writer(document.xml, item), missing, gap)
            document.repeat(items[-1].end, items[-1].end, number, write)


def _items(write: Write, categories: list[str], gap: str, translation: Marked) -> str:
    """Return the same text for several quantities."""
    text = write(translation)
    return "".join(f'{gap}<item quantity="{each}">{text}</item>' for each in categories)


def _add(document: XmlDocument, element: Element, keys: list[str]) -> int | None:
    """Add a text if it has words; return the number of its segment."""
    source = _source(document.xml, element)
    if not has_words(source.without_marks()) or REFERENCE.fullmatch(source.text):
        return None
    place = document.xml.place(element.begin)
    segment = Segment(source, place, key_path(keys), syntax=SYNTAX)
    write = _writer(document.xml, element)
    return document.translate(element.inner_begin, element.inner_end, segment, write)


def _source(xml: XmlFile, element: Element) -> Marked:
    """Return the text of an element as a program shows it, with the elements in it as marks."""
    text = marked(xml, element, _code_of)
    if _is_cdata(element):  # its tags are text for XML
        text = with_tags(text.text)
    begin = len(text.text) - len(text.text.lstrip())
    end = max(begin, len(text.text.rstrip()))
    inside = all(begin <= each.begin and each.end <= end for each in text.marks)
    return with_changed_words(text.slice(begin, end) if inside else text, _unescaped)


def _code_of(element: Element) -> Code:
    return Code(Role.WHOLE if XLIFF.fullmatch(element.name) else Role.PAIR)


def _unescaped(raw: str) -> str:
    def character(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        return NAMED.get(found[2], found[2]) if found[2] else ""

    text = ESCAPE.sub(character, LAYOUT.sub(" ", raw))
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Writer:
    """Write translations as the source is written."""

    def __init__(self, is_quoted: bool, is_cdata: bool) -> None:
        self.is_quoted = is_quoted  # the whole text is: its spaces count
        self.is_cdata = is_cdata

    def __call__(self, translation: Marked) -> str:
        """Return the XML of a translation."""
        own = translation.of_format()
        if self.is_cdata:
            return cdata(escaped(own, self._escape))
        text = escaped(own, lambda part: escape_text(self._escape(part)))
        if self.is_quoted:
            return f'"{text}"'
        inner = text.strip(" ")
        begin, end = len(text) - len(text.lstrip(" ")), len(text.rstrip(" "))
        text = "\\u0020" * begin + inner + "\\u0020" * (len(text) - max(begin, end))
        return f"\\{text}" if text[:1] in ("@", "?") else text

    def _escape(self, text: str) -> str:
        return "".join(
            each if self.is_quoted and each == "'" else ESCAPED.get(each, each) for each in text
        )


def _writer(xml: XmlFile, element: Element) -> Writer:
    raw = xml.raw(element.inner_begin, element.inner_end).strip()
    is_quoted = len(raw) > 1 and raw[0] == raw[-1] == '"' and not raw.endswith('\\"')
    return Writer(is_quoted, _is_cdata(element))


def _is_cdata(element: Element) -> bool:
    """Return whether the text of an element is a CDATA section."""
    parts = [each for each in element.children if not isinstance(each, Text) or each.text.strip()]
    return len(parts) == 1 and isinstance(parts[0], Text) and parts[0].is_cdata
