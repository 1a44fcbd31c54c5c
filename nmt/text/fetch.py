"""Download the files of a recipe into the data folder and check their SHA-256.

If the recipe does not state a file's hash, the hash of the first download is recorded in
`SHA256SUMS` in the data folder, and later downloads are checked against it.
"""

import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

import pooch
import requests

from nmt.config import Download
from nmt.errors import NmtError
from nmt.system.atomic import atomic_path, write_text
from nmt.system.digest import sha256_of
from nmt.system.log import Notify
from nmt.system.reading import check_file, is_present, read_text
from nmt.text.corpus import READ_ERRORS

PINS = "SHA256SUMS"
WEB_PAGES = (".html", ".htm")
LONGEST_STATUS = 60  # characters of a server's answer in a message
BLOCK = 1 << 20  # bytes


def fetch(download: Download, folder: Path, notify: Notify) -> None:
    """Download one file into the folder unless it is there, and unpack the members it names.

    No file that is there is replaced. Raises NmtError for a network error, a wrong hash, a file or
    a folder in the way, or a name outside the folder.
    """
    path = inside(folder, download.to)
    for member in download.unpack:
        inside(path.parent, member)
    pins = read_pins(folder)
    # A file without a known hash is the user's own, or was left by an interrupted fetch: keep it.
    known = (download.sha256 or pins.get(download.to, "")).lower()
    fix = "correct sha256 in the recipe"
    if not download.sha256:
        fix = f"remove the line of {download.to} from {folder / PINS}"
    is_there = is_present(path)
    if is_there:
        check_local(path, known, fix)
    else:
        retrieve(download.url, path, known, fix)
    missing = [name for name in download.unpack if not is_present(path.parent / name)]
    # Unpack before the hash is recorded: the archive may be bad.
    unpack(path, missing if is_there else download.unpack)
    state = "already downloaded" if is_there else "downloaded"
    if known:
        notify(f"{path}: {state}, SHA-256 correct")
    else:
        digest = sha256_of(path)
        add_pin(folder, download.to, digest)
        notify(
            f"{path}: {state}, SHA-256 {digest} was not known and is now recorded in"
            f" {folder / PINS}"
        )


def inside(folder: Path, name: str) -> Path:
    """Return the path of a name in a folder; raises NmtError if it is outside the folder."""
    parts = PurePosixPath(name)
    if not name or name == PINS or parts.is_absolute() or ".." in parts.parts:
        raise NmtError(f"data.downloads: '{name}' is not a name below the data folder")
    return folder / parts


def read_pins(folder: Path) -> dict[str, str]:
    """Return the recorded hashes of earlier downloads, by file name."""
    path = folder / PINS
    text = read_text(path, "the file") if is_present(path) else ""
    lines = (line.split(maxsplit=1) for line in text.splitlines())
    return {parts[1].removeprefix("*"): parts[0] for parts in lines if len(parts) == 2}


def add_pin(folder: Path, name: str, sha256: str) -> None:
    """Record the hash of a download; the other lines stay as they are."""
    path = folder / PINS
    text = read_text(path, "the file") if is_present(path) else ""
    lines = [*text.splitlines(), f"{sha256}  {name}"]
    write_text(path, "".join(f"{line}\n" for line in lines))


def check_local(path: Path, sha256: str, fix: str) -> None:
    """Raise NmtError unless there is a file with an expected hash; arguments as in `retrieve`."""
    check_file(path, "the file")
    if sha256 and (found := sha256_of(path)) != sha256:
        raise NmtError(
            f"{path} exists, but its SHA-256 is {found}, not {sha256}; move it away to download it"
            f" again, or {fix}"
        )


def retrieve(url: str, path: Path, sha256: str, fix: str) -> None:
    """Download a file whole or not at all.

    sha256: the expected hash, or "". fix: what to do if it is expected wrongly. Raises NmtError.
    """
    if not url.startswith(("https://", "http://")):
        raise NmtError(f"data.downloads: {url} is not an http(s) address")
    shows_bar = sys.stderr is not None and sys.stderr.isatty()
    with atomic_path(path) as partial:
        try:
            pooch.HTTPDownloader(progressbar=shows_bar)(url, str(partial), None)
        except (requests.exceptions.RequestException, ValueError) as error:  # urllib3's, too
            raise download_error(url, path, error) from error
        if sha256 and (found := sha256_of(partial)) != sha256:
            raise NmtError(
                f"{url} is not the file that was expected: its SHA-256 is {found}, not {sha256};"
                f" if it has changed, {fix}"
            )
        if not sha256 and path.suffix not in WEB_PAGES and is_web_page(partial):
            raise NmtError(
                f"{url} gives a web page instead of a file; correct the address in the recipe, or"
                f" put the file at {path} yourself"
            )


def download_error(url: str, path: Path, error: Exception) -> NmtError:
    """Return the error for a download that failed."""
    by_hand = f"put the file at {path} yourself"
    response = getattr(error, "response", None)
    if response is not None:
        status = f"{response.status_code} {response.reason}"
        return NmtError(
            f"cannot download {url}: {status[:LONGEST_STATUS]}; correct the address in the recipe,"
            f" or {by_hand}"
        )
    if isinstance(error, ValueError):
        return NmtError(f"cannot download {url}: it is not a valid address; correct the recipe")
    if isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout):
        return NmtError(f"cannot reach {url}; check the network, or {by_hand}")
    return NmtError(f"cannot download {url}: the connection broke; try again, or {by_hand}")


def is_web_page(path: Path) -> bool:
    """Return whether a file begins like an HTML page, as the error pages of servers do."""
    with path.open("rb") as stream:
        return stream.read(64).lstrip().lower().startswith((b"<!doctype html", b"<html"))


def unpack(archive: Path, members: Sequence[str]) -> None:
    """Extract members of a tar archive into its folder, each whole or not at all.

    A member that is there already is kept; NmtError if it differs from the archive's.
    """
    if not members:
        return
    try:
        with tarfile.open(archive) as tar:
            for name in members:
                content = tar.extractfile(name)
                if content is None:
                    raise NmtError(f"{archive}: its member {name} is not a file")
                write_member(archive.parent / name, blocks(content, archive), archive)
    except KeyError as error:
        raise NmtError(f"{archive} has no member {name}; correct `unpack` in the recipe") from error
    except (tarfile.TarError, *READ_ERRORS) as error:
        raise bad_archive(archive, error) from error


def write_member(path: Path, content: Iterator[bytes], archive: Path) -> None:
    """Write a member of an archive, or compare it with the file that is there."""
    if not is_present(path):
        with atomic_path(path) as partial, partial.open("wb") as stream:
            stream.writelines(content)
        return
    fix = f"move it away to unpack that of {archive}"
    check_file(path, "the file", fix)
    with path.open("rb") as stream:
        if any(stream.read(len(block)) != block for block in content) or stream.read(1):
            raise NmtError(f"{path} differs from the file in {archive}; {fix}")


def blocks(content: IO[bytes], archive: Path) -> Iterator[bytes]:
    """Yield the content of an archive's member; raises NmtError if the archive is damaged."""
    try:
        while block := content.read(BLOCK):
            yield block
    except (tarfile.TarError, *READ_ERRORS) as error:
        raise bad_archive(archive, error) from error


def bad_archive(archive: Path, error: Exception) -> NmtError:
    """Return the error for an archive that cannot be unpacked."""
    reason = str(error).splitlines()[0] if str(error) else "it is not an archive"
    return NmtError(f"cannot unpack {archive}: {reason}; remove the file to download it again")
