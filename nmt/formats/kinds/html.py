"""Pages of HTML and XHTML."""

import re

from nmt.formats.document import Document, Options
from nmt.formats.encoding import Encoding, decode
from nmt.formats.html.reader import HtmlReader
from nmt.formats.nested import NestedDocument

# The encoding that a page declares, near its begin.
DECLARED = re.compile(
    rb"<meta\b[^>]*?\bcharset\s*=\s*[\"']?\s*([\w.:-]+)"
    rb"|^\s*<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)",
    re.IGNORECASE,
)
DECLARED_WITHIN_BYTES = 4096
WESTERN = {"ascii", "iso8859-1"}  # browsers read them as Windows' superset


def read(content: bytes, options: Options) -> Document:
    """Return the document of a page; the text of a block is a segment.

    Attributes that people read, such as `alt` and `title`, are segments of their own.
    """
    text, encoding = decode_page(content)
    document = NestedDocument(encoding)
    HtmlReader(text, document, options).read()
    return document


def decode_page(content: bytes) -> tuple[str, Encoding]:
    """Return the text of a page and its encoding: as it declares, or UTF-8."""
    found = DECLARED.search(content[:DECLARED_WITHIN_BYTES])
    declared = (found[1] or found[2]).decode() if found else ""
    if declared.lower().startswith(("utf-16", "utf-32")):
        declared = ""  # bytes in which this could be read are in neither
    text, encoding = decode(content, declared)
    if encoding.name in WESTERN:
        try:
            return content.decode("cp1252"), Encoding("cp1252")
        except UnicodeDecodeError:
            return content.decode("latin-1"), Encoding("iso8859-1")
    return text, encoding
