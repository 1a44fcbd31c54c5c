"""Pages of HTML and XHTML."""

import re

from nmt.errors import NmtError
from nmt.formats.document import Document, Options
from nmt.formats.encoding import Encoding, decode
from nmt.formats.html.reader import HtmlReader
from nmt.formats.markdown import front_matter
from nmt.formats.markdown.places import lines_of
from nmt.formats.marking.templates import Templates
from nmt.formats.nested import NestedDocument

# The encoding that a page declares, near its begin.
DECLARED_WITHIN_BYTES = 4096
COMMENT = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))", re.DOTALL)
XML = re.compile(r"\s*<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
META = re.compile(r"<meta\b((?:\"[^\"]*\"|'[^']*'|[^>\"'])*)>", re.IGNORECASE)
ATTRIBUTE = re.compile(r"(?<![\w-])([\w-]{1,40})\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))")
ENCODING = re.compile(r"[\w.:-]+")  # {{ encoding }} of a template is none
CHARSET = re.compile(r"\bcharset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
WESTERN = {"ascii", "iso8859-1"}  # browsers read them as Windows' superset


def read(content: bytes, options: Options) -> Document:
    """Return the document of a page; the text of a block is a segment.

    Attributes that people read, such as `alt` and `title`, are segments of their own.
    """
    text, encoding = decode_page(content)
    document = NestedDocument(encoding, Templates(text))
    text, place = document.templates.text, 0
    lines = lines_of(text) if text.startswith(front_matter.FENCES) else []
    count = front_matter.length(lines)  # Jekyll, Hugo and others read it before the page
    for begin, end, spot in front_matter.texts(lines[:count]):
        document.put(text[place:begin], spot)
        place = end
    page = 0 if not count else lines[count].begin if count < len(lines) else len(text)
    document.put(text[place:page])
    HtmlReader(text[page:], document, options, count + 1).read()
    return document


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
        attributes = {
            each[1].lower(): each[2] or each[3] or each[4] or ""
            for each in ATTRIBUTE.finditer(meta[1])
        }
        charset = attributes.get("charset", "").strip()
        if ENCODING.fullmatch(charset):
            return charset
        is_type = attributes.get("http-equiv", "").strip().lower() == "content-type"
        if is_type and (found := CHARSET.search(attributes.get("content", ""))):
            return found[1]
    return ""
