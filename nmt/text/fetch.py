"""Download the files of a recipe into the data folder and check their SHA-256.

If the recipe does not state a file's hash, the hash of the first download is recorded in
`SHA256SUMS` in the data folder, and later downloads are checked against it.
"""

import fcntl
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO

from nmt.config import Download
from nmt.errors import NmtError
from nmt.system.files import check_file, is_present, read_text, sha256_of
from nmt.system.log import Notify
from nmt.text.archive import unpack
from nmt.text.download import Advice, retrieve

PINS = "SHA256SUMS"
LOCK_TRIES = 200
LOCK_PAUSE = 0.05  # seconds
FROM_RECIPE = Advice()


def fetch(download: Download, folder: Path, notify: Notify, advice: Advice = FROM_RECIPE) -> None:
    """Download one file into the folder unless it is there, and unpack the members it names.

    advice: the fixes that messages name, and the largest size. No file that is there is replaced.
    Raises NmtError for a network error, a wrong hash, a file or a folder in the way, or a name
    outside the folder; AbsentError if the server has no such file.
    """
    path = inside(folder, download.to)
    for member in download.unpack:
        inside(path.parent, member)
    pins = read_pins(folder)
    # A file without a known hash is the user's own, or was left by an interrupted fetch: keep it.
    known = (download.sha256 or pins.get(download.to, "")).lower()
    if not download.sha256:
        line = f"remove the line of {download.to} from {folder / PINS}"
        advice = replace(advice, digest=line)
    is_there = is_present(path)
    stated = ""
    if is_there:
        check_local(path, known, advice.digest)
    else:
        stated = retrieve(download.url, path, known, advice)
    # Unpack before the hash is recorded: the archive may be bad. Members that are there are
    # compared with it.
    unpack(path, download.unpack)
    state = "already downloaded" if is_there else "downloaded"
    if known:
        notify(f"{path}: {state}, SHA-256 correct")
    else:
        digest = sha256_of(path)
        add_pin(folder, download.to, digest)
        origin = "is what the server states" if stated else "was not known"
        notify(f"{path}: {state}, SHA-256 {digest} {origin} and is now recorded in {folder / PINS}")


def inside(folder: Path, name: str) -> Path:
    """Return the path of a name in a folder; raises NmtError if it is outside, or `SHA256SUMS`."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise NmtError(f"data.downloads: '{name}' is not a name below the data folder")
    if path.parts[0].casefold() == PINS.casefold():  # some file systems ignore case
        raise NmtError(
            f"data.downloads: '{name}' is the file of recorded SHA-256 values; choose another name"
        )
    return folder / path


def read_pins(folder: Path) -> dict[str, str]:
    """Return the recorded hashes of earlier downloads, by file name."""
    path = folder / PINS
    text = read_text(path, "the file") if is_present(path) else ""
    lines = (line.split(maxsplit=1) for line in text.splitlines())
    return {parts[1].removeprefix("*"): parts[0] for parts in lines if len(parts) == 2}


def add_pin(folder: Path, name: str, sha256: str) -> None:
    """Record the hash of a download, also while other processes do so; the other lines stay.

    Raises NmtError if the file cannot be read or written.
    """
    path = folder / PINS
    try:
        # The file is appended to: a lock on it would be lost if a new file took its place.
        with path.open("a", encoding="utf-8", newline="\n") as stream:
            wait_for_lock(stream, path)
            text = read_text(path, "the file")
            start = "\n" if text and not text.endswith("\n") else ""
            recorded = read_pins(folder).get(name, sha256)  # perhaps by another process
            if recorded != sha256:
                raise NmtError(
                    f"{path} has another SHA-256 of {name} than that of this download, {sha256};"
                    " run the command again"
                )
            if name not in read_pins(folder):
                stream.write(f"{start}{sha256}  {name}\n")
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror or error}") from error


def wait_for_lock(stream: IO[str], path: Path) -> None:
    """Lock an open file, which others hold for an instant; raises NmtError if one does not end."""
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE)
        except OSError:  # a file system without locks
            return
        else:
            return
    raise NmtError(f"another process holds the lock on {path}; end it, and run the command again")


def check_local(path: Path, sha256: str, fix: str) -> None:
    """Raise NmtError unless there is a file with an expected hash, or any file for the hash ""."""
    check_file(path, "the file")
    if sha256 and (found := sha256_of(path)) != sha256:
        raise NmtError(
            f"{path} exists, but its SHA-256 is {found}, not {sha256}; move it away to download it"
            f" again, or {fix}"
        )
