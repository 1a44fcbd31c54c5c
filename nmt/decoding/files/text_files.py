"""Open what commands read and write line by line: text files, pipes, stdin and stdout.

Lines that cannot be read stop a command, are left out, or are left blank (`BadLines`).
"""

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nmt.decoding.stream import ArrivingLines, Source
from nmt.errors import DamagedError, NmtError, UsageError, shown
from nmt.system.atomic import atomic_path
from nmt.system.files import is_present
from nmt.system.log import Notify, note
from nmt.system.pools import Item
from nmt.text.reading.lines import (
    STDIN,
    LineNumbers,
    OnBadLine,
    check_stdin,
    check_texts,
    decode_lines,
    open_raw,
    read_lines,
    show_name,
    stop_at_bad_line,
)

TRANSLATIONS = "translations"
UNPACKED = (".gz", ".xz", ".sgm")  # a pipe with such a name is unpacked as a file is


def check_text_files(
    source: Path,
    output: Path | None,
    *,
    keep_partial: bool = False,
    resume: bool = False,
    alignments: Path | None = None,
    prefix: Path | None = None,
    prefix_column: bool = False,
) -> None:
    """Raise NmtError if a file cannot be read, UsageError for options that do not fit.

    source: a file, a pipe, or `-` for stdin. output: a file, or None for stdout. keep_partial: as
    in `open_output`. resume: the output can be continued. alignments: another file to write.
    prefix: another one to read. prefix_column: the source has the prefixes.
    """
    if prefix is not None:
        if prefix_column:
            raise UsageError("--prefix and --prefix-column name two sources of prefixes; use one")
        check_stdin([source, prefix])
        check_texts([prefix], "name another file of prefixes")
    if resume and keep_partial:
        raise UsageError("--resume keeps what is translated, so --keep-partial has no effect")
    check_texts([source])
    if alignments and (resume or keep_partial):
        raise UsageError(
            f"--{'resume' if resume else 'keep-partial'} keeps unfinished translations but not"
            " their --alignments; leave one of them out"
        )
    if output is None:
        if keep_partial:
            raise UsageError("--keep-partial needs --output; output on stdout is never discarded")
        if resume:
            raise UsageError("--resume needs --output: the file that it continues")
        return
    if resume and output.exists() and not output.is_file():
        raise UsageError(f"--resume cannot continue {output}, which is not a regular file")
    if keep_partial:
        check_kept(kept_path(output))


def check_kept(path: Path) -> None:
    """Raise UsageError unless an unfinished output can be kept at a path."""
    if is_present(path):
        raise UsageError(f"{path} holds lines that an earlier translation kept; move it away first")
    folder = next(parent for parent in path.parents if parent.exists())
    longest = os.pathconf(folder, "PC_NAME_MAX")
    if len(os.fsencode(path.name)) > longest:
        raise UsageError(
            f"--keep-partial cannot keep {shown(path.name)}: its name has more than {longest}"
            " bytes; give --output a shorter name"
        )


class BadLines:
    """The lines of a text that are not UTF-8 or too long, and what is done about them."""

    def __init__(self, action: str = "error", first_line: int = 1) -> None:
        """Take "error", "skip" or "blank": raise an error, leave lines out, or leave them blank.

        first_line: the first line that is translated; bad lines before it do not matter.
        """
        # Of bad lines, which are read as blank ones, until their output is written.
        self.numbers: set[int] = set()
        self._action, self._first_line = action, first_line
        self._lines = LineNumbers()
        self._first: NmtError | None = None

    def add(self, number: int, error: NmtError) -> None:
        """Record a line, once however often it is bad; raises if the action is "error"."""
        if number < self._first_line or number in self.numbers:
            return
        if self._action == "error":
            if isinstance(error, DamagedError):  # no line of the file is text
                raise error
            raise NmtError(f"{error} (or go on with --on-bad-line skip or blank)") from error
        self.numbers.add(number)
        self._lines.add(number)
        self._first = self._first or error

    def without_skipped(self, items: Sequence[Item], first_line: int) -> Sequence[Item]:
        """Return what to write for lines of the source, without that of lines to leave out.

        These lines are over: what is known of them is forgotten.
        """
        if not self.numbers:
            return items
        numbers = range(first_line, first_line + len(items))
        bad = self.numbers.intersection(numbers)
        self.numbers -= bad
        if self._action != "skip":
            return items
        return [item for number, item in zip(numbers, items, strict=True) if number not in bad]

    def tell(self, notify: Notify) -> None:
        """Print how many lines were bad and where, if there were any."""
        if self._first is None:
            return
        what = f"{self._lines}, which cannot be read (the first: {self._first})"
        if self._action == "skip":
            notify(f"left out {what}; output lines no longer match input lines")
        else:
            notify(f"blank output for {what}")


