"""Read and write documents that are zip files of XML."""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO
from itertools import islice
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.documents.document import Document, Finding, Joined, Options, Segment
from nmt.documents.xml.document import XmlDocument
from nmt.documents.xml.file import Element, escape_attribute, escape_text, read_xml
from nmt.errors import DamagedError, NmtError, shown
from nmt.text.languages import primary

MOST_MEMBERS = 20_000
MOST_READ_BYTES = 256 * 2**20  # of all members that are read, decompressed
MOST_TAGS = 5_000_000  # in all members that are read; their trees take up to 1.5 GB
# Tables of equal cells shrink to 1 %; deflate cannot go below 0.1 %.
MOST_RATIO = 400
RATIO_FROM_BYTES = 16 * 2**20  # a smaller member may have any ratio

# The records of a zip file, as its specification (APPNOTE.TXT 6.3.10) has them.
LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
ENCRYPTED, SIZES_FOLLOW, UTF_8 = 0x1, 0x8, 0x800  # bits of the flags
DEFLATE_SPEED = 0x6
ZIP_64 = 1  # the kind of extra field that holds sizes of 64 bits
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # .doc, .ppt; Office encrypts .docx into it, too


class Member(NamedTuple):
    """A member: its entry in the central directory, and its bytes."""

    info: ZipInfo
    raw: memoryview  # compressed


class Container:
    """A zip file in memory."""

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
        try:
            self._zip = ZipFile(BytesIO(content))
            self._members = self._read_members()
        except (*DAMAGES, OverflowError) as error:
            raise damaged("it is not a complete zip file") from error
        self._left_bytes = MOST_READ_BYTES
        self._left_tags = MOST_TAGS

    def _read_members(self) -> dict[str, Member]:
        infos = self._zip.infolist()
        if len(infos) > MOST_MEMBERS:
            raise NmtError(
                f"the file has {len(infos):,} members, more than {MOST_MEMBERS:,}; split the"
                " document"
            )
        members: dict[str, Member] = {}
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.flag_bits & ENCRYPTED:
                raise NmtError("the file is encrypted; save it without a password")
            if info.filename in members:
                raise NmtError(f"the file has two members {shown(info.filename)}; save it again")
            begin = self._data_begin(info)
            if info.header_offset < end or begin + info.compress_size > len(self._content):
                raise damaged(f"the member {shown(info.filename)} is in the wrong place")
            end = begin + info.compress_size
            members[info.filename] = Member(info, memoryview(self._content)[begin:end])
        return {info.filename: members[info.filename] for info in infos}

    def _data_begin(self, info: ZipInfo) -> int:
        record = LOCAL.unpack_from(self._content, info.header_offset)
        if record[0] != b"PK\x03\x04":
            raise BadZipFile("no local header")
        return info.header_offset + LOCAL.size + int(record[-2]) + int(record[-1])

    @property
    def names(self) -> list[str]:
        """Return the names of the members, in the order of the directory."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        """Return whether there is a member of a name."""
        return name in self._members

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Raises:
            DamagedError: if there is none, or it is damaged.
            NmtError: if it is larger than what is read.
        """
        if name not in self._members:
            raise damaged(f"it has no {shown(name)}")
        info = self._members[name].info
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
        parts: list[bytes | memoryview] = []
        directory = []
        begin = 0
        for name, old in self._members.items():
            member = compressed(changes[name], old.info) if name in changes else old
            local, central = headers(member, begin)
            parts += [local, member.raw]
            directory.append(central)
            begin += len(local) + len(member.raw)
        central_bytes = b"".join(directory)
        count, comment = len(directory), self._zip.comment
        end = END.pack(b"PK\x05\x06", 0, 0, count, count, len(central_bytes), begin, len(comment))
        return b"".join([*parts, central_bytes, end, comment])


