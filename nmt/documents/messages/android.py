r"""Strings of Android: `strings.xml`, with arrays and plurals.

Elements in a text, such as <b>, are marks; <xliff:g> is one with its content.
"""

import re
from collections.abc import Sequence
from functools import partial

from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.documents.document import Document, Options, Write, unescaped
from nmt.documents.marks.tags import with_changed_words, with_tags
from nmt.documents.messages.bilingual import PAIR, WHOLE, marked
from nmt.documents.messages.plurals import find_categories
from nmt.documents.xml.tree import Characters, Element, XmlDocument, cdata, escape_text, read_xml

SYNTAX = frozenset({"printf", "tags"})
XLIFF = re.compile(r"\{urn:oasis:names:tc:xliff:document:1\.[12]\}g")
ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?P<sign>.))|\"", re.DOTALL)
NAMED = {"n": "\n", "t": "\t"}
ESCAPED = str.maketrans({"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\t": "\\t"})
ESCAPED_IN_QUOTES = {sign: text for sign, text in ESCAPED.items() if sign != ord("'")}
REFERENCE = re.compile(r"\s*[@?][\w:+*.-]*/?[\w.]*\s*")  # to another resource
LAYOUT = re.compile(r"(?<![ \t])[ \t]*+[\r\n]\s*")  # a line break and the spaces around it


def read(content: bytes, options: Options) -> Document:
    """Return the document of Android's strings; each text with words is a segment.

    Raises:
        NmtError: if it is no XML, or not of Android.
    """
    document = read_xml(content, "resources", "strings of Android")
    root = document.root
    if _is_translatable(root):
        for element in filter(_is_translatable, root.elements()):
            name = element.attributes.get("name", "")
            if element.name == "string" or (
                element.name == "item" and element.attributes.get("type") == "string"
            ):
                _add(document, element, [name])
            elif element.name in ("string-array", "array"):
                for number, item in enumerate(element.elements("item")):
                    _add(document, item, [name, str(number)])
            elif element.name == "plurals":
                _add_plurals(document, element, name, find_categories(options.target_language))
    return document


def _is_translatable(element: Element) -> bool:
    return element.attributes.get("translatable") != "false"


def _add_plurals(
    document: XmlDocument, element: Element, name: str, categories: tuple[str, ...]
) -> None:
    """Add the items of a message with a number, and those that only the target language needs."""
    items = [*element.elements("item")]
    present = {item.attributes.get("quantity", ""): item for item in items}
    missing = [category for category in categories if category not in present]
    for category, item in present.items():
        added = partial(_items, _writer(document, item), missing, document.space_before(item))
        copies = [(items[-1].end, added)] if category == "other" else []
        _add(document, item, [name, category], copies)


def _items(write: Write, categories: list[str], gap: str, translation: Marked) -> str:
    """Return the same text for several quantities."""
    text = write(translation)
    return "".join(f'{gap}<item quantity="{category}">{text}</item>' for category in categories)


def _add(
    document: XmlDocument,
    element: Element,
    keys: list[str],
    copies: Sequence[tuple[int, Write]] = (),
) -> None:
    """Add a text if it has words."""
    source = _source(document, element)
    if has_words(source.without_marks()) and not REFERENCE.fullmatch(source.text):
        begin, end = element.inner_begin, element.inner_end
        write = _writer(document, element)
        document.fill_text(begin, end, source, write, keys, SYNTAX, copies)


def _source(document: XmlDocument, element: Element) -> Marked:
    """Return the text of an element as a program shows it, with the elements in it as marks."""
    text = marked(document, element, lambda inner: WHOLE if XLIFF.fullmatch(inner.name) else PAIR)
    if _is_cdata(element):  # its tags are text for XML
        text = with_tags(text.text)
    begin = len(text.text) - len(text.text.lstrip())
    end = max(begin, len(text.text.rstrip()))
    inside = all(begin <= mark.begin and mark.end <= end for mark in text.marks)
    return with_changed_words(
        text.slice(begin, end) if inside else text,
        lambda part: unescaped(LAYOUT.sub(" ", part), ESCAPE, NAMED),
    )


def _writer(document: XmlDocument, element: Element) -> Write:
    """Return what writes translations of an element as its source is written."""
    raw = document.raw(element.inner_begin, element.inner_end).strip()
    # The whole text is in quotation marks: its spaces count.
    is_quoted = len(raw) > 1 and raw[0] == raw[-1] == '"' and not raw.endswith('\\"')
    return partial(_write, is_quoted, _is_cdata(element))


def _write(is_quoted: bool, is_cdata: bool, translation: Marked) -> str:
    """Return the XML of a translation."""
    table = ESCAPED_IN_QUOTES if is_quoted else ESCAPED
    translation = with_changed_words(translation, lambda part: part.translate(table))
    if is_cdata:
        return cdata(translation.text)
    text = with_changed_words(translation, escape_text).text
    if is_quoted:
        return f'"{text}"'
    inner = text.strip(" ")
    begin, end = len(text) - len(text.lstrip(" ")), len(text.rstrip(" "))
    text = "\\u0020" * begin + inner + "\\u0020" * (len(text) - max(begin, end))
    return f"\\{text}" if text[:1] in ("@", "?") else text


def _is_cdata(element: Element) -> bool:
    """Return whether the text of an element is a CDATA section."""
    parts = [
        child
        for child in element.children
        if not isinstance(child, Characters) or child.text.strip()
    ]
    return len(parts) == 1 and isinstance(parts[0], Characters) and parts[0].is_cdata
