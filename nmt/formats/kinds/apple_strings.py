"""Strings of macOS and iOS: `.strings`, in UTF-8 or UTF-16."""

import re
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from nmt.decoding.marks.marked import Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.errors import NmtError, shown
from nmt.formats.document import Document, Options
from nmt.formats.encoding import decode
from nmt.formats.resources.values import ValueDocument, message, path_of

SYNTAX = frozenset({"objc", "tags"})
TOKEN = re.compile(
    r"(?P<space>\s+|//[^\r\n]*|/\*(?s:.*?)\*/)"
    r"|\"(?P<quoted>[^\"\\]*+(?:\\(?s:.)[^\"\\]*+)*+)\"|(?P<word>(?:[\w.$:-]|/(?![/*]))+)|(?P<sign>[=;])"
)
ESCAPE = re.compile(r"\\(?:[Uu]([0-9a-fA-F]{4})|([0-7]{1,3})|(.))", re.DOTALL)
NAMED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "a": "\a", "b": "\b", "v": "\v"}
ESCAPED = {each: f"\\{name}" for name, each in NAMED.items()} | {'"': '\\"', "\\": "\\\\"}
OPENINGS = {'"': 'the text has no closing "', "/*": "the comment has no closing */"}


class Token(NamedTuple):
    """A part of an entry: a text, = or ;."""

    begin: int  # without quotes
    end: int
    text: str
    is_quoted: bool
    is_sign: bool


def read(content: bytes, options: Options) -> Document:
    """Return the document of a file of strings; each value with words has segments.

    Raises:
        NmtError: for what is no entry, such as a text without its closing quote.
    """
    text, encoding = decode(content)
    document = ValueDocument(encoding)
    kept, line = 0, 1
    entry: list[Token] = []
    for token in _tokens(text):
        is_end = token.is_sign and token.text == ";"
        if not is_end:
            entry.append(token)
        if not _is_entry(entry, is_end):
            place = text.count("\n", 0, token.begin) + 1
            raise NmtError(
                f'line {place}: {shown(token.text)} is not expected here; an entry is "key" ='
                ' "text";'
            )
        if not is_end:
            continue
        key, value = entry[0], entry[-1]
        entry = []
        raw = text[value.begin : value.end]
        shown_text = unescaped(raw)
        if (
            value is key
            or not value.is_quoted
            or not has_words(message(shown_text).without_marks())
        ):
            continue
        document.keep(text[kept : value.begin])
        line += text.count("\n", kept, value.begin)
        document.translate(
            raw,
            message(shown_text),
            partial(_write, raw),
            place=f"line {line}",
            context=path_of([unescaped(key.text)]),
            syntax=SYNTAX,
        )
        line += raw.count("\n")
        kept = value.end
    if entry:
        place = text.count("\n", 0, entry[0].begin) + 1
        raise NmtError(f"line {place}: the entry has no ; at its end; add it")
    document.keep(text[kept:])
    return document


def _is_entry(entry: list[Token], is_end: bool) -> bool:
    """Return whether parts begin an entry, or are one: key; or key = value;"""
    if any(each.is_sign != (place == 1) for place, each in enumerate(entry)):
        return False
    return len(entry) in (1, 3) if is_end else len(entry) <= 3


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            line = text.count("\n", 0, at) + 1
            opening = '"' if text[at] == '"' else text[at : at + 2]
            problem = OPENINGS.get(opening, f"{shown(text[at])} is not expected here")
            raise NmtError(f'line {line}: {problem}; an entry is "key" = "text";')
        at = found.end()
        kind = found.lastgroup
        if kind and kind != "space":
            begin, end = found.span(kind)
            yield Token(begin, end, found[kind], kind == "quoted", kind == "sign")


def unescaped(raw: str) -> str:
    """Return the characters of a text."""

    def character(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        return chr(int(found[2], 8) & 0xFF) if found[2] else NAMED.get(found[3], found[3])

    text = ESCAPE.sub(character, raw) if "\\" in raw else raw
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _write(raw: str, translation: Marked) -> str:
    r"""Return a translation as the file has it; a line break as \n unless raw has none so."""
    keeps_lines = "\n" in raw
    return "".join(
        each if each == "\n" and keeps_lines else ESCAPED.get(each, each)
        for each in translation.text
    )
