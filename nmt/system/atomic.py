"""Write a file whole or not at all: write a temporary file, fsync it, rename it."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nmt.errors import NmtError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` when the block ends without an exception.

    If the block raises, the old file stays. A symbolic link is followed. A device or a pipe, such
    as /dev/null, is written to directly. Raises NmtError if the file cannot be written.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    final = Path(os.path.realpath(path))
    partial = final.with_name(f".{final.name}.{os.getpid()}.partial")
    try:
        if final.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        final.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()  # fails now, not after hours of work, if the folder cannot be written
        yield partial
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(final)
        sync_folder(final.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise NmtError(f"cannot write {path}: {reason}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to disk, if its file system supports that."""
    with suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write or replace a UTF-8 text file atomically; raises NmtError if that fails."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Write or replace a file's bytes atomically; raises NmtError if that fails."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)
