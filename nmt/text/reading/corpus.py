"""Read parallel text as aligned pairs; errors name the file and the line.

A reader of parallel text yields a `Pair` for each pair of segments.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

from nmt.config import Recipe, TextFiles
from nmt.errors import NmtError, UsageError
from nmt.system.arguments import argument, data_option
from nmt.system.files import check_file, is_present, shipped
from nmt.text.reading.languages import BILINGUAL, unpacked_name
from nmt.text.reading.lines import STDIN, TEXT, OnBadLine, read_segments, show_name

EMBEDDED = {"pocket", "dates", "sample.en"}  # a checkout has fetched corpora beside them


class Pair(NamedTuple):
    """A source segment and its translation."""

    source: str
    target: str


DevPairs = Mapping[tuple[str, str], Sequence[Pair]]  # by source and target language


class Reader(Protocol):
    """Reads files that hold both sides of each pair, such as translation memories."""

    def pairs(
        self, path: Path, languages: tuple[str, str], on_bad: OnBadLine = ...
    ) -> Iterator[Pair]:
        """Yield the pairs of a file in two languages; those of a file with two may be "".

        on_bad: receives a pair that cannot be read, by its number; the pair is blank. Raises
        NmtError with the line for a file that cannot be read.
        """
        ...

    def languages(self, path: Path) -> tuple[str, ...]:
        """Return the codes of a file's languages, that of the sources first."""
        ...


FindReader = Callable[[str], Reader]  # takes the ending of a bilingual file's name, such as .tmx


@dataclass(frozen=True)
class DataFolder:
    """The folder in which a recipe's files are looked up, before the embedded corpus."""

    path: Path
    find_reader: FindReader | None = None  # None: bilingual files are refused

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
        downloaded = {file for download in recipe.data.downloads for file in download.files}
        is_downloaded = PurePosixPath(name) in downloaded
        is_shipped = is_present(shipped("recipes") / f"{recipe.name}.toml")
        option = data_option(self.path)
        shipped_fetch = f"`nmt fetch {recipe.name}{option}`"
        fetch = shipped_fetch if is_shipped else f"`nmt fetch RECIPE{option}` with this recipe"
        fix = f"{fetch} downloads it" if is_downloaded else "put it there"
        raise NmtError(
            f"{self.path / name} does not exist; {fix}, or name another data folder (--data-dir)"
        )

    def text(self, files: TextFiles, recipe: Recipe, name: str = "text") -> "ParallelText":
        """Return a recipe's corpus as a text with a name, to read its `pairs`.

        Errors are those of `find`.
        """
        paths = [self.find(file, recipe) for file in files.names]
        languages = recipe.data.find_languages(files)
        reader = reader_for(paths, self.find_reader)
        return ParallelText(tuple(paths), name, languages, reader, files.columns)


def reader_for(paths: Sequence[Path], find_reader: FindReader | None) -> Reader | None:
    """Return the reader of a bilingual file; None for two files or a TSV file.

    Raises UsageError for a bilingual file if none can be read, and for one of two files.
    """
    endings = [unpacked_name(path)[1] for path in paths]
    bilingual = [path for path, end in zip(paths, endings, strict=True) if end in BILINGUAL]
    if not bilingual:
        return None
    if len(paths) > 1:
        raise UsageError(
            f"{bilingual[0]} has both sides of its pairs, so it is given alone; several such files"
            " are listed in a recipe: data.train = [{ file = ... }, { file = ... }]"
        )
    if find_reader is None:
        raise UsageError(
            f"{paths[0]} is a bilingual file, which this command does not read; `nmt clean"
            f" {argument(paths[0])} -o PREFIX` makes two text files of it"
        )
    return find_reader(endings[0])


