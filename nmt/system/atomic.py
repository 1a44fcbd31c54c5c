"""Write a file whole or not at all: write a temporary file, fsync it, rename it."""

import errno
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO

from nmt.errors import NmtError

LOST_AND_FOUND = "lost+found"  # in the root of a file system
LONGEST_NAME = 200  # bytes; a file system allows 255
# What `name_partial` returns; no process has a number of more digits.
PARTIAL = re.compile(r"\..+\.(\d{1,9})\.[0-9a-f]{8}\.partial", re.DOTALL)

# The temporary files and folders of this process. A signal may come when one exists and the `with`
# block that would remove it has not begun.
unfinished: set[Path] = set()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` when the block ends without an exception.

    If the block raises, the old file stays. Otherwise, the new one has no permission that an old
    one of the same owner did not have. A symbolic link is followed. A device or a pipe, such as
    /dev/null, is written to directly. If stdout or stderr is redirected to the file, as with
    /dev/stdout, the new content follows the old. Raises NmtError if the file cannot be written.
    """
    final = Path(os.path.realpath(path))
    is_pipe = False  # or a device
    try:
        is_pipe = path.exists() and not path.is_file() and not path.is_dir()
        if is_pipe:
            yield path
            return
        if final.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        redirected = redirected_stream(path)
        with temporary(final) as partial:
            partial.touch()  # fails now, not after hours of work, if the folder cannot be written
            restrict(partial, final, also=stat.S_IRUSR | stat.S_IWUSR)
            yield partial
            if redirected is not None:
                write_through(redirected, partial)
                return
            sync_file(partial)
            restrict(partial, final)
            partial.replace(final)
            sync_folder(final.parent)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and not is_pipe:
            raise  # not of the file: the reader of another stream, such as stdout, has gone
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        reason = f"{final.parent} is not a folder" if in_the_way else error.strerror or str(error)
        raise NmtError(f"cannot write {path}: {reason}") from error


def restrict(path: Path, old: Path, also: int = 0) -> None:
    """Remove the permissions of a file that an old file of the same owner does not have.

    also: permissions that stay. Nothing is removed where a file system does not allow that.
    """
    with suppress(OSError):
        status = old.stat()
        if status.st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & (status.st_mode | also))


@contextmanager
def atomic_folder(path: Path, *, is_replaced: bool = False, last: str = "") -> Iterator[Path]:
    """Yield a temporary folder whose content is that of `path` when the block ends without error.

    A new folder appears whole, by one rename. An existing folder may be a mount point, or the
    current folder of a shell: it stays, and the content is moved into it. If the block or a move
    raises, also because of a signal, the folder is as it was before. Only a process that is killed
    between two moves leaves some of the files, never the last one without the others, and temporary
    folders, which the next writer removes. A symbolic link is followed.

    Args:
        path: a folder that is new or empty.
        is_replaced: the folder may have files; they are removed when the new ones are complete.
        last: the file that readers take for the sign of a complete folder; it is removed first and
            moved last.

    Raises:
        NmtError: if the folder cannot be written.
    """
    final = Path(os.path.realpath(path))
    try:
        is_new = not final.exists()
        with temporary(final if is_new else final / final.name) as partial:
            partial.mkdir()
            yield partial
            for file in partial.rglob("*"):
                if file.is_file():
                    sync_file(file)
            if is_new:
                partial.rename(final)
            else:
                move_content(partial, final, last, is_replaced=is_replaced)
            sync_folder(final.parent if is_new else final)
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside a path, in a folder that is made if it is missing.

    At the end, what is at the temporary path is removed, and so are folders that were made and are
    empty. Raises OSError if a folder cannot be made.
    """
    partial = name_partial(path)
    missing = [parent for parent in path.parents if not parent.exists()]
    unfinished.add(partial)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
    finally:
        remove(partial)
        unfinished.discard(partial)
        with suppress(OSError):  # a folder is not empty
            for parent in missing:
                parent.rmdir()


def remove_unfinished() -> None:
    """Remove the temporary files and folders that this process has not finished."""
    for partial in list(unfinished):  # another thread may add one
        remove(partial)


def remove(path: Path) -> None:
    """Remove a temporary file or folder, if it is there and this is possible."""
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def move_content(new: Path, folder: Path, last: str, *, is_replaced: bool) -> None:
    """Move the content of `new`, a folder in `folder`, to `folder`, and remove what was there.

    Temporary folders of other processes stay while these run. last: see `atomic_folder`. If a move
    fails, those before it are undone. Raises OSError if a move fails, or if there is something that
    must not be replaced.
    """
    old = sorted(
        (entry for entry in folder.iterdir() if not is_passed_over(entry)),
        key=lambda entry: entry.name != last,
    )
    if old and not is_replaced:
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
    aside = name_partial(folder / folder.name)
    aside.mkdir()
    moves = [(entry, aside / entry.name) for entry in old]
    added = sorted(new.iterdir(), key=lambda entry: entry.name == last)
    moves += [(entry, folder / entry.name) for entry in added]
    begun: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            begun.append((source, target))
            source.rename(target)
    except BaseException:
        for source, target in reversed(begun):
            with suppress(FileNotFoundError):  # the last one has not been moved
                target.rename(source)
        aside.rmdir()
        raise
    remove(aside)
    for entry in folder.iterdir():
        if (writer := find_writer(entry)) and not is_running(writer):
            remove(entry)


def name_partial(path: Path) -> Path:
    """Return a new temporary name for a file: its own, or the end of a very long one.

    It is random: processes in two containers may have the same number.
    """
    name = os.fsdecode(os.fsencode(path.name)[-LONGEST_NAME:])
    return path.with_name(f".{name}.{os.getpid()}.{token_hex(4)}.partial")


def find_writer(path: Path) -> int | None:
    """Return the process that a temporary name belongs to; None for another name."""
    found = PARTIAL.fullmatch(path.name)
    return int(found[1]) if found else None


def is_passed_over(path: Path) -> bool:
    """Return whether an entry of a folder does not count when the folder is filled."""
    return find_writer(path) is not None or path.name == LOST_AND_FOUND


def is_running(process: int) -> bool:
    """Return True if a process with this number runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True


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
    """Flush a file's content, or a folder's entries, to disk; raises OSError if that fails."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to disk, if its file system supports that."""
    with suppress(OSError):
        sync_file(path)


def write_text(path: Path, text: str) -> None:
    """Write or replace a UTF-8 text file atomically; raises NmtError if that fails."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write or replace a file's bytes atomically; raises NmtError if that fails."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)


@contextmanager
def atomic_paths(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield paths as `atomic_path` does; all files are replaced, or none."""
    with ExitStack() as stack:
        partials = [stack.enter_context(atomic_path(path)) for path in paths]
        try:
            yield partials
        except OSError as error:  # it does not say which file
            names = " or ".join(map(str, paths))
            raise NmtError(f"cannot write {names}: {error.strerror or error}") from error
        # All contents are on disk before the first file is replaced, so only renames are left.
        for path, partial in zip(paths, partials, strict=True):
            if partial != path:  # no device or pipe
                try:
                    sync_file(partial)
                except OSError as error:
                    raise NmtError(f"cannot write {path}: {error.strerror or error}") from error
