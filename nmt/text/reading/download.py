"""Download the files of a recipe into the data folder, check their SHA-256 and unpack them.

A file arrives whole or not at all. If the recipe does not state its hash, the hash of the first
download is recorded in `SHA256SUMS` in the data folder, and later downloads are checked against it.
"""

import re
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import requests

from nmt.config import Download
from nmt.errors import NmtError
from nmt.system.atomic import atomic_path
from nmt.system.files import (
    START_BYTES,
    check_file,
    compute_sha256,
    detect_kind,
    is_present,
    read_start,
    read_text,
    take_lock,
)
from nmt.system.log import Notify, progress_bar
from nmt.text.reading.lines import READ_ERRORS

SUMS = "SHA256SUMS"
LOCK_TRIES = 200
LOCK_PAUSE = 0.05  # seconds
WEB_PAGES = (".html", ".htm")
PACKED = (".gz", ".tgz", ".xz", ".bz2", ".zip")
LONGEST_STATUS = 60  # characters of a server's answer in a message
TIMEOUT = 30  # seconds without an answer
NETWORK_BLOCK, ARCHIVE_BLOCK = 1 << 16, 1 << 20  # bytes
WEB = ("http", "https")  # schemes
# A model hub redirects to the store of large files, and states their SHA-256 in this header.
STATED = "X-Linked-Etag"
SHA256 = re.compile(r'"?([0-9a-f]{64})"?')
ABSENT = (401, 403, 404, 410)  # a hub answers 401 for a model that does not exist
BUSY = (408, 429, 500, 502, 503, 504)


class AbsentError(NmtError):
    """A server does not have a file, or does not give it to everyone."""


@dataclass(frozen=True)
class Advice:
    """Hold the advice in messages about a download, and how large the file may be."""

    address: str = "correct the address in the recipe"  # if the server has no such file
    digest: str = "correct sha256 in the recipe"  # if another SHA-256 is expected
    network: str = "check the network"  # if the server cannot be reached
    most: int | None = None  # bytes; None: any size


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
    recorded = read_hashes(folder)
    # A file without a known hash is the user's own, or was left by an interrupted fetch: keep it.
    known = (download.sha256 or recorded.get(download.to, "")).lower()
    if not download.sha256:
        line = f"remove the line of {download.to} from {folder / SUMS}"
        advice = replace(advice, digest=line)
    stated, state = "", "already downloaded"
    if is_present(path):
        check_file(path, "the file")
        if known and (found := compute_sha256(path)) != known:
            raise NmtError(
                f"{path} exists, but its SHA-256 is {found}, not {known}; move it away to download"
                f" it again, or {advice.digest}"
            )
    else:
        stated, state = retrieve(download.url, path, known, advice), "downloaded"
    # Unpack before the hash is recorded: the archive may be bad. Members that are there are
    # compared with it.
    unpack(path, download.unpack)
    if known:
        notify(f"{path}: {state}, SHA-256 correct")
    else:
        digest = compute_sha256(path)
        add_hash(folder, download.to, digest)
        origin = "is what the server states" if stated else "was not known"
        notify(f"{path}: {state}, SHA-256 {digest} {origin} and is now recorded in {folder / SUMS}")


