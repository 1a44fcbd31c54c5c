"""Open text, and read its lines; errors name the file and the line.

Only a line feed ends a line. Text is read in one pass, because a pipe cannot be read twice, and in
bounded memory: an endless line is an error. WMT's .sgm is read too.
"""

import gzip
import hashlib
import html
import io
import lzma
import re
import sys
import zlib
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from typing import IO, cast

from nmt.errors import DamagedError, NmtError, UsageError
from nmt.system.files import Digest, HashedStream, check_file, detect_kind, reading, unreadable
from nmt.system.log import note

STDIN = Path("-")
STDIN_NAMES = ("-", "/dev/stdin", "/dev/fd/0")
TEXT = "the text file"
MAGIC = {".gz": b"\x1f\x8b", ".xz": b"\xfd7zXZ\x00"}  # the first bytes of compressed files
XZ_PRESET = 1  # higher presets save little space and take many times as long
OTHER_COMPRESSION = (".bz2", ".zst", ".zip", ".7z", ".lz4", ".lzma", ".Z")


def check_stdin(paths: Iterable[Path]) -> None:
    """Raise UsageError if stdin is named more than once, because it can be read only once."""
    if sum(str(path) in STDIN_NAMES for path in paths) > 1:
        raise UsageError("stdin (-) is named twice but can be read only once; save it in a file")


def check_texts(paths: Sequence[Path], fix: str = "name another, or - for stdin") -> None:
    """Raise NmtError unless every text can be opened, UsageError if stdin is named twice."""
    check_stdin(paths)
    for path in paths:
        if path != STDIN:
            check_file(path, TEXT, fix)


def show_name(path: Path) -> str:
    """Return what a path is called in messages."""
    return "stdin" if path == STDIN else str(path)


