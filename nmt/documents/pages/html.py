"""Pages of HTML and XHTML."""

import html
import re
from collections.abc import Iterator, Sequence
from functools import partial

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Encoding, Options, Segment, decode
from nmt.documents.marks.tags import with_changed_words
from nmt.documents.pages.html_scanner import HEADINGS, LABELS, Token, attributes, is_read, scan
from nmt.documents.pages.page import (
    SIGN,
    STAND_IN,
    Item,
    PageDocument,
    PageText,
    Role,
    add_front_matter,
    has_words,
    read_run,
)
from nmt.errors import NmtError

SPACES = re.compile(r"[ \t\n\f\r]+")
BEGIN = re.compile(r"(?:\s|&nbsp;)*")
NO_BREAK = "&nbsp;"


def read(content: bytes, options: Options) -> Document:
    """Return the document of a page; the text of a block is a segment.

    Attributes that people read, such as `alt` and `title`, are segments of their own. Characters
    that the encoding of the page lacks are written as references.
    """
    text, encoding = decode_page(content)
    encoding = encoding._replace(lacking="xmlcharrefreplace")
    document = PageDocument(content, text, encoding, options)
    begin = add_front_matter(document)  # Jekyll, Hugo and others read it before the page
    add_html(document, begin, len(document.source))
    document.number()
    return document


def read_page(text: str, encoding: Encoding, options: Options) -> Document:
    """Return the document of a page without front matter; raises NmtError as `add_html` does."""
    document = PageDocument(encoding.encode(text), text, encoding, options)
    add_html(document, 0, len(document.source))
    document.number()
    return document


def add_html(document: PageDocument, begin: int, end: int) -> None:
    """Put the texts of a part of a page into a document.

    Raises NmtError for a character reference that is no character.
    """
    run, is_after_break = list[Item](), False
    block = ""  # the element whose start tag the run follows
    for token in divided(document, begin, end):
        first, last = begin + token.begin, begin + token.end
        raw = document.source[first:last]
        if token.role is Role.TEXT:
            run += text_items(document, raw, first)
            is_after_break = is_after_break and BEGIN.fullmatch(raw) is not None
            continue
        if token.tag_end:
            add_attributes(document, first, begin + token.tag_end, token.name, first)
        if token.role is None or (token.name == "br" and is_after_break):
            add_run(document, run, block)
            run, is_after_break = [], False
            if token.role is None and token.name:  # no statement of a template
                block = token.name if token.tag_end else ""
            continue
        is_after_break = token.name == "br"
        run.append(Item(token.role, first, last, raw, token.name))
    add_run(document, run, block)


def divided(document: PageDocument, begin: int, end: int) -> Iterator[Token]:
    """Yield the tokens of a part of a page, with texts apart from the statements between them."""
    dividers = document.dividers(begin, end)
    for token in scan(document.source[begin:end]):
        position = token.begin
        if token.role is Role.ALONE and document.source.startswith(f"<!--{SIGN}", begin + position):
            yield token._replace(role=None)
            continue
        if dividers and token.role is Role.TEXT:
            for code in STAND_IN.finditer(document.source, begin + position, begin + token.end):
                first, last = code.start() - begin, code.end() - begin
                if code.start() in dividers:
                    if first > position:
                        yield Token(Role.TEXT, position, first)
                    yield Token(None, first, last)
                    position = last
        if position < token.end:
            yield token._replace(begin=position)


def text_items(document: PageDocument, raw: str, begin: int) -> list[Item]:
    """Return the words of a text, apart from the white space around them."""
    found = list[Item]()
    for part in split_spaces(raw):
        if part:
            text = unescaped(document, part, begin)
            found.append(Item(Role.TEXT, begin, begin + len(part), text))
            begin += len(part)
    return found


def add_run(document: PageDocument, run: Sequence[Item], block: str) -> None:
    """Put the text of a run into a document."""
    found = read_run(run)
    if found is None:
        return
    words = (item.begin for item in run if item.role is Role.TEXT and item.text.strip())
    segment = Segment(
        found.source,
        document.place(next(words)),
        is_heading=block in HEADINGS,
        is_one=block in LABELS,
    )
    begin, end = run[found.first].begin, run[found.last - 1].end
    document.texts.append(PageText(begin, end, segment, write_words, found.marks))


