"""What a prepared corpus was made from, as content hashes by step."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.system.atomic import write_text
from nmt.system.digest import sha256_of

FORMAT = 2  # of the manifest and the shards


@dataclass(frozen=True)
class PreparedFolder:
    """Where a run keeps its tokenizer and its encoded corpus."""

    run: Path  # the run folder, for messages
    tokenizer: Path  # the SentencePiece model
    shards: Path  # the folder of the encoded corpus
    in_use: bool  # whether a training has begun with them: they must not change then

    @property
    def manifest(self) -> Path:
        """The file that says what they were made from."""
        return self.shards / "manifest.json"


class Manifest:
    """What the prepared corpus was made from, as hashes by step."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.steps: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["format"] == FORMAT:
                self.steps = {name: dict(step) for name, step in stored["steps"].items()}
                self.files = {name: dict(file) for name, file in stored["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.steps, self.files = {}, {}  # none that can be trusted: every step is redone

    def save(self) -> None:
        """Write it down, whole or not at all."""
        content = {"format": FORMAT, "steps": self.steps, "files": self.files}
        write_text(self._path, json.dumps(content, indent=1) + "\n")

    def forget(self, step: str) -> None:
        """Before a step is redone: should that be cut short, its old result is not trusted."""
        if self.steps.pop(step, None) is not None:
            self.save()

    def hash_file(self, path: Path) -> str:
        """SHA-256 of a file; one of unchanged size and time is not read again."""
        status = path.stat()
        known = self.files.get(str(path))
        place = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        if known and "sha256" in known and {**known, **place} == known:
            return str(known["sha256"])
        digest = sha256_of(path)
        self.files[str(path)] = {**place, "sha256": digest}
        return digest

    def needs(self, step: str, key: str, folder: PreparedFolder) -> bool:
        """Whether a step was made from something else than `key` tells, or never.

        Raises NmtError if it was, and a training was begun with that.
        """
        known = self.steps.get(step, {}).get("key")
        if known not in (None, key) and folder.in_use:
            raise NmtError(
                f"the corpus of {folder.run} changed since its training began; bring the old text"
                " back, or name a new folder with --run"
            )
        return known != key


def hash_of(*parts: Any) -> str:
    """SHA-256 of values written as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
