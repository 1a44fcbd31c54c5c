"""Write a file whole or not at all: temporary name, fsync, rename."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nmt.errors import NmtError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well.

    Raises NmtError if the disk refuses; whatever stood under `path` before is then still there. A
    symbolic link is followed. A device or a pipe, such as /dev/null, is itself written to.
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
        partial.touch()  # finds out now, not when hours are spent, whether it can be written
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
    """Have the disk keep the folder's names, where its file system can be told to."""
    with suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Replace a file's text in one go."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's bytes in one go."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)