def write_words(translation: Marked) -> str:
    """Return a translation as HTML."""
    return with_changed_words(translation, partial(html.escape, quote=False)).text


def add_attributes(document: PageDocument, begin: int, end: int, name: str, block: int) -> None:
    """Put the attributes of a start tag that people read into a document, and the language.

    block: where the block is that the tag is in, for messages.
    """
    tag = document.source[begin:end]
    if "=" not in tag:
        return
    found = attributes(tag)
    values = {attribute.name: attribute.value.lower() for attribute in found}
    language = document.options.target_language
    for attribute in found:
        first, last = begin + attribute.begin, begin + attribute.end
        if name == "html" and attribute.name in ("lang", "xml:lang"):
            if language:
                document.change(first, last, f'"{language}"')
        elif is_read(name, attribute.name, values) and has_words(attribute.value):
            text = unescaped(document, attribute.value.strip(" \t\n\f\r"), begin)
            place = document.place(block)
            segment = Segment(Marked(text), place, attribute.name, is_one=True)
            quote = "'" if tag[attribute.begin] == "'" else '"'
            document.texts.append(PageText(first, last, segment, partial(write_value, quote)))


def write_value(quote: str, translation: Marked) -> str:
    """Return a translation as the value of an attribute, in quotation marks."""
    reference = "&quot;" if quote == '"' else "&#39;"
    value = html.escape(translation.text, quote=False).replace(quote, reference)
    return f"{quote}{value}{quote}"


def unescaped(document: PageDocument, text: str, begin: int) -> str:
    """Return a text without its character references and with single spaces."""
    text = SPACES.sub(" ", text)
    if "&" not in text:
        return text
    try:
        return SPACES.sub(" ", html.unescape(text))
    except ValueError as error:  # of a number with thousands of digits
        raise NmtError(
            f"{document.place(begin)}: a character reference is no character; correct it"
        ) from error


def split_spaces(raw: str) -> tuple[str, str, str]:
    """Return a text as the white space before it, its inner part, and the white space after it."""
    found = BEGIN.match(raw)
    begin = found.end() if found else 0
    inner = raw[begin:]
    while (shorter := inner.rstrip().removesuffix(NO_BREAK)) != inner:
        inner = shorter
    return raw[:begin], inner, raw[begin + len(inner) :]


# The encoding that a page declares, near its begin.
DECLARED_WITHIN_BYTES = 4096
COMMENT = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))", re.DOTALL)
XML = re.compile(r"\s*<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
META = re.compile(r"<meta\b(?:\"[^\"]*\"|'[^']*'|[^>\"'])*>", re.IGNORECASE)
ENCODING = re.compile(r"[\w.:-]+")  # {{ encoding }} of a template is none
CHARSET = re.compile(r"\bcharset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
WESTERN = {"ascii", "iso8859-1"}  # browsers read them as Windows' superset


def decode_page(content: bytes) -> tuple[str, Encoding]:
    """Return the text of a page and its encoding: as it declares, or UTF-8."""
    start = content[:DECLARED_WITHIN_BYTES].decode("latin-1")
    declared = declared_encoding(start)
    if declared.lower().startswith(("utf-16", "utf-32")):
        declared = ""  # bytes in which this could be read are in neither
    try:
        text, encoding = decode(content, declared)
    except NmtError:
        loose = CHARSET.search(start) if not declared else None
        if loose is None:
            raise
        text, encoding = decode(content, loose[1])
    if encoding.name in WESTERN:
        try:
            return content.decode("cp1252"), Encoding("cp1252")
        except UnicodeDecodeError:
            return content.decode("latin-1"), Encoding("iso8859-1")
    return text, encoding


def declared_encoding(start: str) -> str:
    """Return the name of the encoding that the start of a page declares; "" if there is none.

    Comments declare nothing. In an element `meta`, an attribute `charset` declares it, or the
    content of one with `http-equiv="Content-Type"`.
    """
    start = COMMENT.sub("", start)
    if found := XML.match(start):
        return found[1]
    for meta in META.finditer(start):
        values = {attribute.name: attribute.value for attribute in attributes(meta[0])}
        charset = values.get("charset", "").strip()
        if ENCODING.fullmatch(charset):
            return charset
        is_type = values.get("http-equiv", "").strip().lower() == "content-type"
        if is_type and (found := CHARSET.search(values.get("content", ""))):
            return found[1]
    return ""