def inside(folder: Path, name: str) -> Path:
    """Return the path of a name in a folder; raises NmtError if it is outside, or `SHA256SUMS`."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise NmtError(f"data.downloads: '{name}' is not a name below the data folder")
    if path.parts[0].casefold() == SUMS.casefold():  # some file systems ignore case
        raise NmtError(
            f"data.downloads: '{name}' is the file of recorded SHA-256 values; choose another name"
        )
    return folder / path


def read_hashes(folder: Path) -> dict[str, str]:
    """Return the recorded hashes of earlier downloads, by file name."""
    path = folder / SUMS
    text = read_text(path, "the file") if is_present(path) else ""
    lines = (line.split(maxsplit=1) for line in text.splitlines())
    return {parts[1].removeprefix("*"): parts[0] for parts in lines if len(parts) == 2}


def add_hash(folder: Path, name: str, sha256: str) -> None:
    """Record the hash of a download, also while other processes do so; the other lines stay.

    Raises NmtError if the file cannot be read or written.
    """
    path = folder / SUMS
    try:
        # The file is appended to: a lock on it would be lost if a new file took its place.
        with path.open("a", encoding="utf-8", newline="\n") as stream:
            if not take_lock(stream, LOCK_TRIES, LOCK_PAUSE):
                raise NmtError(
                    f"another process holds the lock on {path}; end it, and run the command again"
                )
            text = read_text(path, "the file")
            recorded = read_hashes(folder).get(name)  # perhaps by another process
            if recorded is None:
                start = "\n" if text and not text.endswith("\n") else ""
                stream.write(f"{start}{sha256}  {name}\n")
            elif recorded != sha256:
                raise NmtError(
                    f"{path} has another SHA-256 of {name} than that of this download, {sha256};"
                    " run the command again"
                )
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror or error}") from error


def retrieve(url: str, path: Path, sha256: str, advice: Advice) -> str:
    """Download a file whole or not at all; return the SHA-256 that the server states, or "".

    sha256: the expected hash, or "". Raises NmtError; AbsentError if the server has no such file.
    """
    if not url.startswith(("https://", "http://")):
        raise NmtError(f"data.downloads: {url} is not an http(s) address")
    with atomic_path(path) as temporary:
        try:
            stated = save(url, temporary, sha256, advice, is_packed=path.suffix in PACKED)
        except (requests.exceptions.RequestException, ValueError) as error:  # urllib3's, too
            raise download_error(url, path, error, advice) from error
        found = compute_sha256(temporary) if sha256 or stated else ""
        if sha256 and found != sha256:
            raise wrong_digest(url, found, sha256, advice)
        if stated and found != stated:
            raise NmtError(
                f"{url} arrived damaged: its SHA-256 is {found}, but the server states {stated};"
                " try again"
            )
        # Some servers answer with a page that asks to sign in, or that tells of an error.
        if not (found or path.suffix in WEB_PAGES) and "HTML" in detect_kind(
            read_start(temporary, START_BYTES, "the file")
        ):
            raise NmtError(
                f"{url} gives a web page instead of a file; {advice.address}, or put the file at"
                f" {path} yourself"
            )
    return stated


def save(url: str, path: Path, sha256: str, advice: Advice, *, is_packed: bool) -> str:
    """Write what a server sends to a file; return the SHA-256 that the server states, or "".

    sha256: the expected hash, or "". is_packed: whether the file is compressed itself.
    """
    check = partial(check_answer, url=url, sha256=sha256, advice=advice)
    with requests.get(
        url,
        stream=True,
        timeout=TIMEOUT,
        headers={"Accept-Encoding": "identity"},
        hooks={"response": check},
    ) as response:
        response.raise_for_status()
        # Some servers state a .gz file's own compression here, and requests would unpack the file.
        if is_packed:
            response.raw.headers.pop("Content-Encoding", None)
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        check_size(total or 0, url, advice)
        size = 0
        with (
            path.open("wb") as stream,
            progress_bar(total=total, unit="B", unit_scale=True) as bar,
        ):
            for block in response.iter_content(NETWORK_BLOCK):
                size += len(block)
                check_size(size, url, advice)
                stream.write(block)
                bar.update(len(block))
        return next(filter(None, map(stated_sha256, [*response.history, response])), "")


def check_answer(
    response: requests.Response, *, url: str, sha256: str, advice: Advice, **options: Any
) -> None:
    """Check an answer to the request for a file before it is followed or read.

    Raises NmtError for a redirect to another scheme than http(s), or from https to http, and for
    another SHA-256 than the expected one.
    """
    if response.is_redirect:
        target = urljoin(response.url, response.headers["Location"])
        scheme = urlsplit(target).scheme.lower()
        if scheme not in WEB or (url.lower().startswith("https") and scheme != "https"):
            raise NmtError(
                f"cannot download {url}: the server redirects to {target[:LONGEST_STATUS]!r},"
                f" which is not safe; {advice.address}"
            )
    stated = stated_sha256(response)
    if sha256 and stated and stated != sha256:
        raise wrong_digest(url, stated, sha256, advice)


def stated_sha256(response: requests.Response) -> str:
    """Return the SHA-256 of a file that a server states, or ""; for small files it is a SHA-1."""
    stated = SHA256.fullmatch(response.headers.get(STATED, ""))
    return stated[1] if stated else ""


def check_size(size: int, url: str, advice: Advice) -> None:
    """Raise NmtError for more bytes than the file may have."""
    if advice.most is not None and size > advice.most:
        raise NmtError(
            f"{url} is not the file that was expected: it has more than {advice.most:,} bytes;"
            f" {advice.address}"
        )


def wrong_digest(url: str, found: str, expected: str, advice: Advice) -> NmtError:
    """Return the error for a download whose SHA-256 is not the expected one."""
    return NmtError(
        f"{url} is not the file that was expected: its SHA-256 is {found}, not {expected}; if it"
        f" has changed, {advice.digest}"
    )


def download_error(url: str, path: Path, error: Exception, advice: Advice) -> NmtError:
    """Return the error for a download that failed."""
    by_hand = f"put the file at {path} yourself"
    response = getattr(error, "response", None)
    if response is not None:
        status = f"{response.status_code} {response.reason}"[:LONGEST_STATUS]
        fix = "try again later" if response.status_code in BUSY else advice.address
        kind = AbsentError if response.status_code in ABSENT else NmtError
        return kind(f"cannot download {url}: {status}; {fix}, or {by_hand}")
    if isinstance(error, ValueError):
        return NmtError(f"cannot download {url}: it is not a valid address; {advice.address}")
    if isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout):
        return NmtError(f"cannot reach {url}; {advice.network}, or {by_hand}")
    return NmtError(f"cannot download {url}: the connection broke; try again, or {by_hand}")


def unpack(archive: Path, members: Sequence[str]) -> None:
    """Extract members of a tar archive into its folder, each whole or not at all.

    A member that is there already is kept; NmtError if it differs from the archive's.
    """
    if not members:
        return
    with archive_errors(archive), tarfile.open(archive) as tar:
        for name in members:
            try:
                member = tar.getmember(name)
            except KeyError as error:
                raise NmtError(
                    f"{archive} has no member {name}; correct `unpack` in the recipe"
                ) from error
            # A link may lead to itself, or nowhere.
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise NmtError(
                    f"{archive}: its member {name} is a link or no file; name a file instead in"
                    " `unpack` in the recipe"
                )
            write_member(archive.parent / name, read_blocks(content, archive), archive)


def write_member(path: Path, content: Iterator[bytes], archive: Path) -> None:
    """Write a member of an archive, or compare it with the file that is there."""
    if not is_present(path):
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            stream.writelines(content)
        return
    fix = f"move it away to unpack that of {archive}"
    check_file(path, "the file", fix)
    with path.open("rb") as stream:
        if any(stream.read(len(block)) != block for block in content) or stream.read(1):
            raise NmtError(f"{path} differs from the file in {archive}; {fix}")


def read_blocks(content: IO[bytes], archive: Path) -> Iterator[bytes]:
    """Yield the content of an archive's member; raises NmtError if the archive is damaged."""
    with archive_errors(archive):
        while block := content.read(ARCHIVE_BLOCK):
            yield block


@contextmanager
def archive_errors(archive: Path) -> Iterator[None]:
    """Raise NmtError for an archive that cannot be read in the block."""
    try:
        yield
    except (tarfile.TarError, *READ_ERRORS) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is not an archive"
        raise NmtError(
            f"cannot unpack {archive}: {reason}; remove the file to download it again"
        ) from error
