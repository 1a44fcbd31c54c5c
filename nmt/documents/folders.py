"""A folder of translations: which files go into it, and the record of those that are done.

The record lets the same command continue after it was stopped. It also tells which files a command
may replace, and which are no sources because they are translations.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

from nmt.documents.registry import Job, format_in_folder
from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import check_output
from nmt.system.files import compute_sha256, in_utf_8, is_present, take_lock
from nmt.system.json_data import json_text, parse_json

PATTERN = frozenset("*?[")  # characters that make a name a pattern
RECORD = ".nmt-translated.jsonl"  # in each folder that translations were written to

Row = dict[str, Any]  # a flagged segment or a finding: `nmt.documents.translate_files.Report`


def find_files(
    given: Sequence[Path],
    folder: Path,
    name: str | None = None,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    has_columns: bool = False,
    own: Iterable[Path] = (),
) -> list[Job]:
    """Return the files to translate into a folder, in the order of their paths.

    A file goes into the folder under its own name; a tree of files keeps its shape. Hidden files
    and folders, links to folders, the output folder itself and translations of earlier commands
    are left out.

    Args:
        given: files, folders, and patterns such as docs/**/*.md.
        folder: where translations go.
        name: of a format for all files; by default each file's name tells.
        include, exclude: patterns of names; see `FileSearch`.
        has_columns: the user names columns of tables to translate.
        own: other files that the command writes. Those without a format are left out, too.

    Raises:
        UsageError: if there is no such file, if two files have the same output, or if an output
            is a source.
        NmtError: if a folder cannot be read.
    """
    jobs: dict[Path, Job] = {}
    written = {os.path.realpath(path) for path in own}
    search = FileSearch(folder, include, exclude)
    for path in given:
        for source, relative in search.find(path):
            output = folder / relative
            file_format = format_in_folder(source, name, has_columns=has_columns)
            if file_format is None and os.path.realpath(source) in written:
                continue
            other = jobs.setdefault(output, Job(source, output, file_format)).source
            if os.path.realpath(other) != os.path.realpath(source):
                raise UsageError(
                    f"{other} and {source} would both be written to {output}; translate"
                    " them into two folders"
                )
    if not jobs:
        why = (
            ", but translations of an earlier command; name their folder" if search.earlier else ""
        )
        raise UsageError(f"there is no file to translate in {', '.join(map(str, given))}{why}")
    sources = {os.path.realpath(job.source) for job in jobs.values()}
    for output in jobs:
        if os.path.realpath(output) in sources:
            raise UsageError(
                f"{output} is a file to translate; name another --output-dir, because sources"
                " are never overwritten"
            )
    return list(jobs.values())


def check_apart(folder: Path, jobs: Iterable[Job], outputs: Mapping[str, Path | None]) -> None:
    """Raise UsageError if a further output, by its option, is a file that goes into a folder."""
    written = {os.path.realpath(path) for path in (folder / RECORD, *(job.output for job in jobs))}
    for option, path in outputs.items():
        if path is not None and os.path.realpath(path) in written:
            raise UsageError(
                f"{option} {path} is written for --output-dir {folder}, too; name another file"
            )


class FileSearch:
    """Finds files to translate in folders and by patterns.

    A file is taken if one pattern includes it, or none is given, and none excludes it. A pattern
    without a slash is for the name, another one for the path, with or without the folder that was
    named.
    """

    def __init__(self, output: Path, include: Sequence[str], exclude: Sequence[str]) -> None:
        """Take the folder of translations, which is left out, and patterns of names."""
        self._output = os.path.realpath(output)
        self._include, self._exclude = include, exclude
        self._recorded = cache(recorded)
        self.earlier = 0  # translations of earlier commands that were left out

    def find(self, path: Path) -> Iterator[tuple[Path, Path]]:
        """Yield files that were named, with their paths in the folder that was named.

        Raises UsageError if there are none, NmtError for a folder that cannot be read.
        """
        if path.is_dir():
            root, found = path, self._files_in(path)
        elif is_present(path):
            yield path, Path(path.name)
            return
        elif PATTERN & set(str(path)):
            root = searched_folder(path)
            found = self._matching(root, path)
        else:
            raise UsageError(f"there is no file or folder {path}")
        for relative in found:
            is_included = not self._include or matches(relative, root, self._include)
            is_excluded = matches(relative, root, self._exclude)
            if is_included and not is_excluded and not self._is_earlier(root, relative):
                yield root / relative, relative

    def _files_in(self, folder: Path) -> Iterator[Path]:
        """Yield the files of a folder and its folders, sorted, by their paths in it."""
        for path, folders, names in os.walk(folder, onerror=refuse):
            here = Path(path)
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".")
                and not matches((here / name).relative_to(folder), folder, self._exclude)
                and os.path.realpath(here / name) != self._output
            )
            for name in sorted(names):
                if not name.startswith("."):
                    yield (here / name).relative_to(folder)

    def _matching(self, root: Path, path: Path) -> Iterator[Path]:
        """Yield the files that match a pattern, sorted, by their paths in its folder."""
        pattern = path.relative_to(root)
        found = sorted(file for file in root.glob(str(pattern)) if file.is_file())
        if not found:
            raise UsageError(f"no file matches the pattern {path}")
        if "**" in pattern.parts:  # it skips folders that cannot be read
            for _ in self._files_in(root):
                pass
        names_hidden = any(part.startswith(".") for part in pattern.parts)
        left_out = os.path.join(self._output, "")
        for file in found:
            relative = file.relative_to(root)
            is_hidden = not names_hidden and any(part[0] == "." for part in relative.parts)
            is_output = len(relative.parts) > 1 and os.path.realpath(file).startswith(left_out)
            if not is_hidden and not is_output:
                yield relative

    def _is_earlier(self, root: Path, relative: Path) -> bool:
        """Return whether a file in a folder is a translation in a folder within that one."""
        for parent in relative.parents[:-1]:
            name = in_utf_8(relative.relative_to(parent).as_posix())
            if name in self._recorded(root / parent):
                self.earlier += 1
                return True
        return False


def matches(path: Path, folder: Path, patterns: Iterable[str]) -> bool:
    """Return whether a file, or a folder that it is in, has a name or a path like a pattern."""
    named = os.path.join(os.path.normpath(folder), "")
    for pattern in map(os.path.normpath, patterns):
        inner = pattern.removeprefix(named)
        paths = [path, *path.parents] if "/" in pattern else path.parts
        if any(fnmatch(str(part), inner) for part in paths):
            return True
    return False


def searched_folder(pattern: Path) -> Path:
    """Return the folder that a pattern searches: its path up to the first part with a wildcard."""
    count = next(n for n, part in enumerate(pattern.parts) if PATTERN & set(part))
    return Path(*pattern.parts[:count])


def refuse(error: OSError) -> NoReturn:
    """Raise NmtError for a folder that cannot be read."""
    raise NmtError(
        f"cannot read the folder {error.filename}: {error.strerror}; make it readable, or leave it"
        " out with --exclude"
    ) from error


@dataclass(frozen=True)
class Entry:
    """A translated file: a line of the record."""

    file: str  # the path of the translation in the folder
    source: str  # SHA-256 of what was translated
    work: str  # digest of the model and of all settings
    rows: tuple[Row, ...] | None = None  # of the report on the file; None in older records
    output: str = ""  # SHA-256 of the translation


def read_record(folder: Path) -> Iterator[Entry]:
    """Yield what the record of a folder has, but for a line that a killed command left unfinished.

    Yields nothing if there is no record that can be read.
    """
    with suppress(OSError), (folder / RECORD).open("rb") as lines:
        for line in lines:
            with suppress(NmtError):
                yield parse_json(line, Entry, RECORD)


def recorded(folder: Path) -> frozenset[str]:
    """Return the names of the translations in a folder, by its record, and that of the record."""
    return frozenset({RECORD, *(entry.file for entry in read_record(folder))})


class FolderRecord:
    """The translated files of a folder, those of earlier commands too."""

    def __init__(self, folder: Path, work: str, stream: IO[str]) -> None:
        """Continue a record; work: a digest of all that translations depend on but sources."""
        self._folder, self._work, self._stream = folder, work, stream
        self._entries: dict[str, Entry] = {}
        self._written: set[tuple[str, str]] = set()  # files, with digests of what was in them
        for entry in read_record(folder):
            self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        self._entries[entry.file] = entry
        self._written.add((entry.file, entry.output))

    def _name(self, job: Job) -> str:
        return in_utf_8(job.output.relative_to(self._folder).as_posix())

    def has(self, job: Job) -> bool:
        """Return whether a file is translated as it is now, by this model and these settings."""
        entry = self._entries.get(self._name(job))
        if entry is None or entry.work != self._work or not job.output.is_file():
            return False
        if entry.rows is None and job.format is not None:
            return False  # it is not known what was flagged
        try:
            return entry.source == compute_sha256(job.source)
        except NmtError:  # reported when the file is read to be translated
            return False

    def rows(self, job: Job) -> tuple[Row, ...]:
        """Return the rows of the report on a file that is translated."""
        return self._entries[self._name(job)].rows or ()

    def check_output(self, job: Job) -> None:
        """Raise UsageError unless the output of a job may be written.

        An existing output must be as this command wrote it. Other errors are those of
        `nmt.runs.outputs.check_output`.
        """
        check_output(job.output, [job.source], "the output")
        if not job.output.is_file() or not job.output.stat().st_size:
            return
        name = self._name(job)
        if (name, compute_sha256(job.output)) not in self._written:
            reason = "was not written by `nmt translate`"
            if name in self._entries:
                reason = "was changed after `nmt translate` wrote it"
            raise UsageError(
                f"the output {job.output} {reason}; name another file, or move it away"
            )

    def add(self, job: Job, source: str, output: str, rows: Sequence[Row] = ()) -> None:
        """Record a file that was translated, or whose translation is about to be written.

        source, output: SHA-256 of what was translated and of its translation. An empty source marks
        a translation that is about to be written: if this process is killed, the next command knows
        that `nmt translate` wrote the file. rows: of the report on it. Raises NmtError if the
        record cannot be written.
        """
        entry = Entry(self._name(job), source, self._work, tuple(rows), output)
        write(self._folder / RECORD, self._stream, f"{json_text(asdict(entry))}\n")
        self._keep(entry)


@contextmanager
def open_record(folder: Path, work: str) -> Iterator[FolderRecord]:
    """Open the record of a folder, which is made if it is missing; work: as for `FolderRecord`.

    Raises NmtError if another command translates into the folder, or if it cannot be written.
    """
    path = folder / RECORD
    try:
        Path(os.path.realpath(folder)).mkdir(parents=True, exist_ok=True)  # a link may lead nowhere
        stream = path.open("a", encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror}; name another folder") from error
    try:
        if not take_lock(stream):
            raise NmtError(f"another command translates into {folder}; wait until it ends")
        with path.open("rb") as content:
            content.seek(max(0, os.fstat(stream.fileno()).st_size - 1))
            if content.read(1) not in (b"", b"\n"):  # a killed command left a line unfinished
                write(path, stream, "\n")
        yield FolderRecord(folder, work, stream)
    finally:
        with suppress(OSError):  # a full disk, which the failed write has reported
            stream.close()


def write(path: Path, stream: IO[str], text: str) -> None:
    """Write a text to a record now; raises NmtError if that fails."""
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror}") from error