@contextmanager
def open_raw(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file, or stdin for `-`; raises NmtError if that fails."""
    if path == STDIN:
        if sys.stdin is None:
            raise NmtError("stdin is closed; name a text file")
        yield cast(io.BufferedReader, sys.stdin.buffer)
        return
    with reading(TEXT, path):
        stream = path.open("rb")
    with stream:
        yield stream


@contextmanager
def open_bytes(path: Path, digest: Digest | None = None) -> Iterator[IO[bytes]]:
    """Open a file, or stdin for `-`, decompressed if its name ends in .gz or .xz.

    digest: receives the bytes of the file as they are read, before they are decompressed. Raises
    NmtError if the file cannot be opened, is not compressed although its name says so, or is
    compressed in another way.
    """
    if path.suffix in OTHER_COMPRESSION:
        raise NmtError(
            f"{path} is compressed in a way that cannot be read here; decompress it, or compress"
            " the text with gzip or xz (.gz, .xz)"
        )
    with open_raw(path) as raw:
        stream = raw
        if digest is not None:
            stream = cast(io.BufferedReader, io.BufferedReader(HashedStream(raw, digest)))
        if path.suffix not in MAGIC:
            yield stream
            return
        check_compressed(path, stream)
        is_gzip = path.suffix == ".gz"
        with gzip.GzipFile(fileobj=stream) if is_gzip else lzma.LZMAFile(stream) as opened:
            yield cast(IO[bytes], opened)


def check_compressed(path: Path, stream: io.BufferedReader) -> None:
    """Raise NmtError if a file does not begin as its name says."""
    with reading(TEXT, path):
        start = stream.peek(1)
    magic = MAGIC[path.suffix]
    if not start:
        raise NmtError(f"{path} is empty (0 bytes), not a {path.suffix} file; create it again")
    if not magic.startswith(start[: len(magic)]):  # a pipe may hold fewer bytes so far
        raise NmtError(f"{path} is not compressed as its name says; remove {path.suffix} from it")


@contextmanager
def text_file(path: Path, ending: str = "") -> Iterator[IO[str]]:
    """Open a UTF-8 file to write; equal texts become equal bytes.

    ending: .gz and .xz compress the file. [default: the ending of its name]
    """
    match ending or path.suffix:
        case ".gz":
            with (
                path.open("wb") as raw,
                gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
                TextIOWrapper(packed, "utf-8", newline="\n") as stream,
            ):
                yield stream
        case ".xz":
            with lzma.open(path, "wt", preset=XZ_PRESET, encoding="utf-8", newline="\n") as stream:
                yield stream
        case _:
            with path.open("w", encoding="utf-8", newline="\n") as stream:
                yield stream


READ_BYTES = 1 << 16  # at once
MAX_LINE_BYTES = 10_000_000  # a longer line is no text: a device, a binary file, a bomb
ENDLESS_BYTES = 1_000_000_000  # of a line: its end is waited for no longer
DAMAGE = (gzip.BadGzipFile, EOFError, lzma.LZMAError, zlib.error)
READ_ERRORS = (OSError, *DAMAGE)
SGM_BEGIN = re.compile(r"<seg\b", re.IGNORECASE)
SGM_DOCUMENT = re.compile(r"<doc\b", re.IGNORECASE)
SGM_END = re.compile(r"</seg>", re.IGNORECASE)
BYTE_ORDER_MARK = "\ufeff"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
UTF_16 = re.compile(rb"(?:[^\0]\0){2,}|(?:\0[^\0]){2,}\0?")  # of letters from Latin scripts
SHOWN_LINES = 5  # in a message
UNKNOWN_KINDS = ("", "empty", "a text file")  # of `detect_kind`

Line = bytes | None  # None stands for a line that is too long, whose bytes are dropped
OnBadLine = Callable[[int, NmtError], None]  # takes the line's number and what is wrong with it


class FirstSegment(str):
    """The first segment of a document, as the ids of its file say; also a text that is alone."""

    __slots__ = ()


class LineNumbers:
    """A count of lines, with the numbers of the first ones."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[int] = []

    def add(self, number: int) -> None:
        """Count a line."""
        self.count += 1
        insort(self._first, number)  # lines of several documents come mixed
        del self._first[SHOWN_LINES:]

    def __str__(self) -> str:
        """Return a phrase such as "lines 2, 7" or "lines 1, 2, 3, 4, 5 and 95 more"."""
        numbers = ", ".join(map(str, self._first))
        more = self.count - len(self._first)
        return f"line{'s' * (self.count > 1)} {numbers}" + (f" and {more:,} more" if more else "")


def stop_at_bad_line(number: int, error: NmtError) -> None:
    """Raise the error for a line that cannot be read."""
    raise error


@dataclass(frozen=True)
class TextFile:
    """The segments of a text that was read once."""

    name: str
    segments: list[str]
    sha256: str  # of the file's bytes


def read_text_file(path: Path) -> TextFile:
    """Read a file, a pipe, or stdin for `-`, once and whole; errors are those of `read_segments`.

    See `nmt.text.reading.lines.check_stdin` for a command that reads several.
    """
    digest = hashlib.sha256()
    segments = list(read_segments(path, digest))
    return TextFile(show_name(path), segments, digest.hexdigest())


def read_segments(path: Path, digest: Digest | None = None) -> Iterator[str]:
    """Yield the segments of a file, or of stdin for `-`, one a line, without line ends.

    A note says once if lines hold carriage returns, which are white space inside a line. digest:
    receives the file's bytes. Raises NmtError if the file cannot be read or is not UTF-8.
    """
    found = LineNumbers()
    for number, text in enumerate(read_lines(path, digest=digest), start=1):
        if "\r" in text:
            found.add(number)
        yield text
    if found.count:
        note_once(
            f"{show_name(path)}: carriage returns in {found} count as spaces; if they end lines,"
            " convert the file with `tr '\\r' '\\n'`"
        )


@cache
def note_once(message: str) -> None:
    """Print a note unless this process printed it before: a corpus is read several times."""
    note(message)


def read_lines(
    path: Path, on_bad: OnBadLine = stop_at_bad_line, digest: Digest | None = None
) -> Iterator[str]:
    """Yield the segments as `read_segments` does, without a note.

    on_bad: see `decode_lines`. In .sgm files a bad line is always an error, because it may hold
    several segments.
    """
    name = show_name(path)
    with open_bytes(path, digest) as stream:
        lines = split_lines(stream, name)
        if is_sgm(path):
            yield from sgm_segments(decode_lines(lines, name), name)
        else:
            yield from decode_lines(lines, name, on_bad)


def is_sgm(path: Path) -> bool:
    """Return whether a file is WMT's .sgm, compressed or not, by its name."""
    return path.name.removesuffix(".gz").removesuffix(".xz").endswith(".sgm")


def sgm_segments(lines: Iterable[str], name: str) -> Iterator[str]:
    """Yield the text of the <seg> elements of a WMT .sgm file.

    Raises NmtError for an element that spans lines; `name` names the file in the message.
    """
    kind: type[str] = str
    for number, line in enumerate(lines, start=1):
        before, *elements = SGM_BEGIN.split(line)
        for element in elements:
            kind = FirstSegment if SGM_DOCUMENT.search(before) else kind
            before = element
            _, has_text, text = element.partition(">")
            end = SGM_END.search(text)
            if not has_text or not end:
                raise NmtError(
                    f"{name}, line {number}: a <seg> does not end on its line; write each on one"
                    " line"
                )
            # A character reference may stand for a line feed.
            yield kind(html.unescape(text[: end.start()]).replace("\n", " ").strip())
            kind = str
        kind = FirstSegment if SGM_DOCUMENT.search(before) else kind


def split_lines(stream: IO[bytes], name: str) -> Iterator[Line]:
    """Yield the lines of a stream; raises NmtError if it cannot be read or is damaged."""
    splitter, count = LineSplitter(name), 0
    while True:
        try:
            # As much as has arrived, at most so many bytes. IO[bytes] does not declare `read1`.
            block: bytes = stream.read1(READ_BYTES)  # type: ignore[attr-defined] # see above
        except DAMAGE as error:
            raise DamagedError(
                f"{name} is damaged after line {count:,} ({error}); copy it again"
            ) from error
        except OSError as error:
            raise unreadable(TEXT, Path(name), error) from error
        lines = splitter.add(block) if block else splitter.end()
        yield from lines
        count += len(lines)
        if not block:
            return


class LineSplitter:
    """Splits bytes into lines as they arrive, and drops those of a line that is too long.

    Raises NmtError for a line that does not end, such as that of /dev/zero.
    """

    def __init__(self, name: str) -> None:
        """`name` stands for the lines in messages."""
        self._name = name
        self._count = 0  # of the lines that have ended
        self._parts: list[bytes] = []  # of the line whose end has not been read
        self._size = 0  # of that line so far, bytes

    def add(self, block: bytes) -> list[Line]:
        """Take bytes, fewer than a line may have; return lines that are complete or too long."""
        first, *more = block.split(b"\n")
        lines: list[Line] = []
        self._append(first, lines)
        if more:
            self._count += len(more)
            *complete, begun = more
            lines += [*self._finish(), *complete]
            self._append(begun, lines)
        return lines

    def end(self) -> list[Line]:
        """Return the last line, which has no line feed, if there is one."""
        return self._finish() if self._size else []

    def _append(self, part: bytes, lines: list[Line]) -> None:
        was_short = self._size <= MAX_LINE_BYTES
        self._size += len(part)
        if self._size > ENDLESS_BYTES:
            raise NmtError(
                f"{self._name}, line {self._count + 1}: no end after {ENDLESS_BYTES / 1e9:g} GB;"
                " name a text file"
            )
        if self._size <= MAX_LINE_BYTES:
            self._parts.append(part)
        elif was_short:
            self._parts.clear()
            lines.append(None)

    def _finish(self) -> list[Line]:
        """Return the line in progress; nothing if it was too long, which has been returned."""
        lines: list[Line] = [b"".join(self._parts)] if self._size <= MAX_LINE_BYTES else []
        self._parts, self._size = [], 0
        return lines


def decode_lines(
    lines: Iterable[Line], name: str, on_bad: OnBadLine = stop_at_bad_line
) -> Iterator[str]:
    """Yield lines as text, without carriage returns at their ends and byte-order mark.

    If line 1 is UTF-16, all lines are bad ones.

    Args:
        lines: UTF-8 without line feeds.
        name: stands for them in messages.
        on_bad: receives a line that is not UTF-8 or too long; if it returns, the line is blank.
    """
    in_utf_16 = False
    for number, line in enumerate(lines, start=1):
        text = ""
        in_utf_16 = in_utf_16 or (number == 1 and line is not None and is_utf_16(line))
        if line is None or in_utf_16:
            on_bad(number, bad_line(name, number, line, in_utf_16=in_utf_16))
        else:
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                on_bad(number, bad_line(name, number, line, error.start))
        if number == 1:
            text = text.removeprefix(BYTE_ORDER_MARK)
        yield text.removesuffix("\r")


def is_utf_16(line: bytes) -> bool:
    """Return whether the first line of a file looks like UTF-16; it may be valid UTF-8 too."""
    return line.startswith(UTF_16_MARKS) or UTF_16.fullmatch(line) is not None


def bad_line(
    name: str, number: int, line: Line, byte: int = 0, *, in_utf_16: bool = False
) -> NmtError:
    """Return the error for a line that is too long, or not UTF-8 from a byte on.

    It is a DamagedError if the whole file is no text. in_utf_16: the file is in UTF-16.
    """
    location = f"{name}, line {number}"
    if line is None:
        return NmtError(
            f"{location}: longer than {MAX_LINE_BYTES / 1e6:g} MB; write one segment on each line"
        )
    if in_utf_16:
        return NmtError(
            f"{location}: not UTF-8: looks like UTF-16; convert with `iconv -f UTF-16 -t UTF-8`"
        )
    fault = f"{location}: not valid UTF-8 (byte {byte + 1} of the line)"
    if number == 1 and (kind := detect_kind(line)) not in UNKNOWN_KINDS:
        other = ", or translate a Word file with --format docx" if "Word" in kind else ""
        return DamagedError(f"{fault}; the file is {kind}; name a text file{other}")
    if b"\0" in line:
        advice = "it looks like a binary file"
    else:
        advice = (
            "correct the line, or if the whole file has another encoding, convert it, for example"
            " with `iconv -f WINDOWS-1252 -t UTF-8`"
        )
    return NmtError(f"{fault}; {advice}")