@contextmanager
def open_source(source: Path, on_bad: OnBadLine = stop_at_bad_line) -> Iterator[Source[str]]:
    """Open the lines of a file, or those of stdin or of a named pipe as they arrive.

    on_bad: as in `read_lines`.
    """
    if source != STDIN and (source.is_file() or source.suffix in UNPACKED):
        yield Source(read_lines(source, on_bad))
        return
    name = show_name(source)
    with open_raw(source) as stream:
        lines = ArrivingLines(stream.fileno(), name)
        yield Source(decode_lines(lines, name, on_bad), lines.is_ready)


class Output:
    """The lines that are written, and how far that has come."""

    def __init__(
        self,
        stream: IO[str],
        path: Path | None = None,
        lines: int = 0,
        on_write: Callable[["Output"], None] | None = None,
    ) -> None:
        """Write to a stream.

        path: its file, if it is a regular one. lines: those of the source whose translations are in
        it. on_write: called after each write.
        """
        self._stream, self._path = stream, path
        self._on_write = on_write
        self.lines = lines  # of the source
        self.size = 0  # bytes of the file after the last write

    def write(self, texts: Sequence[str], lines: int) -> None:
        """Write the texts of so many further lines of the source, for a reader to see them now.

        Raises NmtError if the file cannot be written.
        """
        try:
            self._stream.writelines(texts)
            self._stream.flush()
        except OSError as error:
            if self._path is None:
                raise  # stdout, perhaps closed by its reader
            raise NmtError(f"cannot write {self._path}: {error.strerror}") from error
        self.lines += lines
        if self._path:  # of the open file: another one may have taken its name
            self.size = os.fstat(self._stream.fileno()).st_size
        if self._on_write is not None:
            self._on_write(self)

    def sync(self) -> None:
        """Wait until what was written is on the disk; raises NmtError if that fails."""
        try:
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise NmtError(f"cannot write {self._path}: {error.strerror}") from error


@dataclass(frozen=True)
class Span:
    """The lines of a source from `start` to before `stop`, counted from 0; None: to the end."""

    start: int = 0
    stop: int | None = None


WHOLE = Span()


@contextmanager
def open_output(
    output: Path | None, *, what: str = "", keep_partial: bool = False, span: Span = WHOLE
) -> Iterator[Output]:
    """Open a file that appears when all is written, or stdout if there is none.

    Text is written as UTF-8 with plain line feeds, whatever the locale is.

    Args:
        output: the file; None: stdout.
        what: the name of what is written. If the block raises, a note says what was kept or lost.
        keep_partial: if the block raises, keep what was written in `kept_path(output)`.
        span: the lines of the source that are translated.
    """
    if output is None:
        if sys.stdout is None:
            raise NmtError("stdout is closed; name a file with --output")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        yield Output(sys.stdout)
        return
    with atomic_path(output) as partial:
        is_file = partial != output  # no device or pipe
        written = None
        try:
            with partial.open("w", encoding="utf-8", newline="\n") as stream:
                written = Output(stream, partial if is_file else None)
                yield written
        except BaseException:
            if what and is_file and written and written.lines:
                if keep_partial:
                    keep_lines(output, partial, written, what, span)
                else:
                    is_main = what == TRANSLATIONS
                    lost = "translated lines" if is_main else f"lines of {what}"
                    remedy = "; --keep-partial keeps them" if is_main else ""
                    note(f"{written.lines:,} {lost} are discarded{remedy}")
            raise


def is_on_screen(output: Path | None) -> bool:
    """Return whether what is written to a file, or to stdout for None, appears on a terminal."""
    return output is None and sys.stdout is not None and sys.stdout.isatty()


@contextmanager
def open_text(path: Path | None) -> Iterator[IO[str] | None]:
    """Open a text file that appears when all is written; None without a path."""
    if path is None:
        yield None
        return
    with (
        atomic_path(path) as partial,
        partial.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        yield stream


def kept_path(output: Path) -> Path:
    """Return where an unfinished output is kept."""
    final = Path(os.path.realpath(output))
    return final.with_name(f"{final.name}.partial")


def keep_lines(output: Path, partial: Path, written: Output, what: str, span: Span) -> None:
    """Keep the whole lines of an unfinished output, and tell how many they are.

    what: the name of what is written. span: the lines of the source that are translated.
    """
    kept = kept_path(output)
    os.truncate(partial, written.size)
    partial.replace(kept)
    following = span.start + written.lines + 1
    lines = f"the first {written.lines:,} lines"
    if span.start:
        lines = f"lines {span.start + 1:,} to {following - 1:,}"
    told = f"the {what} of {lines} are kept in {kept}"
    if what == TRANSLATIONS:
        rest = f"tail -n +{following} FILE"
        if span.stop is not None:
            rest += f" | head -n {span.stop + 1 - following}"
        told += f"; for the rest: `{rest} | nmt translate --output REST`, with the same options"
    note(told)
