"""SHA-256 digests of files."""

import hashlib
from pathlib import Path

from nmt.errors import NmtError


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits; raises NmtError if it is unreadable."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise NmtError(f"cannot read {path}: {error.strerror}") from error
