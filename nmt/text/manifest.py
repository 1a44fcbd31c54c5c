"""A record of what a prepared corpus was made from, as content hashes by step."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.system.atomic import write_text
from nmt.system.digest import sha256_of

FORMAT = 3  # of the manifest and the shards


@dataclass(frozen=True)
class PreparedFolder:
    """Paths of a run's tokenizer and encoded corpus."""

    run: Path  # the run folder, for messages
    tokenizer: Path  # the tokenizer's file
    shards: Path  # the folder of the encoded corpus
    in_use: bool  # whether the run has started to train with them, so that they must not change

    @property
    def manifest(self) -> Path:
        """Path of the manifest."""
        return self.shards / "manifest.json"


@dataclass(frozen=True)
class Step:
    """A finished step of the preparation."""

    key: str  # hash of everything that the result depends on
    sha256: dict[str, str] = field(default_factory=dict)  # of the files written, by name ending
    counts: dict[str, int] = field(default_factory=dict)  # training pairs by verdict of cleaning


@dataclass(frozen=True)
class SourceFile:
    """A text file that was hashed; an unchanged size and time stand for an unchanged content."""

    size: int  # bytes
    mtime_ns: int
    sha256: str


class Manifest:
    """The finished steps, and the text files that they read."""

    def __init__(self, path: Path) -> None:
        """Read a manifest; one that is missing, damaged or of another format counts as empty."""
        self._path = path
        self.steps: dict[str, Step] = {}
        self.files: dict[str, SourceFile] = {}
        self.has_other_format = False
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            self.has_other_format = stored["format"] != FORMAT
            if not self.has_other_format:
                steps = {name: Step(**step) for name, step in stored["steps"].items()}
                files = {name: SourceFile(**file) for name, file in stored["files"].items()}
                self.steps, self.files = steps, files
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass

    def save(self) -> None:
        """Write the manifest atomically; raises NmtError if that fails."""
        content = {
            "format": FORMAT,
            "steps": {name: asdict(step) for name, step in self.steps.items()},
            "files": {name: asdict(file) for name, file in self.files.items()},
        }
        write_text(self._path, json.dumps(content, indent=1) + "\n")

    def forget(self, name: str) -> None:
        """Remove a step before it is redone, so that an interruption leaves no wrong record."""
        if self.steps.pop(name, None) is not None:
            self.save()

    def hash_file(self, path: Path) -> str:
        """Return the SHA-256 of a text file; a file of known size and time is not read again."""
        status = path.stat()
        known = self.files.get(str(path))
        if known and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
            return known.sha256
        digest = sha256_of(path)
        self.files[str(path)] = SourceFile(status.st_size, status.st_mtime_ns, digest)
        return digest

    def needs(self, name: str, key: str, folder: PreparedFolder) -> bool:
        """Return whether a step must be done: it has not been, or with another key.

        Raises NmtError if the key differs, or if the manifest has another format, but the run
        already trains with the step's result.
        """
        known = self.steps.get(name)
        if known is None and folder.in_use and self.has_other_format:
            raise NmtError(
                f"{self._path} was written by another version of nmt; resume this training with"
                " that version, or choose a new folder with --run"
            )
        if known and known.key != key and folder.in_use:
            raise corpus_changed(folder.run)
        return known is None or known.key != key


def corpus_changed(run: Path) -> NmtError:
    """Return the error for a run whose corpus is not the one that its training started with."""
    return NmtError(
        f"the corpus of {run} has changed since its training started; restore the old text, or"
        " choose a new folder with --run"
    )


def hash_of(*parts: Any) -> str:
    """Return the SHA-256 of values written as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
