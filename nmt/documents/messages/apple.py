"""Strings of macOS and iOS: `.strings`, and `.stringsdict` for messages with numbers."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise

from nmt.decoding.translator.marked import Mark, Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.documents.document import Document, Options, SourceDocument, decode, unescaped
from nmt.documents.marks.tags import with_changed_words, with_tags
from nmt.documents.messages.plurals import find_categories
from nmt.documents.xml.tree import Element, XmlDocument, escape_text, read_xml
from nmt.errors import NmtError, shown

SYNTAX = frozenset({"objc", "tags"})
TOKEN = re.compile(
    r"(?P<space>\s+|//[^\r\n]*|/\*(?s:.*?)\*/)"
    r"|\"(?P<quoted>[^\"\\]*+(?:\\(?s:.)[^\"\\]*+)*+)\"|(?P<word>(?:[\w.$:-]|/(?![/*]))+)|(?P<sign>[=;])"
)
ESCAPE = re.compile(r"\\(?:[Uu](?P<code>[0-9a-fA-F]{4})|(?P<sign>[0-7]{1,3}|.))", re.DOTALL)
NAMED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "a": "\a", "b": "\b", "v": "\v"}
SIGNS = NAMED | {
    f"{code:0{digits}o}": chr(code & 0xFF) for digits in (1, 2, 3) for code in range(8**digits)
}
ESCAPED = {character: f"\\{name}" for name, character in NAMED.items()} | {'"': '\\"', "\\": "\\\\"}
OPENINGS = {'"': 'the text has no closing "', "/*": "the comment has no closing */"}


def read_strings(content: bytes, options: Options) -> Document:
    """Return the document of a file of strings; each value with words has segments.

    Raises:
        NmtError: for what is no entry, such as a text without its closing quote.
    """
    text, encoding = decode(content)
    document = SourceDocument(content, text, encoding)
    entry: list[re.Match[str]] = []
    for token in _tokens(document, text):
        is_end = token[0] == ";"
        if not is_end:
            entry.append(token)
        if not _is_entry(entry, is_end):
            raise NmtError(
                f"{document.place(token.start())}: {shown(token[token.lastgroup or 0])} is not"
                ' expected here; an entry is "key" = "text";'
            )
        if not is_end:
            continue
        key, value = entry[0], entry[-1]
        entry = []
        if value is key or value["quoted"] is None:
            continue
        source = with_tags(unescaped(value["quoted"], ESCAPE, SIGNS))
        if has_words(source.without_marks()):
            write = partial(_write, value["quoted"])
            keys = [unescaped(key["quoted"] or key["word"] or "", ESCAPE, SIGNS)]
            document.fill_text(*value.span("quoted"), source, write, keys, SYNTAX)
    if entry:
        place = document.place(entry[0].start())
        raise NmtError(f"{place}: the entry has no ; at its end; add it")
    return document


def _is_entry(entry: list[re.Match[str]], is_end: bool) -> bool:
    """Return whether parts begin an entry, or are one: key; or key = value;"""
    if any((token["sign"] is not None) != (index == 1) for index, token in enumerate(entry)):
        return False
    return len(entry) in (1, 3) if is_end else len(entry) <= 3


def _tokens(document: SourceDocument, text: str) -> Iterator[re.Match[str]]:
    """Yield the parts of entries: texts, = and ;."""
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            opening = '"' if text[at] == '"' else text[at : at + 2]
            problem = OPENINGS.get(opening, f"{shown(text[at])} is not expected here")
            raise NmtError(f'{document.place(at)}: {problem}; an entry is "key" = "text";')
        at = found.end()
        if found.lastgroup != "space":
            yield found


def _write(raw: str, translation: Marked) -> str:
    r"""Return a translation as the file has it; a line break as \n unless raw has none so."""
    keeps_lines = "\n" in raw
    return "".join(
        character if character == "\n" and keeps_lines else ESCAPED.get(character, character)
        for character in translation.text
    )


PLURAL_SYNTAX = frozenset({"objc"})
FORMAT, RULE = "NSStringLocalizedFormatKey", "NSStringFormatSpecTypeKey"
PLURAL = "NSStringPluralRuleType"
VARIABLE = re.compile(r"%(?:\d{1,3}\$?)?#@[^@\s]{1,100}@")  # stands for the text of a variable


def read_stringsdict(content: bytes, options: Options) -> Document:
    """Return the document of messages with numbers; each text with words is a segment.

    Raises:
        NmtError: if it is no property list in XML.
    """
    if content.startswith(b"bplist"):
        raise NmtError("it is a binary property list; convert it with plutil -convert xml1 FILE")
    document = read_xml(content)
    root = document.root
    top = root.child("dict")
    if root.name != "plist" or top is None:
        raise NmtError(
            f"{document.place(root.begin)}: the root is <{root.name[:40]}>, but that of a property"
            " list is <plist> with a <dict> in it"
        )
    _add(document, top, (), find_categories(options.target_language))
    return document


def _add(
    document: XmlDocument, dictionary: Element, keys: Sequence[str], categories: Sequence[str]
) -> None:
    """Add the texts of a dictionary, and the plural forms that only the target language needs."""
    neighbours = pairwise(dictionary.elements())
    pairs = [(key, value) for key, value in neighbours if key.name == "key" != value.name]
    values = {key.text(): value.text() for key, value in pairs}
    missing = [name for name in categories if name not in values and values.get(RULE) == PLURAL]
    for key, value in pairs:
        name, text = key.text(), value.text()
        own = [*keys, name]
        if value.name == "dict":
            _add(document, value, own, categories)
        is_text = name == FORMAT or not name.startswith("NSString")
        marks = tuple(Mark(*found.span()) for found in VARIABLE.finditer(text))
        source = Marked(text, marks)
        if value.name != "string" or not is_text or not has_words(source.without_marks()):
            continue
        forms = partial(_forms, missing, document.space_before(key))
        copies = [(value.end, forms)] if name == "other" else []
        begin, end = value.inner_begin, value.inner_end
        document.fill_text(begin, end, source, _write_xml, own, PLURAL_SYNTAX, copies)


def _write_xml(translation: Marked) -> str:
    return with_changed_words(translation, escape_text).text


def _forms(categories: list[str], gap: str, translation: Marked) -> str:
    """Return the same text for several plural forms."""
    text = _write_xml(translation)
    return "".join(f"{gap}<key>{name}</key>{gap}<string>{text}</string>" for name in categories)
