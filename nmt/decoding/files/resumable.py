"""Outputs that a later command continues: their lines so far, and a record of where they end.

Next to OUTPUT lie OUTPUT.partial, the lines, and OUTPUT.partial.json, the record. The record is
written after the lines that it counts are on the disk. So whenever a process is killed, the record
is true, and what follows in OUTPUT.partial is cut off.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from nmt.config import DecodeSettings
from nmt.decoding.files.text_files import Done, Output, kept_path
from nmt.decoding.translator.requests import Request
from nmt.errors import NmtError, UsageError
from nmt.system.atomic import atomic_path, write_text
from nmt.system.files import is_present, read_bytes, sha256_of
from nmt.system.json_data import json_text, parse_json
from nmt.system.log import note


@dataclass(frozen=True)
class Record:
    """How far an unfinished output goes, and what it was made of."""

    lines: int  # of the source
    size: int  # bytes of their translations
    source: str  # SHA-256 of what was asked for in these lines
    job: str  # `job_of`
    on_bad_line: str = "error"  # what is done with bad lines


def job_of(models: Sequence[Path], settings: DecodeSettings, options: Mapping[str, Any]) -> str:
    """Return a digest of all that a translation depends on, except for its source.

    models: the model files. options: what else was asked for, by name.
    """
    free = {each.name for each in fields(settings) if each.metadata["may_change"]}
    used = {name: value for name, value in asdict(settings).items() if name not in free}
    content = [[*map(sha256_of, models)], used, {**options}]
    return hashlib.sha256(json_text(content).encode()).hexdigest()


def record_path(output: Path) -> Path:
    """Return where the record of an unfinished output lies."""
    kept = kept_path(output)
    return kept.with_name(f"{kept.name}.json")


class Resumption:
    """The progress of an output that may have been begun by an earlier process."""

    def __init__(
        self, output: Path, job: str, option: str = "--resume", on_bad_line: str = "error"
    ) -> None:
        """Read how far the output has come.

        option: with which the command resumes; "" if it always does. on_bad_line: one of
        `bad_lines.ACTIONS`. Raises UsageError if the output was begun with other models or options,
        or without a record.
        """
        self.output = output
        self._option = option
        self._job = job
        self._on_bad_line = on_bad_line
        self._digest = hashlib.sha256()
        self._begun = Record(0, 0, self._digest.hexdigest(), job)
        kept, path = kept_path(output), record_path(output)
        if is_present(path):
            self._begun = parse_json(read_bytes(path, "the record"), Record, str(path))
            if not is_present(kept):
                raise UsageError(f"{kept} is missing, which {path} belongs to; remove {path}")
            if self._begun.job != job:
                raise UsageError(
                    f"{kept} was begun with another model or other options; use those again, or"
                    f" remove {kept} and {path} to start again"
                )
            self._check_bad_lines(self._begun.on_bad_line)
        elif is_present(kept) and kept.stat().st_size:
            raise UsageError(
                f"{kept} has no record of what it holds, so {option or 'this command'} cannot"
                " continue it; move it away first"
            )

    def _check_bad_lines(self, before: str) -> None:
        """Raise UsageError if bad lines were left out and are to be blank now, or the reverse.

        Where they are errors, all lines that are done were good.
        """
        if self._on_bad_line == "error":
            self._on_bad_line = before  # a later command may go on with this one alone
        if before not in ("error", self._on_bad_line):
            raise UsageError(
                f"{kept_path(self.output)} was begun with --on-bad-line {before}; use that again,"
                f" or remove it and {record_path(self.output)} to start again"
            )

    @property
    def again(self) -> str:
        """Return what continues the output, for messages."""
        return f"the same command with {self._option}" if self._option else "the same command"

    @property
    def done(self) -> Done:
        """Progress of earlier processes."""
        return Done(self._begun.lines, self._begun.size)

    def check(self, chunks: Iterator[list[Request]]) -> list[Request]:
        """Read the requests whose translations are kept; return what is left of their last chunk.

        Raises UsageError if they are others than those that were translated.
        """
        left, rest = self._begun.lines, list[Request]()
        while left > 0 and (chunk := next(chunks, None)) is not None:
            self.add(chunk[:left])
            rest = chunk[left:]
            left -= len(chunk)
        if self._digest.hexdigest() != self._begun.source:
            kept, record = kept_path(self.output), record_path(self.output)
            raise UsageError(
                f"{kept} has the translations of {self._begun.lines:,} lines, which are no longer"
                f" those of the source; name the same source, or remove {kept} and {record} to"
                " start again"
            )
        return rest

    def check_size(self, size: int) -> None:
        """Raise UsageError if the file of translations has fewer bytes than the record says."""
        if not 0 <= self._begun.size <= size:
            kept, record = kept_path(self.output), record_path(self.output)
            raise UsageError(f"{kept} does not hold what {record} says; remove both to start again")

    def add(self, requests: Sequence[Request]) -> None:
        """Take notice of requests whose translations follow."""
        for request in requests:
            self._digest.update(
                "\n".join((request.text, request.prefix, "")).encode(errors="surrogatepass")
            )

    def save_begun(self) -> None:
        """Write the record of earlier processes again: what they did is not read yet."""
        write_text(record_path(self.output), json_text(self._begun))

    def save(self, done: Done) -> None:
        """Write the record of what is done, and on the disk."""
        source = self._digest.hexdigest()
        record = Record(done.lines, done.size, source, self._job, self._on_bad_line)
        write_text(record_path(self.output), json_text(record))


@contextmanager
def open_resumable(resumption: Resumption) -> Iterator[Output]:
    """Open the lines so far for more; the output appears when the block ends without an exception.

    Raises UsageError if another process writes them.
    """
    output = resumption.output
    kept = kept_path(output)
    with atomic_path(output) as partial, open_kept(resumption) as written:
        yield written
        written.sync()
        # The lines keep their name until the output has its own: a kill in between loses nothing.
        partial.unlink()
        try:
            os.link(kept, partial)
        except OSError:  # a file system without links
            shutil.copyfile(kept, partial)
    forget(output)


def forget(output: Path) -> None:
    """Remove the lines of an output that is complete, and their record."""
    record_path(output).unlink()
    kept_path(output).unlink()


@contextmanager
def open_kept(resumption: Resumption) -> Iterator[Output]:
    """Open the lines so far for more, and leave them where they are, whatever happens.

    Raises UsageError if another process writes them.
    """
    kept = kept_path(resumption.output)
    with ExitStack() as stack:
        stream = stack.enter_context(locked(kept))
        if os.fstat(stream.fileno()).st_nlink > 1:  # a kill has left it as the output, too
            with atomic_path(kept) as own:
                shutil.copyfile(kept, own)
            stream = stack.enter_context(locked(kept))
        resumption.check_size(kept.stat().st_size)
        os.truncate(kept, resumption.done.size)
        written = Output(stream, kept, resumption.done, synced(stream, resumption.save))
        resumption.save_begun()
        try:
            yield written
        except BaseException as error:
            kept_lines = f"the translations of the first {written.done.lines:,} lines are kept in"
            if not isinstance(error, UsageError):
                note(f"{kept_lines} {kept}; {resumption.again} continues after them")
            elif written.done.lines > resumption.done.lines:  # the same command fails again
                note(f"{kept_lines} {kept}")
            raise


@contextmanager
def locked(path: Path) -> Iterator[IO[str]]:
    """Open a file to append to, for this process alone; raises UsageError if another one has it."""
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another nmt process is writing {path}; wait for it to end, or name another"
                " --output"
            ) from error
        except OSError:
            pass  # a file system without locks
        yield stream


def synced(stream: IO[str], save: Callable[[Done], None]) -> Callable[[Done], None]:
    """Return a function that saves a record after the stream's text has reached the disk."""

    def save_synced(done: Done) -> None:
        try:
            os.fsync(stream.fileno())
        except OSError as error:
            raise NmtError(f"cannot write {stream.name}: {error.strerror}") from error
        save(done)

    return save_synced
