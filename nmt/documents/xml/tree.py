"""XML files as documents: a tree with positions in the source, to replace parts."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.entities import html5
from typing import Any
from xml.parsers import expat

from nmt.documents.document import BYTE_ORDER_MARKS, Own, SourceDocument, decode
from nmt.errors import NmtError, shown

XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"  # the attribute xml:space
# Characters that XML 1.0 cannot hold, not even as a reference.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
# A parser reads a tab or a line end in an attribute as a space, unless it is a reference.
IN_ATTRIBUTE = IN_TEXT | str.maketrans({'"': "&quot;", "'": "&#39;", "\n": "&#10;", "\t": "&#9;"})


def escape_text(text: str) -> str:
    """Return characters as the content of an element; those that XML cannot hold are dropped."""
    return FORBIDDEN.sub("", text).translate(IN_TEXT)


def escape_attribute(text: str) -> str:
    """Return characters as the value of an attribute, between quotes of either kind."""
    return FORBIDDEN.sub("", text).translate(IN_ATTRIBUTE)


def cdata(text: str) -> str:
    """Return characters as CDATA sections: two, if the characters hold the end of one."""
    inner = FORBIDDEN.sub("", text).replace("]]>", "]]]]><![CDATA[>")
    return f"<![CDATA[{inner}]]>"


DEEPEST = 300  # elements within each other
MOST_PARTS = 3_000_000  # elements and texts; they take about 1 GB

# A start tag, from "<"; quoted values may hold ">".
TAG = re.compile(rb"<[^\"'>]*(?:(?:\"[^\"]*\"|'[^']*')[^\"'>]*)*>")


NO_DECLARATIONS = re.compile(rb"\[\s*\]")  # as Qt Linguist 4 wrote it


@dataclass(slots=True, eq=False)
class Characters:
    """A run of characters, without entities; or the content of one CDATA section."""

    begin: int  # bytes of the source, as of every other part
    end: int
    text: str
    is_cdata: bool = False  # its bytes include <![CDATA[ and ]]>


@dataclass(slots=True, eq=False)
class Other:
    """A comment or a processing instruction."""

    begin: int
    end: int


@dataclass(slots=True, eq=False)
class Element:
    """An element: `<name attributes>children</name>`, or `<name attributes/>`."""

    name: str
    attributes: dict[str, str]
    begin: int
    inner_begin: int = 0  # after the start tag; an empty tag has its end here, too
    inner_end: int = 0  # before the end tag
    end: int = 0
    children: "list[Element | Characters | Other]" = field(default_factory=list)

    def elements(self, *names: str) -> "Iterator[Element]":
        """Yield the children that are elements; if there are names, those of these names."""
        for child in self.children:
            if isinstance(child, Element) and (not names or child.name in names):
                yield child

    def child(self, name: str) -> "Element | None":
        """Return the first child of a name, or None."""
        return next(self.elements(name), None)

    def all(self, *names: str) -> "Iterator[Element]":
        """Yield this element and all below it, in document order; if there are names, of these."""
        stack = [self]
        while stack:
            element = stack.pop()
            if not names or element.name in names:
                yield element
            stack.extend(reversed([*element.elements()]))

    def text(self) -> str:
        """Return all characters in the element."""
        parts = []
        stack: list[Element | Characters | Other] = [self]
        while stack:
            part = stack.pop()
            if isinstance(part, Characters):
                parts.append(part.text)
            elif isinstance(part, Element):
                stack.extend(reversed(part.children))
        return "".join(parts)

    @property
    def is_empty_tag(self) -> bool:
        """Return whether it is written as `<name/>`."""
        return self.inner_begin == self.end


class Builder:
    """Build the tree from the events of expat."""

    def __init__(self, source: bytes, namespace: str) -> None:
        """Take an XML file in UTF-8, whatever encoding it declares; namespace: see `read_xml`."""
        self._source, self._namespace = source, namespace
        self._open = [Element("", {}, 0)]  # from the document to the innermost element
        self._text: list[str] = []  # of the run that is being read
        self._text_begin = -1  # -1: no run is being read
        self._is_cdata = False
        self._parts = 0
        self._names: dict[str, str] = {}
        self._parser: Any = expat.ParserCreate("utf-8", "}")
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.CommentHandler = lambda _text: self._other(b"-->")
        self._parser.ProcessingInstructionHandler = lambda _target, _text: self._other(b"?>")
        self._parser.StartCdataSectionHandler = self._start_cdata
        self._parser.EndCdataSectionHandler = self._end_cdata
        self._parser.SkippedEntityHandler = self._skipped_entity
        self._parser.StartDoctypeDeclHandler = self._start_doctype

    def root(self) -> Element:
        """Parse the whole source and return its root element.

        Raises:
            NmtError: for what is not well-formed, with its line, or refused.
        """
        try:
            self._parser.Parse(self._source, True)
        except expat.ExpatError as error:
            raise NmtError(
                f"line {error.lineno}: the XML is not well-formed"
                f" ({expat.ErrorString(error.code)}, column {error.offset + 1}); correct it in an"
                " editor that checks XML"
            ) from error
        finally:
            self._parser = None  # its handlers refer to this builder: free both at once
        return next(self._open[0].elements())

    def _start(self, name: str, attributes: list[str]) -> None:
        begin = self._close_text()
        if self._namespace and name.startswith(self._namespace):
            name = name.rpartition("}")[2]
        tag = next(TAG.finditer(self._source, begin))
        values = zip(map(self._named, attributes[::2]), attributes[1::2], strict=True)
        element = Element(self._named(name), dict(values), begin, tag.end())
        self._add(element)
        self._open.append(element)
        if len(self._open) > DEEPEST:
            raise self._refused(f"elements are nested more than {DEEPEST} deep; make them flatter")

    def _end(self, _name: str) -> None:
        begin = self._close_text()
        element = self._open.pop()
        is_empty = begin == element.inner_begin and self._source[begin - 2 : begin] == b"/>"
        element.inner_end = begin
        element.end = begin if is_empty else self._after(b">", begin)

    def _characters(self, text: str) -> None:
        if self._text_begin < 0:
            self._text_begin = self._parser.CurrentByteIndex
        self._text.append(text)

    def _start_cdata(self) -> None:
        self._text_begin = self._close_text()
        self._is_cdata = True

    def _end_cdata(self) -> None:
        self._close_text(len(b"]]>"))
        self._is_cdata = False

    def _other(self, closing: bytes) -> None:
        begin = self._close_text()
        self._add(Other(begin, self._after(closing, begin)))

    def _skipped_entity(self, name: str, is_parameter: bool) -> None:
        # Expat reports these only if the DTD is elsewhere, as that of XHTML: it is not fetched.
        text = html5.get(f"{name};")
        if is_parameter or text is None:
            raise self._refused(
                f"the entity {shown(name)} is not declared here; write its characters"
            )
        self._characters(text)

    def _start_doctype(
        self, _name: str, _system: str | None, _public: str | None, has_declarations: int
    ) -> None:
        if has_declarations and not NO_DECLARATIONS.match(
            self._source, self._parser.CurrentByteIndex
        ):
            raise self._refused("the DOCTYPE has declarations between [ and ]; remove them")

    def _add(self, part: Element | Characters | Other) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise self._refused(
                f"the XML has more than {MOST_PARTS:,} elements and texts; split the file"
            )
        self._open[-1].children.append(part)

    def _close_text(self, closing: int = 0) -> int:
        """End the run of characters here and return this position; `closing` bytes belong to it."""
        here: int = self._parser.CurrentByteIndex
        if self._text_begin >= 0:
            part = Characters(self._text_begin, here + closing, "".join(self._text), self._is_cdata)
            self._text_begin = -1
            self._text.clear()
            self._add(part)
        return here

    def _after(self, closing: bytes, begin: int) -> int:
        return self._source.index(closing, begin) + len(closing)

    def _named(self, name: str) -> str:
        """Return `{namespace}name` for `namespace}name`, one string object for each name."""
        return self._names.setdefault(name, "{" + name if "}" in name else name)

    def _refused(self, message: str) -> NmtError:
        return NmtError(f"line {self._parser.CurrentLineNumber}: {message}")


MOST_BYTES = 256 * 2**20  # of an XML file, which is read whole
DECLARED = re.compile(rb"<\?xml\s[^>]{0,100}?\bencoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")
ATTRIBUTE = re.compile(rb"([^\s=<>/\"']+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
UNICODE = re.compile("utf|ucs|u8$|u16$|u32$", re.IGNORECASE)
NAME_END = re.compile(rb"[\s/>]")
MOST_SPACE = 200  # bytes before an element


@dataclass
class XmlDocument(SourceDocument):
    """An XML file that was read; positions count bytes of UTF-8 without a byte order mark."""

    source: bytes
    root: Element = field(kw_only=True)

    def written_name(self, element: Element) -> str:
        """Return the name of an element with its prefix, as the source has it."""
        return self.raw(element.begin + 1, self._name_end(element))

    def _name_end(self, element: Element) -> int:
        return next(NAME_END.finditer(self.source, element.begin)).start()

    def space_before(self, element: Element) -> str:
        """Return the white space before an element: its line break and indentation."""
        before = self.source[max(0, element.begin - MOST_SPACE) : element.begin]
        return before[len(before.rstrip()) :].decode()

    def change_content(
        self, element: Element, segments: range, write: Callable[[Own], str]
    ) -> None:
        """Let a function write the content of an element, also of an empty tag; see `change`."""
        if not element.is_empty_tag:
            self.change(element.inner_begin, element.inner_end, write, segments)
            return
        begin, name = element.end - len("/>"), self.written_name(element)
        self.change(begin, element.end, lambda own: f">{write(own)}</{name}>", segments)

    def set_attribute(
        self, element: Element, name: str, value: str, segments: range | None = None
    ) -> None:
        """Give an element an attribute without a namespace; see `change`."""
        written = escape_attribute(value)
        span = self.attribute(element, name)
        if span is None:
            written = f' {name}="{written}"'
            span = (self._name_end(element),) * 2
        self.change(*span, written, segments)

    def remove_attribute(self, element: Element, name: str, segments: range) -> None:
        """Remove an attribute, if the element has it; see `change`."""
        span = self.attribute(element, name)
        if span is not None:
            before = self.source[element.begin : span[0] - 1]  # to the quotation mark
            kept = before.rstrip(b"= \t\r\n").removesuffix(name.encode()).rstrip()
            self.change(element.begin + len(kept), span[1] + 1, "", segments)

    def attribute(self, element: Element, name: str) -> tuple[int, int] | None:
        """Return where the value of an attribute is, between its quotes; None if there is none."""
        if name not in element.attributes:
            return None
        # Attributes that declare namespaces are not among those of the element.
        written = [
            found
            for found in ATTRIBUTE.finditer(self.source, element.begin, element.inner_begin)
            if found[1] != b"xmlns" and not found[1].startswith(b"xmlns:")
        ]
        found = written[list(element.attributes).index(name)]
        return found.span(2 if found[2] is not None else 3)


def read_xml(content: bytes, root: str = "", what: str = "", namespace: str = "") -> XmlDocument:
    """Return an XML file in the encoding of its byte order mark, else the declared one.

    root: the name of its root; "" for any. what: the format that has it. namespace: how the
    namespaces of the format begin, which the names of its elements lack.

    Raises:
        NmtError: for what is not well-formed, refused (`Builder`) or in an unknown encoding, and
            for another root.
    """
    if len(content) > MOST_BYTES:
        raise NmtError(
            f"the XML has {len(content) / 2**20:,.0f} MB, more than the limit of"
            f" {MOST_BYTES / 2**20:,.0f} MB; split the file"
        )
    text, encoding = decode(content, declared_encoding(content))
    source = text.encode("utf-8", "surrogatepass")  # expat refuses surrogates, with the line
    # A character that the encoding lacks is written as a reference.
    encoding = encoding._replace(lacking="xmlcharrefreplace")
    document = XmlDocument(content, source, encoding, root=Builder(source, namespace).root())
    if root and document.root.name != root:
        raise NmtError(
            f"{document.place(document.root.begin)}: the root is <{document.root.name[:40]}>, but"
            f" that of {what} is <{root}>; name the right format with --format"
        )
    return document


def declared_encoding(content: bytes) -> str:
    """Return the encoding that an XML file declares, or "" for none."""
    if any(content.startswith(mark) for mark, _ in BYTE_ORDER_MARKS):
        return ""
    found = DECLARED.match(content)
    name = found[1].decode("ascii", "replace") if found else ""
    # Programs of .NET declare UTF-16 in what they save as UTF-8; here the name is no UTF-16.
    return "" if UNICODE.match(name) else name
