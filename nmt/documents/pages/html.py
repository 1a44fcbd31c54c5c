"""Pages of HTML and XHTML."""

import html
import re
from collections.abc import Sequence

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Options, Segment, escaped
from nmt.documents.encoding import Encoding, decode
from nmt.documents.marks.templates import FIRST, LAST, Templates
from nmt.documents.nested import Either, NestedDocument, Part, Piece, Spot, Write
from nmt.documents.pages.html_scanner import (
    BUTTONS,
    HEADINGS,
    INLINE,
    LABELS,
    NO_WORD,
    OPAQUE_INLINE,
    READ,
    READ_META,
    READ_ON,
    VOID_INLINE,
    WORDS,
    Attribute,
    Token,
    What,
    attributes,
    scan,
)
from nmt.documents.pages.markdown_parser import (
    FENCES,
    front_matter_length,
    front_matter_texts,
    lines_of,
)
from nmt.documents.pages.runs import Item, Role, add_run, has_words
from nmt.errors import NmtError

SPACES = re.compile(r"[ \t\n\f\r]+")
BEGIN = re.compile(r"(?:\s|&nbsp;)*")
NO_BREAK = "&nbsp;"
PUBLIC = re.compile(f"[^{FIRST}-{LAST}]+")  # no stand-ins for code of templates
INPUT = "input"


def read_page(text: str, encoding: Encoding, options: Options) -> NestedDocument:
    """Return the document of a page; raises NmtError as `HtmlReader.read` does."""
    document = NestedDocument(encoding, Templates(text))
    HtmlReader(document.templates.text, document, options).read()
    return document


