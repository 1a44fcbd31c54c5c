"""Read segments and aligned pairs from text files; errors name the file and the line.

Only a line feed ends a line: a carriage return before it is dropped, and U+2028 and similar
characters stay inside their line. Plain, .gz and .xz files are read, and WMT's .sgm.
"""

import gzip
import html
import lzma
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import IO, cast

from nmt.config import Recipe, TextFiles
from nmt.errors import NmtError
from nmt.system.resources import shipped

BYTE_ORDER_MARK = "\ufeff"
SGM_BEGIN = re.compile(r"<seg\b", re.IGNORECASE)
SGM_SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.IGNORECASE)
READ_ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error)


@dataclass(frozen=True)
class DataFolder:
    """The folder in which a recipe's files are looked up, before the embedded corpus."""

    path: Path

    def find(self, name: str, recipe: Recipe) -> Path:
        """Return the path of a file; raises NmtError that says how to get a missing one."""
        for candidate in (self.path / name, shipped("data") / name):
            if candidate.is_file():
                return candidate
        fix = (
            f"`nmt fetch {recipe.name}` downloads it"
            if recipe.data.downloads
            else "put it there or choose another folder with --data-dir"
        )
        raise NmtError(f"{self.path / name} does not exist; {fix}")


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file to read its bytes, decompressed if its name ends in .gz or .xz."""
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if path.suffix == ".xz":
        return lzma.open(path, "rb")
    return path.open("rb")


def read_segments(path: Path) -> Iterator[str]:
    """Yield the segments of a file, one a line, without line ends.

    Raises NmtError if the file cannot be read or is not UTF-8.
    """
    try:
        with open_bytes(path) as stream:
            lines = decode_lines(stream, str(path))
            if path.name.removesuffix(".gz").removesuffix(".xz").endswith(".sgm"):
                lines = sgm_segments(lines, str(path))
            yield from lines
    except READ_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NmtError(f"cannot read {path}: {reason}") from error


def decode_lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    """Yield the UTF-8 lines of a byte stream, without line ends and byte-order mark.

    Raises NmtError for other bytes; `name` names the stream in the message.
    """
    for number, line in enumerate(stream, start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NmtError(
                f"{name}, line {number}: not valid UTF-8 (byte {error.start + 1} of the line);"
                " convert the file, for example with iconv"
            ) from error
        if number == 1:
            text = text.removeprefix(BYTE_ORDER_MARK)
        yield text.removesuffix("\n").removesuffix("\r")


def sgm_segments(lines: Iterable[str], name: str) -> Iterator[str]:
    """Yield the text of the <seg> elements of a WMT .sgm file.

    Raises NmtError for an element that spans lines; `name` names the file in the message.
    """
    for number, line in enumerate(lines, start=1):
        segments = SGM_SEGMENT.findall(line)
        if len(segments) != len(SGM_BEGIN.findall(line)):
            raise NmtError(
                f"{name}, line {number}: a <seg> does not end on its line; write each on one line"
            )
        for segment in segments:
            yield html.unescape(segment).strip()


def read_pairs(files: TextFiles, folder: DataFolder, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the aligned (source, target) segments of a corpus.

    Raises NmtError for a missing or unreadable file, or for files that do not align.
    """
    if files.tsv:
        yield from read_tsv(folder.find(files.tsv, recipe))
        return
    paths = [folder.find(name, recipe) for name in files.names]
    yield from align(*paths)


def read_tsv(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the first two tab-separated columns of each line; raises NmtError if a line has one."""
    for number, line in enumerate(read_segments(path), start=1):
        columns = line.split("\t") if line.strip() else ["", ""]
        if len(columns) < 2:
            raise NmtError(
                f"{path}, line {number}: no tab between source and target; separate them by a tab"
            )
        yield columns[0], columns[1]


def align(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Yield the segments of two files line by line.

    Raises NmtError with both line counts, after the last common line, if the counts differ.
    """
    missing = object()
    pairs = zip_longest(read_segments(source), read_segments(target), fillvalue=missing)
    for count, (left, right) in enumerate(pairs):
        if left is missing or right is missing:
            longest = count + 1 + sum(1 for _ in pairs)
            counts = (count, longest) if left is missing else (longest, count)
            ended, other = (source, target) if left is missing else (target, source)
            raise NmtError(
                f"{source} has {counts[0]} lines but {target} has {counts[1]}: {ended} ends after"
                f" line {count} while {other} goes on; parallel files must align line by line"
            )
        yield str(left), str(right)
