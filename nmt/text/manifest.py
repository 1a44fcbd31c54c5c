"""A record of what a prepared corpus was made from, as content hashes by step."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nmt.errors import DamagedError, NmtError, list_first
from nmt.system.atomic import write_text
from nmt.system.files import compute_sha256, is_present, read_bytes, reading
from nmt.system.json_data import Count, convert, json_text, parse_object

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
        """Return the path of the manifest."""
        return self.shards / "manifest.json"


@dataclass(frozen=True)
class Stamp:
    """The size and time of a written file; unchanged, they stand for an unchanged content."""

    size: Count  # bytes
    mtime_ns: int


@dataclass(frozen=True)
class Step:
    """A finished step of the preparation."""

    key: str  # hash of everything that the result depends on
    sha256: dict[str, str] = field(default_factory=dict)  # of the files written, by name ending
    counts: dict[str, Count] = field(default_factory=dict)  # training pairs by verdict of cleaning
    written: dict[str, Stamp] = field(default_factory=dict)  # size and time, by name ending


@dataclass(frozen=True)
class SourceFile:
    """A text file that was hashed; an unchanged size and time stand for an unchanged content."""

    size: Count  # bytes
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Content:
    """The content of a manifest's file."""

    format: int
    steps: dict[str, Step]
    files: dict[str, SourceFile]


class Manifest:
    """The finished steps, and the text files that they read."""

    def __init__(self, folder: PreparedFolder) -> None:
        """Read a folder's manifest; if it is missing, damaged or of another format, it is empty.

        Raises NmtError if there is a file that cannot be read.
        """
        self.folder = folder
        self._path = path = folder.manifest
        self.steps: dict[str, Step] = {}
        self.files: dict[str, SourceFile] = {}
        self.has_other_format = False
        self.changed: list[str] = []  # text files whose content is not the recorded one
        self.damage = ""  # a sentence, if the file is damaged
        if not is_present(path):
            return
        try:
            stored = parse_object(read_bytes(path, "the manifest"), str(path))
            self.has_other_format = stored.get("format") != FORMAT
            if not self.has_other_format:
                content = convert(stored, Content, str(path))
                self.steps, self.files = content.steps, content.files
        except DamagedError as error:
            self.damage = str(error)

    def save(self) -> None:
        """Write the manifest atomically; raises NmtError if that fails."""
        content = asdict(Content(FORMAT, self.steps, self.files))
        write_text(self._path, json_text(content, indent=1) + "\n")

    def forget(self, name: str) -> None:
        """Remove a step before it is redone, so that an interruption leaves no wrong record."""
        if self.steps.pop(name, None) is not None:
            self.save()

    def hash_file(self, path: Path) -> str:
        """Return the SHA-256 of a text file; a file of known size and time is not read again."""
        with reading("the text file", path):
            status = path.stat()
        known = self.files.get(str(path))
        if known and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
            return known.sha256
        digest = compute_sha256(path)
        if known and known.sha256 != digest:
            self.changed.append(str(path))
        self.files[str(path)] = SourceFile(status.st_size, status.st_mtime_ns, digest)
        return digest

    def key(self, name: str) -> str:
        """Return the key of a finished step; raises NmtError if the step is not recorded."""
        if name not in self.steps:
            raise NmtError(
                f"{self.damage or f'{self._path} does not record {name}'}; run `nmt prepare`"
            )
        return self.steps[name].key

    def needs(self, name: str, key: str) -> bool:
        """Return whether a step must be done: it is not recorded, or has another key.

        Raises NmtError if the key differs, or if the manifest has another format, but the run
        already trains with the step's result.
        """
        known = self.steps.get(name)
        if known is None and self.folder.in_use and self.has_other_format:
            raise NmtError(
                f"{self._path} was written by another version of nmt; resume this training with"
                " that version, or choose a new folder with --run"
            )
        if known and known.key != key and self.folder.in_use:
            raise corpus_changed(self.folder.run, self.changed)
        return known is None or known.key != key


def corpus_changed(run: Path, files: Sequence[str] = ()) -> NmtError:
    """Return the error for a run whose corpus is not the one that its training started with.

    files: those that have changed, as far as known.
    """
    named = f" ({list_first(files)})" if files else ""
    return NmtError(
        f"the corpus of {run} has changed since its training started{named}; restore the old text,"
        " or choose a new folder with --run"
    )


def hash_values(*parts: Any) -> str:
    """Return the SHA-256 of values written as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