def compressed(content: bytes, old: ZipInfo) -> Member:
    """Return a member with new content, compressed like the one that it replaces."""
    raw = content
    if old.compress_type == ZIP_DEFLATED:
        deflate = zlib.compressobj(wbits=-15)
        raw = deflate.compress(content) + deflate.flush()
    info = copy(old)
    info.CRC, info.compress_size, info.file_size = zlib.crc32(content), len(raw), len(content)
    return Member(info, memoryview(raw))


def headers(member: Member, begin: int) -> tuple[bytes, bytes]:
    """Return the two records of a member that begins at a byte of the file."""
    info = member.info
    name = info.orig_filename.encode("utf-8" if info.flag_bits & UTF_8 else "cp437")
    extra = without_sizes(info.extra)
    year, month, day, hour, minute, second = info.date_time
    common = (
        20,  # version 2.0 of the specification is needed: deflate and folders
        *(info.flag_bits & ~(SIZES_FOLLOW | DEFLATE_SPEED), info.compress_type),
        *(hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day),
        *(info.CRC, info.compress_size, info.file_size, len(name)),
    )
    local = LOCAL.pack(b"PK\x03\x04", *common, 0)
    made_by = info.create_system << 8 | info.create_version
    rest = (len(info.comment), 0, info.internal_attr, info.external_attr, begin)
    central = CENTRAL.pack(b"PK\x01\x02", made_by, *common, len(extra), *rest)
    return local + name, central + name + extra + info.comment


def without_sizes(extra: bytes) -> bytes:
    """Return the extra fields of a member without its 64-bit sizes, which would be wrong."""
    kept = []
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        field, extra = extra[: 4 + length], extra[4 + length :]
        if kind != ZIP_64 and len(field) == 4 + length:
            kept.append(field)
    return b"".join(kept)


# Errors of `zipfile` for files that are not what they seem.
DAMAGES = (
    *(BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError),
    *(UnicodeError, ValueError, RuntimeError, IndexError, AttributeError),
)


def damaged(what: str) -> DamagedError:
    """Return the error for a file that is not what it should be."""
    return DamagedError(
        f"the file is damaged or of another format: {what}; use another copy, or check its name"
        " and --format"
    )


class Part(NamedTuple):
    """A member that is translated."""

    name: str
    content: bytes
    document: Document


@dataclass
class ContainerDocument:
    """A zip file as a document; formats add its members."""

    container: Container
    # What to tell a user of a changed file: where, and a sentence without its end.
    warnings: Sequence[Finding] = ()
    _parts: list[Part] = field(default_factory=list)

    def add(self, name: str, content: bytes, document: Document) -> None:
        """Translate a member, too; `content` is what was read of it."""
        self._parts.append(Part(name, content, document))

    @cached_property
    def segments(self) -> Sequence[Segment]:
        """Return the segments of all members, in the order in which they were added."""
        return [
            replace(segment, place=f"{part.name}, {segment.place}")
            for part in self._parts
            for segment in part.document.segments
        ]

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each segment; see `Document.join`."""
        is_changed = any(
            translation is not None and translation != segment.source
            for segment, translation in zip(self.segments, translations, strict=True)
        )
        if not is_changed:
            return Joined(self.container.changed({}))
        findings = [*self.warnings]
        changes = {}
        left = iter(translations)
        for name, content, document in self._parts:
            own = list(islice(left, len(document.segments)))
            if isinstance(document, XmlDocument):
                joined = document.join(own, is_changed=True)
            else:
                joined = document.join(own)
            if joined.content != content:
                changes[name] = joined.content
            findings += (each._replace(place=f"{name}, {each.place}") for each in joined.findings)
        return Joined(self.container.changed(changes), tuple(findings))


TYPES = "[Content_Types].xml"
CORE = "application/vnd.openxmlformats-package.core-properties+xml"
SIGNATURE = "application/vnd.openxmlformats-package.digital-signature-xmlsignature+xml"
CHART = "application/vnd.openxmlformats-officedocument.drawingml.chart+xml"
DIAGRAM = "application/vnd.openxmlformats-officedocument.drawingml.diagramData+xml"
DIAGRAM_PICTURE = "application/vnd.ms-office.drawingml.diagramDrawing+xml"
DRAWING_PARTS = (CHART, DIAGRAM, DIAGRAM_PICTURE)
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
SIGNED = Finding("signature", "the document was signed; its translation has no signature")

NUMBERS = re.compile(r"(\d+)")
FILE_NAME = re.compile(r"[\\/]|^\S+$")  # programs write the picture's name as its description
EAST_ASIAN = frozenset({"zh", "ja", "ko"})
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})


def local(name: str) -> str:
    """Return the name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]


