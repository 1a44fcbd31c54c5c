"""Which lines of a source a command translates: a part of it, what an earlier command left.

An output that a later command continues has a record of where its lines end. Next to OUTPUT lie
OUTPUT.partial, the lines, and OUTPUT.partial.json, the record. The record is written after the
lines that it counts are on the disk. So whenever a process is killed, the record is true, and what
follows in OUTPUT.partial is cut off.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nmt.config import DecodeSettings
from nmt.decoding.files.text_files import (
    TRANSLATIONS,
    WHOLE,
    Output,
    Span,
    kept_path,
    open_output,
)
from nmt.decoding.stream import Source, split_chunks
from nmt.decoding.translator.translation import Request
from nmt.errors import UsageError
from nmt.system.atomic import atomic_path, write_text
from nmt.system.files import compute_sha256, is_present, read_bytes, take_lock
from nmt.system.json_data import json_text, parse_json
from nmt.system.log import note
from nmt.text.reading.lines import STDIN, read_lines

if TYPE_CHECKING:  # options are checked without NumPy
    from nmt.runs.trained_model import TrainedModel


def find_part(source: Path, part: tuple[int, int] | None) -> Span:
    """Return the span of part I of N; parts differ by one line at most, and may be empty.

    The lines are counted first. Raises UsageError for stdin and pipes, which can be read only once,
    NmtError if the source cannot be read.
    """
    if part is None:
        return WHOLE
    if source == STDIN or not source.is_file():
        raise UsageError(
            f"--part counts the lines first, but {source} can be read only once; save it in a file"
        )
    number, count = part
    # A bad line is reported when it is translated.
    lines = sum(1 for _ in read_lines(source, lambda _number, _error: None))
    return Span(lines * (number - 1) // count, lines * number // count)


class Task:
    """The lines of a source that a command translates into an output, and how far that is."""

    def __init__(
        self, output: Path | None, span: Span = WHOLE, *, keep_partial: bool = False
    ) -> None:
        """Take a file to write, or None for stdout.

        span: the lines. keep_partial: keep an unfinished output, as `open_output` does.
        """
        self.output, self.span = output, span
        self._keep_partial = keep_partial
        self.done = 0  # lines of the span, by earlier processes

    @property
    def first_line(self) -> int:
        """Return the number of the first line to translate, from 1."""
        return self.span.start + self.done + 1

    def open(self) -> AbstractContextManager[Output]:
        """Open the output, which appears when the block ends without an exception."""
        return open_output(
            self.output, what=TRANSLATIONS, keep_partial=self._keep_partial, span=self.span
        )

    def chunks(self, source: Source[Request]) -> Iterator[list[Request]]:
        """Yield the requests of the lines in chunks.

        source: the requests of all lines. The chunks of a file are the same, however often it is
        continued. So batches are the same too, and with them the last digit of scores.
        """
        requests = islice(source.segments, self.span.start, self.span.stop)
        return split_chunks(Source(requests, source.is_ready))


@dataclass(frozen=True)
class Record:
    """How far an unfinished output goes, and what it was made of."""

    lines: int  # of the source
    size: int  # bytes of their translations
    source: str  # SHA-256 of what was asked for in these lines
    job: str  # `digest_job`
    on_bad_line: str = "error"  # what is done with bad lines


def digest_job(model: "TrainedModel", settings: DecodeSettings, options: Mapping[str, Any]) -> str:
    """Return a digest of all that a translation depends on, except for its source.

    model: with the others of its ensemble. options: what else was asked for, by name.
    """
    free = {field.name for field in fields(settings) if field.metadata["may_change"]}
    used = {name: value for name, value in asdict(settings).items() if name not in free}
    content = [[compute_sha256(member.path) for member in model.members], used, {**options}]
    return hashlib.sha256(json_text(content).encode()).hexdigest()


def record_path(output: Path) -> Path:
    """Return where the record of an unfinished output lies."""
    kept = kept_path(output)
    return kept.with_name(f"{kept.name}.json")


class Resumption(Task):
    """A task whose output may have been begun by an earlier process."""

    output: Path  # a file

    def __init__(
        self, output: Path, job: str, on_bad_line: str = "error", span: Span = WHOLE
    ) -> None:
        """Read how far the output has come.

        on_bad_line: as `BadLines` takes it. Raises UsageError if the output was begun with other
        models or options, or without a record.
        """
        super().__init__(output, span)
        self._job, self._on_bad_line = job, on_bad_line
        self._digest = hashlib.sha256()
        self._begun = Record(0, 0, self._digest.hexdigest(), job)
        self._kept, self._record = kept_path(output), record_path(output)
        if is_present(self._record):
            self._read_record()
        elif is_present(self._kept) and self._kept.stat().st_size:
            raise UsageError(
                f"{self._kept} has no record of what it holds, so it cannot be continued; move it"
                " away first"
            )
        self.done = self._begun.lines

    def _read_record(self) -> None:
        kept, path = self._kept, self._record
        self._begun = parse_json(read_bytes(path, "the record"), Record, str(path))
        if not is_present(kept):
            raise UsageError(f"{kept} is missing, which {path} belongs to; remove {path}")
        if self._begun.job != self._job:
            raise UsageError(
                f"{kept} was begun with another model or other options; use those again, or"
                f" remove {kept} and {path} to start again"
            )
        # Where bad lines are errors, all lines that are done were good. A later command may go on
        # with what was chosen once.
        before = self._begun.on_bad_line
        if self._on_bad_line == "error":
            self._on_bad_line = before
        if before not in ("error", self._on_bad_line):
            raise UsageError(
                f"{kept} was begun with --on-bad-line {before}; use that again,"
                f" or remove it and {path} to start again"
            )

    def chunks(self, source: Source[Request]) -> Iterator[list[Request]]:
        """Yield the requests of the lines that are not done, in chunks; errors as in `check`."""
        chunks = super().chunks(source)
        for chunk in chain(filter(None, [self.check(chunks)]), chunks):
            self.add(chunk)
            yield chunk

    def check(self, chunks: Iterator[list[Request]]) -> list[Request]:
        """Read the requests whose translations are kept; return what is left of their last chunk.

        Raises UsageError if they are others than those that were translated.
        """
        left, rest = self.done, list[Request]()
        while left > 0 and (chunk := next(chunks, None)) is not None:
            self.add(chunk[:left])
            rest = chunk[left:]
            left -= len(chunk)
        if self._digest.hexdigest() != self._begun.source:
            raise UsageError(
                f"{self._kept} has the translations of {self.done:,} lines, which are no longer"
                f" those of the source; name the same source, or remove {self._kept} and"
                f" {self._record} to start again"
            )
        return rest

    def add(self, requests: Sequence[Request]) -> None:
        """Take notice of requests whose translations follow."""
        for request in requests:
            asked = request.text, request.prefix, *filter(None, [request.language]), ""
            self._digest.update("\n".join(asked).encode(errors="surrogatepass"))

    def save(self, written: Output) -> None:
        """Write the record of what is done, after that has reached the disk."""
        written.sync()
        source = self._digest.hexdigest()
        record = Record(written.lines, written.size, source, self._job, self._on_bad_line)
        write_text(self._record, json_text(record))

    @contextmanager
    def open(self) -> Iterator[Output]:
        """Open the lines so far for more; the output appears when the block ends without error.

        Raises UsageError if another process writes them.
        """
        with atomic_path(self.output) as partial, self.open_kept() as written:
            yield written
            written.sync()
            # The lines keep their name until the output has its own: a kill loses nothing.
            partial.unlink()
            try:
                os.link(self._kept, partial)
            except OSError:  # a file system without links
                shutil.copyfile(self._kept, partial)
        forget(self.output)

    @contextmanager
    def open_kept(self) -> Iterator[Output]:
        """Open the lines so far for more, and leave them where they are.

        A UsageError before the first line removes the empty file and its record, so that another
        command may start. Raises UsageError if another process writes them.
        """
        kept = self._kept
        with ExitStack() as stack:
            stream = stack.enter_context(locked(kept))
            if os.fstat(stream.fileno()).st_nlink > 1:  # a kill has left it as the output, too
                with atomic_path(kept) as own:
                    shutil.copyfile(kept, own)
                stream = stack.enter_context(locked(kept))
            if not 0 <= self._begun.size <= kept.stat().st_size:
                raise UsageError(
                    f"{kept} does not hold what {self._record} says; remove both to start again"
                )
            os.truncate(kept, self._begun.size)
            # Again as it was: what earlier processes did is not read yet.
            write_text(self._record, json_text(self._begun))
            written = Output(stream, kept, self.done, self.save)
            try:
                yield written
            except BaseException as error:
                told = f"the translations of the first {written.lines:,} lines are kept in {kept}"
                if not isinstance(error, UsageError):
                    note(f"{told}; the same command continues after them")
                elif written.lines > self.done:  # the same command fails again
                    note(told)
                elif not written.lines:  # nothing that a command with other options could lose
                    self._record.unlink()
                    kept.unlink()
                raise


def forget(output: Path) -> None:
    """Remove the lines of an output that is complete, and their record."""
    record_path(output).unlink()
    kept_path(output).unlink()


@contextmanager
def locked(path: Path) -> Iterator[IO[str]]:
    """Open a file to append to, for this process alone; raises UsageError if another one has it."""
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        if not take_lock(stream):
            raise UsageError(
                f"another nmt process is writing {path}; wait for it to end, or name another"
                " --output"
            )
        yield stream
