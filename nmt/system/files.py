"""Read files, recognise them, and say in one way why a file cannot be read.

A missing file, a folder, a file without permission and an empty file are different mistakes with
different fixes; every message about them is made here. Whether the content is damaged or of
another program is for the reader of that format to say.
"""

import errno
import fcntl
import hashlib
import io
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from nmt.errors import NmtError

# Nothing is there, a part of the path is a file, or the name is longer than any name can be.
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
PACKAGE = Path(__file__).resolve().parents[1]
# The first bytes of files of other programs.
KINDS = (
    (b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS (run `git lfs pull`)"),
    (b"PK\x03\x04", "a zip archive, such as a Word or a PyTorch file"),
    *(
        (bytes([0x80, version]), "a Python pickle, such as an old PyTorch file")
        for version in range(2, 6)
    ),
    (b"\x1f\x8b", "a gzip file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"\x89PNG", "an image"),
    (b"%PDF", "a PDF file"),
)
START_BYTES = 512  # enough to recognise a file


def unreadable(what: str, path: Path, error: OSError | ValueError, fix: str = "") -> NmtError:
    """Return the error for a file that could not be read.

    what: the kind of file, such as "the model". error: what reading raised. fix: what to do if
    there is no such file, such as "name another with --model".
    """
    ending = f"; {fix}" if fix else ""
    if not isinstance(error, OSError):  # a name with a null character
        return NmtError(f"{what} {str(path)!r} cannot exist: {error}")
    if error.errno in ABSENT:
        return NmtError(f"{what} {path} does not exist{ending}")
    if error.errno == errno.EISDIR:
        return NmtError(f"{what} {path} is a folder, not a file{ending}")
    hint = "; change its permissions" if error.errno == errno.EACCES else ""
    return NmtError(f"cannot read {what} {path}: {error.strerror or error}{hint}")


@contextmanager
def reading(what: str, path: Path, fix: str = "") -> Iterator[None]:
    """Raise the NmtError of `unreadable` if the block cannot read a file."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise unreadable(what, path, error, fix) from error


def check_file(path: Path, what: str, fix: str = "") -> None:
    """Raise NmtError unless there is a file to read; what and fix are those of `unreadable`.

    A pipe or a device is accepted without a look at its content. An empty file is accepted.
    """
    if is_regular(path, what, fix):
        read_start(path, 0, what, fix)


def check_regular(path: Path, what: str, fix: str = "") -> None:
    """Raise NmtError unless there is a regular file; what and fix are those of `unreadable`.

    Opening a pipe in its place could wait for ever, and a device may have no end.
    """
    if not is_regular(path, what, fix):
        raise NmtError(
            f"{what} {path} is a pipe or a device, not a file{f'; {fix}' if fix else ''}"
        )


def is_regular(path: Path, what: str, fix: str = "") -> bool:
    """Return False for a pipe or a device; raises NmtError for a folder, or if nothing is there."""
    with reading(what, path, fix):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return stat.S_ISREG(mode)


def is_present(path: Path) -> bool:
    """Return whether something exists at a path.

    Raises NmtError if that cannot be known, such as in a folder without permission: taking the
    file for absent could overwrite it.
    """
    try:
        path.stat()
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in ABSENT:
            return False
        raise unreadable("the file", path, error) from error
    return True


def entries(folder: Path) -> list[Path]:
    """Return the paths in a folder, sorted; none if it does not exist.

    Raises NmtError if the folder cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in ABSENT:
            return []
        raise unreadable("the folder", folder, error) from error


def existing_folder(path: Path) -> Path:
    """Return a folder, or the nearest one above it that exists; links are followed."""
    path = Path(os.path.realpath(path))
    while not path.exists():
        path = path.parent
    return path


def read_bytes(path: Path, what: str, fix: str = "", most: int | None = None) -> bytes:
    """Return the content of a file; what, fix and the error are those of `unreadable`.

    most: bytes that the file may have, so that a wrong file or a device cannot fill the memory. If
    it is None, the file must be a regular one, as all files are that this program writes.
    """
    if most is None:
        check_regular(path, what, fix)
        return read_start(path, -1, what, fix)
    content = read_start(path, most + 1, what, fix)
    if len(content) > most:
        raise NmtError(f"{what} {path} has more than {most:,} bytes; it is another file")
    return content


def read_start(path: Path, size: int, what: str, fix: str = "") -> bytes:
    """Return the first bytes of a file, at most `size`, or all if it is -1.

    what, fix and the error are those of `unreadable`.
    """
    with reading(what, path, fix), path.open("rb") as stream:
        return stream.read(size)


def read_text(path: Path, what: str, fix: str = "", most: int | None = None) -> str:
    """Return the text of a UTF-8 file, without a byte-order mark.

    what, fix and most are those of `read_bytes`. Raises NmtError if the file cannot be read or is
    not UTF-8.
    """
    try:
        return read_bytes(path, what, fix, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NmtError(f"{what} {path} is not UTF-8 text (byte {error.start + 1})") from error


def take_lock(file: IO[str] | int, tries: int = 1, pause: float = 0.1) -> bool:
    """Lock an open file or folder until it is closed; return False if another process has it.

    A file system without locks gives everyone one. pause: seconds between two tries.
    """
    for number in range(tries):
        if number:
            time.sleep(pause)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except OSError:
            pass
        return True
    return False


def identity(path: Path) -> tuple[int, int] | None:
    """Return numbers that a file or folder keeps while it stays in place; None if it is absent."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Digest(Protocol):
    """A running hash, such as `hashlib.sha256()`."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Add bytes to it."""
        ...


class HashedStream(io.RawIOBase):
    """A stream whose bytes go into a digest too, as they are read or as they are written."""

    def __init__(self, stream: Any, digest: Digest) -> None:
        """Read from `stream`, or write to it; it stays open."""
        self._stream, self._digest = stream, digest

    def readable(self) -> bool:
        """Return True, as a stream to read from does."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # only this is given
        """Fill a buffer with the next bytes and return their number."""
        size: int = self._stream.readinto1(buffer)
        self._digest.update(memoryview(buffer)[:size])
        return size

    def write(self, content: bytes) -> int:  # type: ignore[override] # only this is given
        """Write bytes; return how many."""
        self._digest.update(content)
        size: int = self._stream.write(content)
        return size


def compute_sha256(path: Path, what: str = "the file") -> str:
    """Return the SHA-256 of a regular file as hexadecimal digits.

    what: the kind of file, for the NmtError if it cannot be read.
    """
    check_regular(path, what)
    with reading(what, path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def detect_kind(start: bytes) -> str:
    """Return what a file is by its first bytes, as a phrase such as "an HTML page"; "" if unknown.

    start: the first `START_BYTES` bytes, or more.
    """
    if not start:
        return "empty"
    for signature, kind in KINDS:
        if start.startswith(signature):
            return kind
    text = start[:START_BYTES].lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, such as an error that was downloaded"
    # A character may be cut at the end.
    printable = start[:START_BYTES].decode("utf-8", errors="ignore").replace("\n", " ")
    printable = printable.replace("\t", " ").replace("\r", " ")
    is_text = printable.isprintable() and len(printable.encode()) >= len(start[:START_BYTES]) - 3
    return "a text file" if is_text else ""


def shipped(name: str) -> Path:
    """Return the path of a shipped file or folder, such as `recipes/pocket.toml`.

    An installed wheel has it as package data; a checkout has it next to the package.
    """
    packaged = PACKAGE / "shipped" / name
    return packaged if packaged.exists() else PACKAGE.parent / name


def in_utf_8(text: str) -> str:
    r"""Return a text that UTF-8 can hold: a byte of a file name that is not UTF-8 becomes \xNN."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, from JSON
        raw = text.encode("utf-8", "backslashreplace")
    return raw.decode("utf-8", "backslashreplace")
