"""Read XML files, and write them again with some parts replaced and every other byte as it was."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nmt.errors import NmtError
from nmt.formats.encoding import BYTE_ORDER_MARKS, Encoding, decode
from nmt.formats.xml.text import escape_attribute
from nmt.formats.xml.tree import Element, Ended, parse

MOST_BYTES = 256 * 2**20  # of an XML file, which is read whole
DECLARED = re.compile(rb"<\?xml\s[^>]{0,100}?\bencoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")
ATTRIBUTE = re.compile(rb"([^\s=<>/\"']+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
UNICODE = re.compile("utf|ucs|u8$|u16$|u32$", re.IGNORECASE)
NAME_END = re.compile(rb"[\s/>]")


class Edit(NamedTuple):
    """New XML for a part of the source; an insertion if the part is empty."""

    begin: int
    end: int
    raw: str


@dataclass
class XmlFile:
    """An XML file that was read."""

    content: bytes  # as it was read
    source: bytes  # in UTF-8, without a byte order mark; positions count its bytes
    encoding: Encoding
    root: Element

    def raw(self, begin: int, end: int) -> str:
        """Return a part of the source."""
        return self.source[begin:end].decode()

    def place(self, begin: int) -> str:
        """Return where a part of the source is, such as "line 12"."""
        return f"line {bisect_right(self._line_ends, begin - 1) + 1}"

    @cached_property
    def _line_ends(self) -> list[int]:
        return [found.start() for found in re.finditer(rb"\n", self.source)]

    def attribute(self, element: Element, name: str) -> tuple[int, int] | None:
        """Return where the value of an attribute is, between its quotes; None if there is none."""
        if name not in element.attributes:
            return None
        tag = self.source[element.begin : element.inner_begin]
        # Attributes that declare namespaces are not among those of the element.
        written = [
            found
            for found in ATTRIBUTE.finditer(tag)
            if found[1] != b"xmlns" and not found[1].startswith(b"xmlns:")
        ]
        found = written[list(element.attributes).index(name)]
        begin, end = found.span(2 if found[2] is not None else 3)
        return element.begin + begin, element.begin + end

    def set_attribute(self, element: Element, name: str, written_name: str, value: str) -> Edit:
        """Return the edit that gives an element an attribute; `written_name` has its prefix."""
        escaped = escape_attribute(value)
        place = self.attribute(element, name)
        if place:
            return Edit(*place, escaped)
        begin = next(NAME_END.finditer(self.source, element.begin)).start()
        return Edit(begin, begin, f' {written_name}="{escaped}"')

    def without_attribute(self, element: Element, name: str) -> list[Edit]:
        """Return the edit that removes an attribute, and none if the element does not have it."""
        place = self.attribute(element, name)
        if place is None:
            return []
        before = self.source[element.begin : place[0] - 1]  # to the quotation mark
        kept = before.rstrip(b"= \t\r\n").removesuffix(name.encode()).rstrip()
        return [Edit(element.begin + len(kept), place[1] + 1, "")]

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """Return the file with some parts replaced; without edits, the content as it was read.

        Edits may come in any order but may not overlap; insertions at one place keep their order.
        A character that the encoding of the file lacks is written as a reference.
        """
        ordered = sorted(edits, key=lambda edit: (edit.begin, edit.end))
        if not ordered:
            return self.content
        parts = []
        end = 0
        for edit in ordered:
            if edit.begin < end:
                raise ValueError(f"two edits of byte {edit.begin:,}")
            parts += [self.raw(end, edit.begin), self._encodable(edit.raw)]
            end = edit.end
        parts.append(self.raw(end, len(self.source)))
        return self.encoding.encode("".join(parts))

    def _encodable(self, raw: str) -> str:
        name = self.encoding.name
        return raw.encode(name, "xmlcharrefreplace").decode(name)


def read_xml(content: bytes, ended: Ended | None = None) -> XmlFile:
    """Return an XML file in the encoding of its byte order mark, else the declared one.

    ended: see `tree.parse`.

    Raises:
        NmtError: for what is not well-formed, refused (`tree`) or in an unknown encoding.
    """
    if len(content) > MOST_BYTES:
        raise NmtError(
            f"the XML has {len(content) / 2**20:,.0f} MB, more than the limit of"
            f" {MOST_BYTES / 2**20:,.0f} MB; split the file"
        )
    text, encoding = decode(content, declared_encoding(content))
    source = text.encode("utf-8", "surrogatepass")  # expat refuses surrogates, with the line
    return XmlFile(content, source, encoding, parse(source, ended))


def declared_encoding(content: bytes) -> str:
    """Return the encoding that an XML file declares, or "" for none."""
    if any(content.startswith(mark) for mark, _ in BYTE_ORDER_MARKS):
        return ""
    if content.startswith(b"<\0?\0"):
        return "utf-16-le"
    if content.startswith(b"\0<\0?"):
        return "utf-16-be"
    found = DECLARED.match(content)
    name = found[1].decode("ascii", "replace") if found else ""
    # Programs of .NET declare UTF-16 in what they save as UTF-8; here the name is no UTF-16.
    return "" if UNICODE.match(name) else name