class HtmlReader:
    """Adds HTML to a document."""

    def __init__(
        self, text: str, document: NestedDocument, options: Options, first_line: int = 1
    ) -> None:
        """Take the text of a page or of a part of one; first_line: its line in the file."""
        self.text, self.document, self.options = text, document, options
        self._line, self._place = first_line, 0
        self._run: list[Item] = []
        self._run_line = 0  # where its words begin; 0: it has none yet
        self._breaks = 0  # <br> in a row at the end of the run
        self._block = ""  # the element whose start tag the run follows

    def read(self) -> None:
        """Add the whole text.

        Raises NmtError for a character reference that is no character.
        """
        for token in scan(self.text):
            self._add(token)
        self._flush()

    def _add(self, token: Token) -> None:
        """Add a token to the run, or end the run."""
        raw = self.text[token.begin : token.end]
        if token.what is What.TEXT:
            self._add_text(raw, token.begin)
            return
        line = self._line_of(token.begin)
        parts = self._parts(token, raw, line)
        role = role_of(token, raw)
        if role is None or (token.name == "br" and self._breaks):
            self._flush()
            self.document.put(*parts)
            if role is None:
                self._block = token.name if token.what is What.START else ""
            return
        self._breaks = int(token.name == "br")
        self._run.append(Item(role, parts, raw, token.name))

    def _add_text(self, raw: str, place: int) -> None:
        """Add words to the run, apart from the white space around them."""
        before, inner, after = split_spaces(raw)
        if inner:
            self._breaks = 0
            self._run_line = self._run_line or self._line_of(place + len(before))
        for each in (before, inner, after):
            if each:
                text = self._unescaped(SPACES.sub(" ", each), place)
                self._run.append(Item(Role.TEXT, (each,), text))

    def _flush(self) -> None:
        """Add the run to the document and begin another."""
        block, line = self._block, self._run_line
        self._breaks = self._run_line = 0
        if not self._run:
            return

        def segment(source: Marked) -> Segment:
            return Segment(
                source,
                f"line {line}",
                is_heading=block in HEADINGS,
                is_one=block in LABELS,
            )

        add_run(self.document, self._run, segment, self._write)
        self._run = []

    def _write(self, before: Sequence[Item], after: Sequence[Item]) -> Write:
        """Return how a translation is written."""
        encode = self._encodable
        return lambda translation: escaped(
            translation, lambda text: encode(html.escape(text, quote=False))
        )

    def _encodable(self, text: str) -> str:
        """Return a text with references for the characters that the page's encoding lacks."""
        name = self.document.encoding.name
        return PUBLIC.sub(
            lambda found: found[0].encode(name, "xmlcharrefreplace").decode(name), text
        )

    def _parts(self, token: Token, raw: str, line: int) -> tuple[Part, ...]:
        """Return a tag or an element with spots for the attributes that people read."""
        if token.what is What.START:
            return self.tag(raw, token.name, line)
        if token.what is What.ELEMENT and token.tag_end:
            end = token.tag_end - token.begin
            return (*self.tag(raw[:end], token.name, line), raw[end:])
        return (raw,)

    def tag(self, tag: str, name: str, line: int) -> tuple[Part, ...]:
        """Return a start tag as parts, with spots for the attributes that people read."""
        if "=" not in tag:
            return (tag,)
        found = attributes(tag)
        values = {each.name: each.value.lower() for each in found}
        parts, end = list[Part](), 0
        for each in found:
            part: Part | None = None
            if name == "html" and each.name in ("lang", "xml:lang"):
                part = self._language(tag, each)
            elif is_read(name, each.name, values) and has_words(each.value):
                part = self._value(tag, each, line)
            if part is not None:
                parts += (tag[end : each.begin], part)
                end = each.end
        return (*parts, tag[end:])

    def _language(self, tag: str, found: Attribute) -> Part | None:
        """Return the language of a page, which is another if it was translated."""
        target = self.options.target_language
        return Either(tag[found.begin : found.end], f'"{target}"') if target else None

    def _value(self, tag: str, found: Attribute, line: int) -> Part:
        """Return a spot for the value of an attribute."""
        text = self._unescaped(SPACES.sub(" ", found.value).strip(" "), self._place)
        quote = "'" if tag[found.begin] == "'" else '"'

        def write(translation: Marked) -> str:
            value = html.escape(translation.text, quote=False).replace(
                quote, "&#39;" if quote == "'" else "&quot;"
            )
            return f"{quote}{self._encodable(value)}{quote}"

        segment = Segment(Marked(text), f"line {line}", context=found.name, is_one=True)
        return Spot(segment, (Piece((tag[found.begin : found.end],)),), write)

    def _unescaped(self, text: str, place: int) -> str:
        """Return a text without its character references."""
        if "&" not in text:
            return text
        try:
            return SPACES.sub(" ", html.unescape(text))
        except ValueError as error:  # of a number with thousands of digits
            raise NmtError(
                f"line {self._line_of(place)}: a character reference is no character; correct it"
            ) from error

    def _line_of(self, place: int) -> int:
        """Return the number of the line of a place, which is not before the last one asked for."""
        self._line += self.text.count("\n", self._place, place)
        self._place = place
        return self._line


def role_of(token: Token, raw: str) -> Role | None:
    """Return what a token is in a run; None for one that ends the run."""
    name = token.name
    if token.what is What.COMMENT:
        return None if raw[:9].lower() == "<!doctype" else Role.ALONE
    if token.what is What.ELEMENT:
        is_word = name in WORDS
        return None if not is_word else Role.ALONE if name in NO_WORD else Role.WORD
    if name in OPAQUE_INLINE or name in VOID_INLINE:
        return Role.ALONE  # an end tag without a start is among them
    return tag_role(token, raw) if name in INLINE else None


def tag_role(token: Token, raw: str) -> Role:
    """Return what a tag of an inline element is."""
    if raw.endswith("/>"):
        return Role.ALONE
    return Role.START if token.what is What.START else Role.END


def is_read(element: str, name: str, values: dict[str, str]) -> bool:
    """Return whether people read an attribute; values: those of all attributes, in lower case."""
    if name in READ or name in READ_ON.get(element, ()):
        return True
    if element == INPUT and name == "value":
        return values.get("type", "").strip() in BUTTONS
    if element == "meta" and name == "content":
        return not READ_META.isdisjoint((values.get("name"), values.get("property")))
    return False


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
    lines = lines_of(text) if text.startswith(FENCES) else []
    count = front_matter_length(lines)  # Jekyll, Hugo and others read it before the page
    for begin, end, spot in front_matter_texts(lines[:count]):
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
