"""Lock a run folder, so that one process at a time writes into it."""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nmt.errors import NmtError
from nmt.system.atomic import is_running, remove, unfinished, writer_of

LOCK = ".lock"  # the file of the lock; it stays when the lock is released
# An unfinished file of a prepared corpus or of a part, by `nmt.text.shards` and `nmt.text.parts`.
SHARD = re.compile(
    r"train-\d+(-\d+)?\.(ids|offsets|lines|json)(\.m[0-9a-f]{8})?\.partial", re.ASCII
)


@contextmanager
def locked(folder: Path, shared: bool = False) -> Iterator[None]:
    """Create a run folder and lock it for this process within a `with` block.

    The file of the lock and the folder itself are locked: a user may remove the file. shared: lock
    it together with other processes that do so, which may be on other machines. Otherwise, files
    that killed processes left half-written are removed. Raises NmtError if another process holds
    the lock or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK).open("a+")  # NFS wants both modes: one for each kind of lock
    except OSError as error:
        raise NmtError(f"cannot write into {folder}: {error.strerror}") from error
    with stream, opened(folder) as descriptor:
        try:
            for each in (stream.fileno(), descriptor):
                take_lock(each, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        except BlockingIOError as error:
            raise NmtError(
                f"another nmt process is using {folder}; wait for it to end, or name another folder"
                " (--run)"
            ) from error
        except OSError:
            pass  # a file system without locks
        if not shared:
            remove_partial_files(folder)
        yield


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """Open a folder and yield its file descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def take_lock(descriptor: int, kind: int) -> None:
    """Lock a file or folder for this process; raises BlockingIOError if another one holds it.

    kind: `LOCK_EX`, or `LOCK_SH` to share it with others.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(0.1)  # `is_locked` of another process may hold it for a moment
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)


def is_locked(folder: Path) -> bool:
    """Return whether a process is training, preparing or averaging in a run folder."""
    try:
        with opened(folder) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # not there, or a file system without locks
        return False
    return False


def remove_partial_files(folder: Path) -> None:
    """Remove half-written files and folders of processes that no longer run, and nothing else.

    The checkpoints may be behind a link, on another disk.
    """
    checkpoints = folder / "checkpoints"
    linked = checkpoints.glob("*.partial") if checkpoints.is_symlink() else ()
    for path in [*folder.rglob("*.partial"), *linked]:
        writer = writer_of(path)
        # An earlier process may have had the number of this one.
        is_ended = writer == os.getpid() or (writer is not None and not is_running(writer))
        is_left = is_ended and Path(os.path.realpath(path)) not in unfinished
        is_shard = path.parent == folder / "prepared" and SHARD.fullmatch(path.name)
        if is_left or is_shard:
            remove(path)
