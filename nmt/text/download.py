"""Download one file whole or not at all, and check what the server says about it."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import pooch
import requests

from nmt.errors import NmtError
from nmt.system.atomic import atomic_path
from nmt.system.files import sha256_of

WEB_PAGES = (".html", ".htm")
PACKED = (".gz", ".tgz", ".xz", ".bz2", ".zip")
LONGEST_STATUS = 60  # characters of a server's answer in a message
BLOCK = 1 << 16  # bytes
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


class Answers:
    """The answers of a server to one request: each is checked before its content is read."""

    def __init__(self, url: str, sha256: str, advice: Advice, *, is_packed: bool = False) -> None:
        """Check the answers to a request for `url`.

        sha256: the expected hash, or "". is_packed: whether the file is compressed itself.
        """
        self._url, self._sha256, self._advice = url, sha256, advice
        self._is_packed = is_packed
        self.stated = ""  # the SHA-256 that the server states

    def __call__(self, response: requests.Response, **options: Any) -> None:
        """Raise NmtError for a redirect to another scheme, another file or a file too large."""
        # Some servers state a .gz file's own compression here, and requests would unpack the file.
        if self._is_packed and response.raw is not None:
            response.raw.headers.pop("Content-Encoding", None)
        if response.is_redirect:
            self._check_redirect(urljoin(response.url, response.headers["Location"]))
        found = SHA256.fullmatch(response.headers.get(STATED, ""))
        self.stated = self.stated or (found[1] if found else "")
        if self._sha256 and self.stated and self.stated != self._sha256:
            raise wrong_digest(self._url, self.stated, self._sha256, self._advice)
        length = response.headers.get("Content-Length", "")
        if response.ok and length.isdecimal():
            self.check_size(int(length))

    def _check_redirect(self, target: str) -> None:
        """Raise NmtError for a redirect that leaves the web or gives up encryption."""
        scheme = urlsplit(target).scheme.lower()
        if scheme not in WEB or (self._url.lower().startswith("https") and scheme != "https"):
            raise NmtError(
                f"cannot download {self._url}: the server redirects to {target[:LONGEST_STATUS]!r},"
                f" which is not safe; {self._advice.address}"
            )

    def check_size(self, size: int) -> None:
        """Raise NmtError for more bytes than the file may have."""
        most = self._advice.most
        if most is not None and size > most:
            raise NmtError(
                f"{self._url} is not the file that was expected: it has more than {most:,} bytes;"
                f" {self._advice.address}"
            )


class LimitedStream:
    """A file to write to, as long as its size is accepted."""

    def __init__(self, stream: IO[bytes], check_size: Callable[[int], None]) -> None:
        """Write to `stream`; call `check_size` with the size before each write."""
        self._stream, self._check_size = stream, check_size
        self._size = 0

    def write(self, content: bytes) -> int:
        """Write bytes; return how many."""
        self._size += len(content)
        self._check_size(self._size)
        return self._stream.write(content)

    def flush(self) -> None:
        """Leave the bytes in the buffer: it is written when the file is closed."""


def retrieve(url: str, path: Path, sha256: str, advice: Advice) -> str:
    """Download a file whole or not at all; return the SHA-256 that the server states, or "".

    sha256: the expected hash, or "". Raises NmtError; AbsentError if the server has no such file.
    """
    if not url.startswith(("https://", "http://")):
        raise NmtError(f"data.downloads: {url} is not an http(s) address")
    shows_bar = sys.stderr is not None and sys.stderr.isatty()
    answers = Answers(url, sha256, advice, is_packed=path.suffix in PACKED)
    download = pooch.HTTPDownloader(
        progressbar=shows_bar,
        chunk_size=BLOCK,
        hooks={"response": answers},
        headers={"Accept-Encoding": "identity"},
    )
    with atomic_path(path) as partial:
        try:
            with partial.open("wb") as stream:
                download(url, LimitedStream(stream, answers.check_size), None)
        except (requests.exceptions.RequestException, ValueError) as error:  # urllib3's, too
            raise download_error(url, path, error, advice) from error
        found = sha256_of(partial) if sha256 or answers.stated else ""
        if sha256 and found != sha256:
            raise wrong_digest(url, found, sha256, advice)
        if answers.stated and found != answers.stated:
            raise NmtError(
                f"{url} arrived damaged: its SHA-256 is {found}, but the server states"
                f" {answers.stated}; try again"
            )
        if not found and path.suffix not in WEB_PAGES and is_web_page(partial):
            raise NmtError(
                f"{url} gives a web page instead of a file; {advice.address}, or put the file at"
                f" {path} yourself"
            )
    return answers.stated


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


def is_web_page(path: Path) -> bool:
    """Return whether a file begins like an HTML page, as the error pages of servers do."""
    with path.open("rb") as stream:
        return stream.read(64).lstrip().lower().startswith((b"<!doctype html", b"<html"))
