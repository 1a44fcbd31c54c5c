"""Read and write documents that are zip files of XML."""

import re
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from html.entities import html5
from io import BytesIO
from itertools import islice
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.documents.document import Document, Finding, Joined, Segment, decode
from nmt.documents.registry import missing
from nmt.documents.xml.tree import FORBIDDEN, declared_encoding, escape_attribute
from nmt.errors import DamagedError, NmtError, shorten_reason, shown

try:
    from lxml import etree
except ImportError as error:
    raise missing("an office document or a book", "lxml") from error

# Declarations in a DOCTYPE may be an attack on the memory; lxml never sees one.
DOCTYPE = re.compile(
    r"""(?:\s|<\?.*?\?>|<!--.*?-->)*+
    (?P<whole><!DOCTYPE(?:[^"'\[>]|"[^"]*"|'[^']*')*+(?P<declarations>\[[^\]]*\]?)?[^>]*>)""",
    re.DOTALL | re.VERBOSE,
)
DECLARATION = re.compile(r"<\?xml\s.*?\?>\s*", re.DOTALL)
ENTITY = re.compile(r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|&(\w+;)", re.DOTALL)
FILE_NAME = re.compile(r"[\\/]|^\S+$")  # programs write the picture's name as its description
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
TOO_LARGE = 114  # XML_ERR_RESOURCE_LIMIT of libxml2

Element = Any  # etree._Element; lxml has no types
Write = Callable[[Marked], None]
add_child = etree.SubElement
text_in: Callable[[Element], str] = etree.XPath("string()", smart_strings=False)


class Tree:
    """A member that is XML: formats add the texts that are translated, in any order."""

    def __init__(self, content: bytes) -> None:
        """Read a member; raises NmtError, with its line, for what is not well-formed or refused."""
        text, self._encoding = decode(content, declared_encoding(content))
        self._declaration, self._doctype, text = without_doctype(text)
        parser = etree.XMLParser(
            encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False
        )
        try:
            # libxml2 refuses surrogates, with the line.
            self.root: Element = etree.fromstring(text.encode("utf-8", "surrogatepass"), parser)
        except etree.XMLSyntaxError as error:
            reason = shorten_reason(NmtError(error.msg))
            what = f"the XML is not well-formed ({reason}); correct it in an editor that checks XML"
            if error.code == TOO_LARGE:
                what = "elements are nested more than 256 deep, or a text has 10 MB; divide them"
            raise NmtError(f"line {error.lineno}: {what}") from error
        self.segments: list[Segment] = []
        self.writes: list[list[Write]] = []  # put the translation of each segment into the tree
        self.following: list[Callable[[], None]] = []  # called if anything is translated

    def translate(self, segment: Segment, write: Write) -> None:
        """Add a segment; `write` puts its translation into the tree."""
        self.segments.append(segment)
        self.writes.append([write])

    def translate_text(self, element: Element, segment: Segment) -> None:
        """Translate the text of an element that has no elements, if it has words."""
        if has_words(segment.source.text) and not any(element.iterchildren("*")):
            self.translate(segment, lambda new: set_text(element, new.text))

    def translate_descriptions(self, element: Element, place: str) -> None:
        """Translate what a picture has for those who cannot see it."""
        for name in ("title", "descr"):
            value = element.get(name, "").strip()
            if has_words(value) and not FILE_NAME.search(value):
                segment = Segment(Marked(value), place, context="description of a picture")
                self.translate(segment, partial(set_attribute, element, name))

    def follow_attribute(self, element: Element, name: str, value: str) -> None:
        """Change an attribute that is there, if anything is translated; "" leaves it."""
        if value and element.get(name) not in {None, value}:
            self.following.append(lambda: element.set(name, value))

    def follow_text(self, element: Element, text: str) -> None:
        """Change the text of an element that has one; see `follow_attribute`."""
        if text and text_in(element).strip() not in {"", text}:
            self.following.append(lambda: set_text(element, text))

    def translate_properties(self, parent: Element, language: str) -> None:
        """Translate the title of a document, and state the language of the translation."""
        for title in parent.iterchildren(f"{DUBLIN_CORE}title"):
            self.translate_text(title, Segment(Marked(text_in(title)), "title"))
        for stated in parent.iterchildren(f"{DUBLIN_CORE}language"):
            self.follow_text(stated, language)

    def written(self, translations: Sequence[Marked | None]) -> bytes | None:
        """Return the member with a translation of each segment; None if nothing is changed."""
        is_changed = bool(self.following)
        for segment, writes, new in zip(self.segments, self.writes, translations, strict=True):
            if new is not None and new != segment.source:
                is_changed = True
                for write in writes:
                    write(new)
        if not is_changed:
            return None
        for follow in self.following:
            follow()
        tree = self.root.getroottree()
        body: str = etree.tostring(tree, encoding="unicode", doctype=self._doctype)
        text = self._declaration + body
        return self._encoding.mark + text.encode(self._encoding.name, "xmlcharrefreplace")


def without_doctype(text: str) -> tuple[str, str | None, str]:
    """Return the declaration of an XML file, its DOCTYPE, and the text without that.

    Lines stay the same. References to characters of HTML, which a DTD elsewhere may declare, become
    these characters. Raises NmtError for a DOCTYPE with declarations.
    """
    declaration = DECLARATION.match(text)
    declared = declaration[0] if declaration else ""
    found = DOCTYPE.match(text)
    if not found:
        return declared, None, text
    begin, end = found.span("whole")
    if (found["declarations"] or "").strip("[] \t\r\n"):
        line = text.count("\n", 0, begin) + 1
        raise NmtError(f"line {line}: the DOCTYPE has declarations between [ and ]; remove them")
    doctype = text[begin:end]
    text = text[:begin] + "\n" * doctype.count("\n") + text[end:]
    return declared, doctype, ENTITY.sub(with_character, text)


def with_character(found: re.Match[str]) -> str:
    """Return a reference to a character of HTML with the character itself."""
    character = html5.get(found[1] or "")
    return found[0] if character is None else escape_attribute(character)


def clean(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return FORBIDDEN.sub("", text)


def set_text(element: Element, text: str) -> None:
    """Replace the content of an element by a text."""
    element[:] = []
    element.text = clean(text)


def set_attribute(element: Element, name: str, translation: Marked) -> None:
    """Replace the value of an attribute by a translation."""
    element.set(name, clean(translation.text))


def local(name: str) -> str:
    """Return the name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]


def namespace(name: str) -> str:
    """Return the namespace of a name, in braces; "" for none."""
    return name[: name.rfind("}") + 1]


MOST_MEMBERS = 20_000
MOST_READ_BYTES = 256 * 2**20  # of all members that are read, decompressed
MOST_TAGS = 5_000_000  # in all members that are read; their trees take about 2 GB
# Tables of equal cells shrink to 1 %; deflate cannot go below 0.1 %.
MOST_RATIO = 400
RATIO_FROM_BYTES = 16 * 2**20  # a smaller member may have any ratio

# The head of a member (APPNOTE.TXT 6.3.10): its mark, and the lengths of its name and extra fields.
HEAD = struct.Struct("<4s22x2H")
ENCRYPTED = 0x1  # a bit of the flags
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # .doc, .ppt; Office encrypts .docx into it, too
# Errors of `zipfile` for files that are not what they seem.
DAMAGES = (
    *(BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError),
    *(UnicodeError, ValueError, RuntimeError, IndexError, AttributeError, OverflowError),
)


def damaged(what: str) -> DamagedError:
    """Return the error for a file that is not what it should be."""
    return DamagedError(
        f"the file is damaged or of another format: {what}; use another copy, or check its name"
        " and --format"
    )


class Member(NamedTuple):
    """A member: its entry in the directory, and its bytes."""

    info: ZipInfo
    raw: memoryview  # compressed, with the records around it


class Translated(NamedTuple):
    """A member that is translated."""

    name: str
    content: bytes
    segments: Sequence[Segment]
    join: Callable[[Sequence[Marked | None]], Joined]  # as that of a document


class Package:
    """A zip file in memory as a document; formats add the members that are translated."""

    def __init__(self, content: bytes) -> None:
        """Read the directory of a zip file.

        Raises:
            DamagedError: if it is no zip file, or a damaged one.
            NmtError: for an encrypted file, names that are there twice, or too many members.
        """
        if content.startswith(OLD_OFFICE):
            raise NmtError(
                "the file has a password or a format from before 2007; save it in the new format,"
                " without a password"
            )
        self._content = content
        # What to tell a user of a changed file: where, and a sentence without its end.
        self.warnings: list[Finding] = []
        self._translated: list[Translated] = []
        self._left_bytes = MOST_READ_BYTES
        self._left_tags = MOST_TAGS
        try:
            self._zip = ZipFile(BytesIO(content))
            self.members = self._read_members()  # in the order of the directory
        except DAMAGES as error:
            raise damaged("it is not a complete zip file") from error

    def _read_members(self) -> dict[str, Member]:
        infos = self._zip.infolist()
        if len(infos) > MOST_MEMBERS:
            raise NmtError(
                f"the file has {len(infos):,} members, more than {MOST_MEMBERS:,}; split the"
                " document"
            )
        members: dict[str, Member] = {}
        end = self._zip.start_dir
        for info in sorted(infos, key=lambda info: -info.header_offset):
            if info.flag_bits & ENCRYPTED:
                raise NmtError("the file is encrypted; save it without a password")
            if info.filename in members:
                raise NmtError(f"the file has two members {shown(info.filename)}; save it again")
            begin = info.header_offset
            mark, *lengths = HEAD.unpack_from(self._content, begin)
            if mark != b"PK\x03\x04":
                raise BadZipFile("no local header")
            if begin + HEAD.size + sum(lengths) + info.compress_size > end:
                raise damaged(f"the member {shown(info.filename)} is in the wrong place")
            members[info.filename] = Member(info, memoryview(self._content)[begin:end])
            end = begin
        return {info.filename: members[info.filename] for info in infos}

    def warn_signed(self, place: str, what: str = "document") -> None:
        """Tell that the file was signed; place: where, for messages."""
        warning = f"the {what} was signed; its translation has no signature"
        self.warnings.append(Finding(place, warning))

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Raises:
            DamagedError: if there is none, or it is damaged.
            NmtError: if it is larger than what is read.
        """
        if name not in self.members:
            raise damaged(f"it has no {shown(name)}")
        info = self.members[name].info
        if info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            raise damaged(f"{shown(name)} is compressed in an unusual way")
        size = f"{shown(name)} has {info.file_size / 2**20:,.0f} MB when it is decompressed"
        if info.file_size > max(RATIO_FROM_BYTES, MOST_RATIO * info.compress_size):
            raise NmtError(
                f"{size}, more than {MOST_RATIO} times its size in the file, as in an attack on the"
                " memory; save the document again, or split it"
            )
        if info.file_size > self._left_bytes:
            raise NmtError(
                f"{size}, but at most {MOST_READ_BYTES >> 20} MB of a document are read; split it"
            )
        self._left_bytes -= info.file_size
        try:
            with self._zip.open(info) as member:
                # With a number, zipfile decompresses no more than that; it checks the sum.
                content = member.read(info.file_size + 1)
        except DAMAGES as error:
            raise damaged(f"{shown(name)} cannot be decompressed") from error
        self._left_tags -= content.count(b"<")
        if self._left_tags < 0:
            raise NmtError(f"the file has more than {MOST_TAGS:,} tags; split the document")
        return content

    def changed(self, changes: Mapping[str, bytes]) -> bytes:
        """Return the file with the content of some members replaced.

        The order of members, their names, dates, attributes and kinds of compression stay. Without
        a change, the content is returned as it was read.
        """
        if not changes:
            return self._content
        file = BytesIO()
        with ZipFile(file, "w") as target:
            target.comment = self._zip.comment
            for name, (old, raw) in self.members.items():
                info = copy(old)
                if name in changes:
                    info.extra = b""  # such as its old size
                    target.writestr(info, changes[name])
                    info.external_attr = old.external_attr
                else:
                    info.header_offset = target.start_dir
                    target.filelist.append(info)
                    file.seek(info.header_offset)
                    file.write(raw)
                    target.start_dir = file.tell()
        return file.getvalue()

    def root(self, name: str) -> Element:
        """Return the root of a member that is XML and only read."""
        return read_tree(name, self.read(name), lambda tree: None).root

    def add(self, name: str, fill: Callable[[Tree], None]) -> None:
        """Translate a member that is XML; `fill` adds the texts in it to its tree.

        To be written once more, the member is read again: its tree is changed in place.
        """
        content = self.read(name)
        trees = [read_tree(name, content, fill)]
        segments = trees[0].segments

        def join(translations: Sequence[Marked | None]) -> Joined:
            tree = trees.pop() if trees else read_tree(name, content, fill)
            return Joined(tree.written(translations) or content)

        self._translated.append(Translated(name, content, segments, join))

    def add_document(self, name: str, read: Callable[[bytes], Document]) -> None:
        """Translate a member that another format reads."""
        content = self.read(name)
        document = read(content)
        self._translated.append(Translated(name, content, document.segments, document.join))

    @cached_property
    def segments(self) -> Sequence[Segment]:
        """Return the segments of all members, in the order in which they were added."""
        return [
            replace(segment, place=f"{member.name}, {segment.place}")
            for member in self._translated
            for segment in member.segments
        ]

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each segment; see `Document.join`."""
        if all(
            translation is None or translation == segment.source
            for segment, translation in zip(self.segments, translations, strict=True)
        ):
            return Joined(self._content)
        findings = [*self.warnings]
        changes = {}
        left = iter(translations)
        for name, content, segments, join in self._translated:
            new = join(list(islice(left, len(segments))))
            if new.content != content:
                changes[name] = new.content
            findings += (
                finding._replace(place=f"{name}, {finding.place}") for finding in new.findings
            )
        return Joined(self.changed(changes), tuple(findings))


def read_tree(name: str, content: bytes, fill: Callable[[Tree], None]) -> Tree:
    """Return the tree of a member with its segments; raises NmtError with the name and the line."""
    try:
        tree = Tree(content)
    except NmtError as error:
        raise NmtError(f"{name}: {error}") from error
    fill(tree)
    return tree
