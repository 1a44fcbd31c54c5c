"""Read segments and aligned pairs from text files and stdin; errors name the file and the line.

Plain, .gz and .xz files are read, and WMT's .sgm. Each is read in one pass, because a pipe cannot
be read a second time.
"""

import gzip
import hashlib
import html
import lzma
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path, PurePosixPath
from typing import IO, cast

from nmt.config import Recipe, TextFiles
from nmt.errors import DamagedError, NmtError
from nmt.system.arguments import data_option
from nmt.system.files import Digest, check_file, is_present, shipped, unreadable
from nmt.system.log import note
from nmt.text.lines import (
    Line,
    LineNumbers,
    LineSplitter,
    OnBadLine,
    decode_lines,
    stop_at_bad_line,
)
from nmt.text.opening import TEXT, name_of, open_bytes

EMBEDDED = {"pocket", "sample.en"}  # a checkout has fetched corpora beside them
READ_BYTES = 1 << 16  # at once
DAMAGE = (gzip.BadGzipFile, EOFError, lzma.LZMAError, zlib.error)
READ_ERRORS = (OSError, *DAMAGE)
SGM_BEGIN = re.compile(r"<seg\b", re.IGNORECASE)
SGM_END = re.compile(r"</seg>", re.IGNORECASE)


@dataclass(frozen=True)
class DataFolder:
    """The folder in which a recipe's files are looked up, before the embedded corpus."""

    path: Path

    def find(self, name: str, recipe: Recipe) -> Path:
        """Return the path of a file; raises NmtError that says how to get a missing one."""
        candidates = [self.path / name]
        if name.partition("/")[0] in EMBEDDED:
            candidates.append(shipped("data") / name)
        for candidate in candidates:
            if is_present(candidate):
                check_file(candidate, TEXT)
                if not candidate.is_file():
                    raise NmtError(
                        f"{candidate} is a pipe or a device, but a corpus is read several times;"
                        " save it in a file"
                    )
                return candidate
        downloaded = {file for each in recipe.data.downloads for file in each.files}
        is_downloaded = PurePosixPath(name) in downloaded
        is_shipped = is_present(shipped("recipes") / f"{recipe.name}.toml")
        option = data_option(self.path)
        shipped_fetch = f"`nmt fetch {recipe.name}{option}`"
        fetch = shipped_fetch if is_shipped else f"`nmt fetch RECIPE{option}` with this recipe"
        fix = f"{fetch} downloads it" if is_downloaded else "put it there"
        raise NmtError(
            f"{self.path / name} does not exist; {fix}, or name another data folder (--data-dir)"
        )


@dataclass(frozen=True)
class TextFile:
    """The segments of a text that was read once."""

    name: str
    segments: list[str]
    sha256: str  # of the file's bytes


def read_text_file(path: Path) -> TextFile:
    """Read a file, a pipe, or stdin for `-`, once and whole; errors are those of `read_segments`.

    See `nmt.text.opening.check_stdin` for a command that reads several.
    """
    digest = hashlib.sha256()
    segments = list(read_segments(path, digest))
    return TextFile(name_of(path), segments, digest.hexdigest())


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
    note_carriage_returns(name_of(path), found)


def note_carriage_returns(name: str, lines: LineNumbers) -> None:
    """Print a note about the lines of a text that hold carriage returns, if there are any."""
    if lines.count:
        note_once(
            f"{name}: carriage returns in {lines} count as spaces; if they end lines,"
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
    name = name_of(path)
    with open_bytes(path, digest) as stream:
        lines = split_lines(stream, name)
        if is_sgm(path):
            yield from sgm_segments(decode_lines(lines, name), name)
        else:
            yield from decode_lines(lines, name, on_bad)


def is_sgm(path: Path) -> bool:
    """Return whether a file is WMT's .sgm, compressed or not, by its name."""
    return path.name.removesuffix(".gz").removesuffix(".xz").endswith(".sgm")


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


def sgm_segments(lines: Iterable[str], name: str) -> Iterator[str]:
    """Yield the text of the <seg> elements of a WMT .sgm file.

    Raises NmtError for an element that spans lines; `name` names the file in the message.
    """
    for number, line in enumerate(lines, start=1):
        for element in SGM_BEGIN.split(line)[1:]:
            _, has_text, text = element.partition(">")
            end = SGM_END.search(text)
            if not has_text or not end:
                raise NmtError(
                    f"{name}, line {number}: a <seg> does not end on its line; write each on one"
                    " line"
                )
            # A character reference may stand for a line feed.
            yield html.unescape(text[: end.start()]).replace("\n", " ").strip()


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
    """Yield the segments of two files line by line; errors are those of `align_columns`."""
    paths = (source, target)
    rows = align_columns(map(name_of, paths), map(read_segments, paths))
    return cast(Iterator[tuple[str, str]], rows)


def align_columns(
    names: Iterable[str], columns: Iterable[Iterable[str]]
) -> Iterator[tuple[str, ...]]:
    """Yield rows of segments from several texts.

    Raises NmtError with the line counts of two texts, after the last common line, if they differ.
    """
    rows = zip_longest(*columns)
    for count, row in enumerate(rows):
        if None in row:
            raise misaligned([*names], chain([row], rows), count)
        yield row


def misaligned(
    names: Sequence[str], rest: Iterable[tuple[str | None, ...]], count: int
) -> NmtError:
    """Return the error for texts of different lengths.

    rest: the rows from the first one on that misses a segment. count: the rows before it.
    """
    lengths = [count] * len(names)
    for row in rest:
        lengths = [
            length + (segment is not None) for length, segment in zip(lengths, row, strict=True)
        ]
    ended = lengths.index(count)
    other = next(index for index, length in enumerate(lengths) if length > count)
    first, second = sorted((ended, other))
    return NmtError(
        f"{names[first]} has {lengths[first]} lines but {names[second]} has {lengths[second]}:"
        f" {names[ended]} ends after line {count} while {names[other]} goes on; parallel files must"
        " align line by line"
    )
