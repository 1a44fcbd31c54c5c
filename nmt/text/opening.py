"""Open text to read its bytes (a file, a compressed one, a pipe or stdin), or to write it."""

import gzip
import io
import lzma
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, cast

from nmt.errors import NmtError, UsageError
from nmt.system.files import Digest, HashedStream, check_file, unreadable

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


def name_of(path: Path) -> str:
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
    try:
        stream = path.open("rb")
    except (OSError, ValueError) as error:
        raise unreadable(TEXT, path, error) from error
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
    try:
        start = stream.peek(1)
    except OSError as error:
        raise unreadable(TEXT, path, error) from error
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
