"""Open what `nmt translate` reads and writes: text files, pipes, stdin and stdout."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

from nmt.decoding.stream import ArrivingLines, Source
from nmt.errors import NmtError, UsageError
from nmt.system.atomic import atomic_path
from nmt.text.corpus import decode_lines, read_segments

STANDARD = Path("-")  # stdin
UNPACKED = (".gz", ".xz", ".sgm")  # a pipe with such a name is unpacked as a file is


def check_text_files(source: Path, output: Path | None) -> None:
    """Raise NmtError if the source is missing, UsageError if the output would replace it.

    source: a file, a pipe, or `-` for stdin. output: a file, or None for stdout.
    """
    if source != STANDARD and (not source.exists() or source.is_dir()):
        raise NmtError(
            f"{source} does not exist or is not a file; name a text file, or - for stdin"
        )
    if output is None or not output.is_file():
        return
    if source == STANDARD and sys.stdin is None:
        return  # open_source reports it
    status = os.fstat(sys.stdin.fileno()) if source == STANDARD else source.stat()
    if os.path.samestat(status, output.stat()):
        raise UsageError(f"--output {output} is the input itself; name another file")


@contextmanager
def open_source(source: Path) -> Iterator[Source]:
    """Open the lines of a file, or those of stdin or of a named pipe as they arrive."""
    if source != STANDARD and (source.is_file() or source.suffix in UNPACKED):
        yield Source(read_segments(source))
        return
    if source == STANDARD and sys.stdin is None:
        raise NmtError("stdin is closed; name a text file")
    name = "stdin" if source == STANDARD else str(source)
    with nullcontext(sys.stdin.buffer) if source == STANDARD else source.open("rb") as stream:
        lines = ArrivingLines(stream.fileno(), name)
        yield Source(decode_lines(lines, name), lines.is_ready)


@contextmanager
def open_output(output: Path | None) -> Iterator[IO[str]]:
    """Open a file that appears when all is written, or stdout if there is none.

    Text is written as UTF-8 with plain line feeds, whatever the locale is.
    """
    if output is None:
        if sys.stdout is None:
            raise NmtError("stdout is closed; name a file with --output")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        yield sys.stdout
        return
    with (
        atomic_path(output) as partial,
        partial.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        yield stream
