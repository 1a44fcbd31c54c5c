"""Remember which files of an output folder are translated, so that the same command continues."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from nmt.documents.folders import RECORD, Job
from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import check_output
from nmt.system.files import in_utf_8, sha256_of
from nmt.system.json_data import json_text, parse_json

Row = dict[str, Any]  # a flagged segment or a finding: `nmt.documents.report`


@dataclass(frozen=True)
class Entry:
    """A translated file: a line of the record."""

    file: str  # the path of the translation in the folder
    source: str  # SHA-256 of what was translated
    work: str  # digest of the model and of all settings
    rows: tuple[Row, ...] | None = None  # of the report on the file; None in older records
    output: str = ""  # SHA-256 of the translation


class Progress:
    """The translated files of a folder, those of earlier commands too."""

    def __init__(self, folder: Path, work: str, stream: IO[str]) -> None:
        """Continue a record; work: a digest of all that translations depend on but sources."""
        self._folder, self._work, self._stream = folder, work, stream
        stream.seek(0)
        entries = [entry for entry in map(entry_of, stream) if entry is not None]
        self._entries = {entry.file: entry for entry in entries}
        self._written = {(entry.file, entry.output) for entry in entries}

    def has(self, job: Job) -> bool:
        """Return whether a file is translated as it is now, by this model and these settings."""
        entry = self._entries.get(self._name(job))
        if entry is None or entry.work != self._work or not job.output.is_file():
            return False
        if entry.rows is None and job.format is not None:
            return False  # it is not known what was flagged
        try:
            return entry.source == sha256_of(job.source)
        except NmtError:  # reported when the file is read to be translated
            return False

    def check_output(self, job: Job) -> None:
        """Raise UsageError unless the output of a job may be written.

        An existing output must be as this command wrote it. Other errors are those of
        `nmt.runs.outputs.check_output`.
        """
        check_output(job.output, [job.source], "the output")
        if not job.output.is_file() or not job.output.stat().st_size:
            return
        name = self._name(job)
        if (name, sha256_of(job.output)) not in self._written:
            reason = "was not written by `nmt translate`"
            if name in self._entries:
                reason = "was changed after `nmt translate` wrote it"
            raise UsageError(
                f"the output {job.output} {reason}; name another file, or move it away"
            )

    def rows(self, job: Job) -> tuple[Row, ...]:
        """Return the rows of the report on a file that is translated."""
        return self._entries[self._name(job)].rows or ()

    def add(self, job: Job, source: str, output: str, rows: Sequence[Row] = ()) -> None:
        """Record a file that was translated, or whose translation is about to be written.

        source, output: SHA-256 of what was translated and of its translation. An empty source marks
        a translation that is about to be written: if this process is killed, the next command knows
        that `nmt translate` wrote the file. rows: of the report on it. Raises NmtError if the
        record cannot be written.
        """
        entry = Entry(self._name(job), source, self._work, tuple(rows), output)
        write(self._folder / RECORD, self._stream, f"{json_text(asdict(entry))}\n")
        self._entries[entry.file] = entry
        self._written.add((entry.file, output))

    def _name(self, job: Job) -> str:
        return in_utf_8(job.output.relative_to(self._folder).as_posix())


def entry_of(line: str) -> Entry | None:
    """Return the entry of a line; None if a killed command left the line unfinished."""
    with suppress(NmtError):
        return parse_json(line.encode(), Entry, RECORD)
    return None


@contextmanager
def open_progress(folder: Path, work: str) -> Iterator[Progress]:
    """Open the record of a folder, which is made if it is missing.

    Raises NmtError if another command translates into the folder, or if it cannot be written.
    """
    path = folder / RECORD
    try:
        Path(os.path.realpath(folder)).mkdir(parents=True, exist_ok=True)  # a link may lead nowhere
        stream = path.open("a+", encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror}; name another folder") from error
    try:
        lock(folder, stream)
        end_last_line(path, stream)
        yield Progress(folder, work, stream)
    finally:
        with suppress(OSError):  # a full disk, which the failed write has reported
            stream.close()


def lock(folder: Path, stream: IO[str]) -> None:
    """Lock a record until it is closed; raises NmtError if another command has it."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise NmtError(f"another command translates into {folder}; wait until it ends") from error


def end_last_line(path: Path, stream: IO[str]) -> None:
    """Begin a new line if a killed command left the last one unfinished."""
    size = os.fstat(stream.fileno()).st_size
    with path.open("rb") as content:
        content.seek(max(0, size - 1))
        is_ended = content.read(1) in (b"", b"\n")
    if not is_ended:
        write(path, stream, "\n")


def write(path: Path, stream: IO[str], text: str) -> None:
    """Write a text to a record now; raises NmtError if that fails."""
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror}") from error
