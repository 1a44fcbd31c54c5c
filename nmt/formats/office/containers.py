"""Read zip files whose members are documents, and write them with some members replaced.

Nothing is extracted to a disk, so names with `..` are harmless. Members that nobody changes are
copied as they are, still compressed; they are never decompressed, so large pictures cost nothing.
What is read is bounded, whatever the file claims.
"""

import struct
import zlib
from collections.abc import Mapping
from copy import copy
from io import BytesIO
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from nmt.errors import DamagedError, NmtError, shown

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