def namespace(name: str) -> str:
    """Return the namespace of a name, in braces; "" for none."""
    return name[: name.rfind("}") + 1]


def prefix(document: XmlDocument, element: Element) -> str:
    """Return the prefix of an element as the file writes it, with its colon; "" for none."""
    tag = document.xml.source[element.begin + 1 : element.begin + 100]
    written = re.split(rb"[\s/>]", tag, maxsplit=1)[0].decode("utf-8", "replace")
    before, colon, _ = written.rpartition(":")
    return before + colon


class Package:
    """A document of Office, and the document that is made of it."""

    def __init__(self, content: bytes) -> None:
        """Read the table of parts; raises NmtError if there is none."""
        self.container = Container(content)
        self._types = dict(self._read_types())
        is_signed = SIGNATURE in self._types.values()
        self.document = ContainerDocument(self.container, [SIGNED] if is_signed else [])

    def _read_types(self) -> Iterator[tuple[str, str]]:
        for element in read_xml(self.container.read(TYPES)).root.elements():
            name = element.attributes.get("PartName", "").lstrip("/")
            if name in self.container:
                yield name, element.attributes.get("ContentType", "")

    def parts(self, *types: str) -> list[str]:
        """Return the names of the parts of some types: by type, then by the number in the name."""
        found = [name for name, kind in self._types.items() if kind in types]
        return sorted(found, key=lambda name: (types.index(self._types[name]), in_order(name)))

    def main(self, *types: str) -> str:
        """Return the name of the main part; raises DamagedError if there is none."""
        found = self.parts(*types)
        if not found:
            raise damaged("it has no main part of this format")
        return found[0]

    def add(self, name: str) -> XmlDocument:
        """Return a part as a document of its own, which is to be translated."""
        content = self.container.read(name)
        document = XmlDocument(read_xml(content))
        self.document.add(name, content, document)
        return document

    def add_properties(self, options: Options) -> None:
        """Translate the title of the document, and state its language."""
        for name in self.parts(CORE):
            document = self.add(name)
            for element in document.xml.root.elements(f"{DUBLIN_CORE}title"):
                translate_text(document, element, Segment(Marked(element.text()), "title"))
            language = document.xml.root.child(f"{DUBLIN_CORE}language")
            if language and options.target_language and language.text().strip():
                document.follow_text(language, options.target_language)


def in_order(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts slide2.xml before slide10.xml."""
    pieces = NUMBERS.split(name)
    return [(int(each[:18]) if each.isdigit() else -1, each) for each in pieces]


def translate_text(document: XmlDocument, element: Element, segment: Segment) -> None:
    """Translate the text of an element that has no elements, if it has words."""
    if has_words(segment.source.text) and not any(element.elements()):
        begin, end = element.inner_begin, element.inner_end
        document.translate(begin, end, segment, lambda new: escape_text(new.text))


def translate_descriptions(document: XmlDocument, element: Element, place: str) -> None:
    """Translate what a picture has for those who cannot see it."""
    for name in ("title", "descr"):
        value = element.attributes.get(name, "").strip()
        found = document.xml.attribute(element, name)
        if found and has_words(value) and not FILE_NAME.search(value):
            segment = Segment(Marked(value), place, context="description of a picture")
            document.translate(*found, segment, lambda new: escape_attribute(new.text))


def language_attribute(target: str) -> str:
    """Return which attribute of w:lang names a language: by its script."""
    if primary(target) in EAST_ASIAN:
        return "eastAsia"
    return "bidi" if primary(target) in RIGHT_TO_LEFT else "val"
