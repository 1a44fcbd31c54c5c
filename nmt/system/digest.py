"""SHA-256 digests of files."""

import hashlib
from pathlib import Path
from typing import IO, Protocol

from nmt.system.reading import check_regular, unreadable


class Digest(Protocol):
    """A running hash, such as `hashlib.sha256()`."""

    def update(self, data: bytes, /) -> None:
        """Add bytes to it."""
        ...


class HashingStream:
    """A file to write to from its start to its end, whose content goes into a digest too."""

    def __init__(self, stream: IO[bytes], digest: Digest) -> None:
        """Write to `stream` and to `digest`."""
        self._stream, self._digest = stream, digest

    def write(self, content: bytes) -> int:
        """Write bytes; return how many."""
        self._digest.update(content)
        return self._stream.write(content)

    def flush(self) -> None:
        """Pass on what is buffered."""
        self._stream.flush()


def sha256_of(path: Path, what: str = "the file") -> str:
    """Return the SHA-256 of a regular file as hexadecimal digits.

    what: the kind of file, for the NmtError if it cannot be read.
    """
    check_regular(path, what)
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise unreadable(what, path, error) from error
