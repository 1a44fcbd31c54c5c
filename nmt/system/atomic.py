"""Write a file whole or not at all: write a temporary file, fsync it, rename it."""

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from nmt.errors import NmtError

LONGEST_NAME = 200  # bytes; a file system allows 255

# The temporary files and folders of this process. A signal may come when one exists and the `with`
# block that would remove it has not begun.
unfinished: set[Path] = set()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` when the block ends without an exception.

    If the block raises, the old file stays. A symbolic link is followed. A device or a pipe, such
    as /dev/null, is written to directly. If stdout or stderr is redirected to the file, as with
    /dev/stdout, the new content follows the old. Raises NmtError if the file cannot be written.
    """
    try:
        is_stream = path.exists() and not path.is_file() and not path.is_dir()
    except OSError as error:  # the name is too long
        raise NmtError(f"cannot write {path}: {error.strerror}") from error
    if is_stream:
        yield path
        return
    redirected = redirected_stream(path)
    final = Path(os.path.realpath(path))
    partial = partial_of(final)
    unfinished.add(partial)
    try:
        if final.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        final.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()  # fails now, not after hours of work, if the folder cannot be written
        yield partial
        if redirected is not None:
            write_through(redirected, partial)
            return
        sync_file(partial)
        partial.replace(final)
        sync_folder(final.parent)
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        reason = f"{final.parent} is not a folder" if in_the_way else error.strerror or str(error)
        raise NmtError(f"cannot write {path}: {reason}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        unfinished.discard(partial)


@contextmanager
def atomic_folder(path: Path, *, is_replaced: bool = False) -> Iterator[Path]:
    """Yield a temporary folder that is renamed to `path` when the block ends without an exception.

    If the block raises, nothing is left, and an old folder stays. A symbolic link is followed.

    Args:
        path: a folder that is new or empty.
        is_replaced: the folder may have files; it is removed when the new one is complete. Readers
            find no folder for an instant between two renames.

    Raises:
        NmtError: if the folder cannot be written.
    """
    final = Path(os.path.realpath(path))
    partial = partial_of(final)
    made = [each for each in final.parents if not each.exists()]
    unfinished.add(partial)
    try:
        partial.mkdir(parents=True)
        yield partial
        for each in partial.rglob("*"):
            if each.is_file():
                sync_file(each)
        if is_replaced and final.exists():
            replace_folder(partial, final)
        else:
            partial.rename(final)
        made.clear()
        sync_folder(final.parent)
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        unfinished.discard(partial)
        with suppress(OSError):
            for each in made:
                each.rmdir()


def remove_unfinished() -> None:
    """Remove the temporary files and folders that this process has not finished."""
    for partial in list(unfinished):  # another thread may add one
        with suppress(OSError):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)


def replace_folder(new: Path, old: Path) -> None:
    """Rename a folder to the name of another and remove that one; it stays if this fails."""
    aside = new.with_suffix(".old")
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def partial_of(path: Path) -> Path:
    """Return the temporary name of a file: its own, or the end of a very long one."""
    name = os.fsdecode(os.fsencode(path.name)[-LONGEST_NAME:])
    return path.with_name(f".{name}.{os.getpid()}.partial")


def redirected_stream(path: Path) -> IO[str] | None:
    """Return the standard stream that writes to a file; None if none does."""
    for stream in (sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError, AttributeError):  # a stream is closed, or no such file
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):  # type: ignore[union-attr] # None
                return stream
    return None


def write_through(stream: IO[str], content: Path) -> None:
    """Write the content of a file to a standard stream."""
    stream.flush()
    with content.open("rb") as source, os.fdopen(os.dup(stream.fileno()), "wb") as target:
        shutil.copyfileobj(source, target)


def sync_file(path: Path) -> None:
    """Flush a file's content to disk; raises OSError if that fails."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


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