def read_aligned(paths: Sequence[Path], columns: Sequence[int] = ()) -> Iterator[Pair]:
    """Yield the pairs of two files that are aligned line by line, or of one TSV file.

    columns: of source and target in a TSV file, counted from 1; the first two if empty. Raises
    NmtError for a file that cannot be read, for a line without these columns, and for files of
    different lengths.
    """
    if len(paths) > 1:
        names, rows = [*map(show_name, paths)], zip_longest(*map(read_segments, paths))
        for count, (source, target) in enumerate(rows):
            if source is None or target is None:
                raise misaligned(names, chain([(source, target)], rows), count)
            yield tuple.__new__(Pair, (source, target))  # 0.4 us less than Pair(...)
        return
    for number, line in enumerate(read_segments(paths[0]), start=1):
        pair = pair_in(line, columns)
        if pair is None and not columns:
            raise without_tab(paths[0], number)
        if pair is None:
            raise NmtError(
                f"{paths[0]}, line {number}: no column {max(columns)}; add it, or correct `columns`"
            )
        yield pair


def without_tab(path: Path, number: int) -> NmtError:
    """Return the error for a line of a TSV file that has only one side."""
    return NmtError(
        f"{path}, line {number}: no tab between source and target; separate them by a tab, or name"
        " the file of the target, too"
    )


def pair_in(line: str, columns: Sequence[int]) -> Pair | None:
    """Return the pair in a line of a TSV file, as in `read_aligned`; None if it lacks a column."""
    if not line.strip():
        return Pair("", "")
    if not columns:
        source, tab, rest = line.partition("\t")
        return tuple.__new__(Pair, (source, rest.partition("\t")[0])) if tab else None
    cells = line.split("\t")
    if max(columns) > len(cells):
        return None
    return Pair(*(cells[column - 1] for column in columns))


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

    rest: the first row that lacks a segment, and all rows after it. count: the rows before it.
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


@dataclass(frozen=True)
class ParallelText:
    """Name parallel text: two aligned files, one TSV file, or one bilingual file."""

    paths: tuple[Path, ...]
    name: str = "text"  # in a report, such as "train"
    languages: tuple[str, str] = ("", "")  # codes; "": not known
    reader: Reader | None = None  # of a bilingual file
    columns: tuple[int, ...] = ()  # of a TSV file, as in `read_aligned`

    @property
    def title(self) -> str:
        """Return the names of the files."""
        return " + ".join(map(str, self.paths))

    @property
    def unit(self) -> str:
        """Return what a number in a report counts: a unit of a bilingual file has several lines."""
        return "pair" if self.reader else "line"

    def check(self) -> None:
        """Raise NmtError or UsageError unless the files can be read twice and begin with a pair."""
        self.check_files()
        next(self.pairs(), None)

    def check_files(self) -> None:
        """Raise NmtError or UsageError unless all are files, which can be read twice."""
        for path in self.paths:
            if path == STDIN:
                raise UsageError("the text is read twice, so it cannot be stdin; save it in a file")
            check_file(path, "the file")
            if not path.is_file():
                raise UsageError(f"{path} is not a file; the text is read twice, so save it in one")
        first, *others = self.paths
        if others and first.samefile(others[0]):
            raise UsageError(f"{first} is given as source and as target; give two files")

    def pairs(self) -> Iterator[Pair]:
        """Yield the pairs; errors are those of `read_aligned` and `Reader.pairs`."""
        if self.reader:
            return self.reader.pairs(self.paths[0], self.languages)
        return read_aligned(self.paths, self.columns)

    def entry(self, data_dir: Path) -> dict[str, Any]:
        """Return the table that names the files, and the columns, in a recipe."""
        names = [name_below(path, data_dir) for path in self.paths]
        one = "file" if self.reader else "tsv"
        keys = ("source", "target") if len(names) > 1 else (one,)
        columns = {"columns": [*self.columns]} if self.columns else {}
        return dict(zip(keys, names, strict=True)) | columns


def name_below(path: Path, data_dir: Path) -> str:
    """Return the name by which a recipe finds a file: relative to the data folder, or absolute.

    Raises UsageError for a name that a recipe cannot contain.
    """
    whole = Path(os.path.abspath(path))
    folder = Path(os.path.abspath(data_dir))
    name = (whole.relative_to(folder) if whole.is_relative_to(folder) else whole).as_posix()
    if not name.isprintable():
        raise UsageError(f"a recipe cannot contain the name {name!r}; rename the file or folder")
    return name
