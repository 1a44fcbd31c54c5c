"""Keys that clients must show, one on each line of a file."""

import hmac
from collections.abc import Sequence
from pathlib import Path

from nmt.errors import NmtError
from nmt.system.files import read_text

MOST_BYTES = 1_000_000  # of a file


class ApiKeys:
    """The keys that are accepted; without keys, every client is accepted."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        """Take the keys."""
        self._keys = [each.encode() for each in keys]

    @property
    def are_required(self) -> bool:
        """True if a client must show a key."""
        return bool(self._keys)

    def accept(self, key: str) -> bool:
        """Return whether a key is accepted, in a time that does not depend on the key."""
        given = key.encode("utf-8", "surrogatepass")
        found = [hmac.compare_digest(given, each) for each in self._keys]
        return any(found) or not self._keys


def read_keys(path: Path | None) -> ApiKeys:
    """Return the keys in a file; lines that are blank or begin with # are none.

    None: no key is needed. Raises NmtError if the file cannot be read or has no key: a server that
    should be closed must not be open.
    """
    if path is None:
        return ApiKeys()
    text = read_text(path, "the file of API keys", "name another (--api-keys)", MOST_BYTES)
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise NmtError(f"{path} has no API key; write one on each line")
    return ApiKeys(keys)
