"""Messages with numbers of macOS and iOS: `.stringsdict`, a property list."""

import re
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from nmt.decoding.marks.marked import Mark, Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.errors import NmtError
from nmt.formats.catalogues.bilingual_xml import space_before
from nmt.formats.catalogues.plural_categories import categories_of
from nmt.formats.document import Document, Options, Segment, escaped
from nmt.formats.resources.values import path_of
from nmt.formats.xml.document import XmlDocument
from nmt.formats.xml.file import read_xml
from nmt.formats.xml.text import escape_text
from nmt.formats.xml.tree import Element

SYNTAX = frozenset({"objc"})
FORMAT, RULE = "NSStringLocalizedFormatKey", "NSStringFormatSpecTypeKey"
PLURAL = "NSStringPluralRuleType"
VARIABLE = re.compile(r"%(?:\d{1,3}\$)?#@[^@\s]{1,100}@")  # stands for the text of a variable


class Pair(NamedTuple):
    """A key and its value in a property list."""

    key: str
    key_element: Element
    value: Element


def read(content: bytes, options: Options) -> Document:
    """Return the document of messages with numbers; each text with words is a segment.

    Raises:
        NmtError: if it is no property list in XML.
    """
    if content.startswith(b"bplist"):
        raise NmtError("it is a binary property list; convert it with plutil -convert xml1 FILE")
    xml = read_xml(content)
    top = xml.root.child("dict")
    if xml.root.name != "plist" or top is None:
        raise NmtError(
            f"{xml.place(xml.root.begin)}: the root is <{xml.root.name[:40]}>, but that of a"
            " property list is <plist> with a <dict> in it"
        )
    document = XmlDocument(xml)
    categories = categories_of(options.target_language)
    stack: list[tuple[Element, list[str]]] = [(top, [])]
    while stack:
        dictionary, keys = stack.pop()
        pairs = [*_pairs(dictionary)]
        _add(document, pairs, keys, categories)
        inner = [(each.value, [*keys, each.key]) for each in pairs if each.value.name == "dict"]
        stack += reversed(inner)
    return document


def _pairs(dictionary: Element) -> Iterator[Pair]:
    key: Element | None = None
    for element in dictionary.elements():
        if element.name == "key":
            key = element
        elif key is not None:
            yield Pair(key.text(), key, element)
            key = None


def _add(
    document: XmlDocument, pairs: list[Pair], keys: list[str], categories: tuple[str, ...]
) -> None:
    """Add the texts of a dictionary, and the plural forms that only the target language needs."""
    values = {each.key: each.value.text() for each in pairs}
    missing = [each for each in categories if each not in values and values.get(RULE) == PLURAL]
    for pair in pairs:
        text = pair.value.text()
        is_text = pair.key == FORMAT or not pair.key.startswith("NSString")
        marks = tuple(Mark(*found.span()) for found in VARIABLE.finditer(text))
        source = Marked(text, marks)
        if pair.value.name != "string" or not is_text or not has_words(source.without_marks()):
            continue
        place = document.xml.place(pair.value.begin)
        segment = Segment(source, place, path_of([*keys, pair.key]), syntax=SYNTAX)
        begin, end = pair.value.inner_begin, pair.value.inner_end
        number = document.translate(begin, end, segment, _write)
        if pair.key == "other" and missing:
            gap = space_before(document.xml, pair.key_element)
            write = partial(_forms, missing, gap)
            document.repeat(pair.value.end, pair.value.end, number, write)


def _write(translation: Marked) -> str:
    return escaped(translation.of_format(), escape_text)


def _forms(categories: list[str], gap: str, translation: Marked) -> str:
    """Return the same text for several plural forms."""
    text = _write(translation)
    return "".join(f"{gap}<key>{each}</key>{gap}<string>{text}</string>" for each in categories)
