"""Find the files to translate, and where their translations go."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from nmt.documents.registry import FORMATS, PROSE, Format, format_of
from nmt.errors import NmtError, UsageError
from nmt.system.files import in_utf_8, is_present, read_start
from nmt.system.json_data import parse_json

PATTERN = frozenset("*?[")  # characters that make a name a pattern
RECORD = ".nmt-translated.jsonl"  # in each folder that translations were written to
START = 4096  # bytes that tell what a file is
FEWEST_BROKEN, FULL_SHARE = 3, 0.8  # of the lines of a text show that it is wrapped


@dataclass(frozen=True)
class Job:
    """A file to translate."""

    source: Path
    output: Path
    format: Format | None  # None: the file is not translated


@dataclass(frozen=True)
class Selection:
    """Patterns of names: a file is taken if one includes it, or none is given, and none excludes.

    A pattern without a slash is for the name, another one for the path, with or without the folder
    that was named.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, path: Path, folder: Path) -> bool:
        """Return whether a file is taken; path: in the folder that was named."""
        is_included = not self.include or matches(path, folder, self.include)
        return is_included and not self.excludes(path, folder)

    def excludes(self, path: Path, folder: Path) -> bool:
        """Return whether a file, or all that is in a folder, is left out; path: likewise."""
        return matches(path, folder, self.exclude)


ALL = Selection()


def matches(path: Path, folder: Path, patterns: Iterable[str]) -> bool:
    """Return whether a file, or a folder that it is in, has a name or a path like a pattern."""
    named = os.path.join(os.path.normpath(folder), "")
    for pattern in map(os.path.normpath, patterns):
        paths = [path.as_posix(), *(parent.as_posix() for parent in path.parents)]
        inner = pattern.removeprefix(named)
        if any(fnmatch(each, inner) for each in (paths if "/" in pattern else path.parts)):
            return True
    return False


class Earlier:
    """The translations of earlier commands, by the records in their folders."""

    def __init__(self) -> None:
        self.count = 0  # of the translations that were met
        self._names: dict[Path, frozenset[str]] = {}

    def has(self, root: Path, relative: Path) -> bool:
        """Return whether a file in a folder is a translation in a folder within that one."""
        for parent in relative.parents[:-1]:
            if in_utf_8(relative.relative_to(parent).as_posix()) in self._recorded(root / parent):
                self.count += 1
                return True
        return False

    def _recorded(self, folder: Path) -> frozenset[str]:
        if folder not in self._names:
            self._names[folder] = recorded(folder / RECORD)
        return self._names[folder]


def recorded(record: Path) -> frozenset[str]:
    """Return the names of the translations in a record; what cannot be read is left out."""
    names = {RECORD}
    with suppress(OSError), record.open("rb") as lines:
        for line in lines:
            with suppress(NmtError):
                names.add(parse_json(line, Named, str(record)).file)
    return frozenset(names)


@dataclass(frozen=True)
class Named:
    """The part of an entry of a record that names its file."""

    file: str


def jobs_of(
    given: Sequence[Path],
    folder: Path,
    name: str | None = None,
    selection: Selection = ALL,
    *,
    has_columns: bool = False,
    own: Sequence[Path] = (),
) -> list[Job]:
    """Return the files to translate into a folder, in the order of their paths.

    A file goes into the folder under its own name; a tree of files keeps its shape. Hidden files
    and folders, links to folders, the output folder itself and translations of earlier commands
    are left out.

    Args:
        given: files, folders, and patterns such as docs/**/*.md.
        folder: where translations go.
        name: of a format for all files; by default each file's name tells.
        selection: which files of folders and patterns to take.
        has_columns: the user names columns of tables to translate.
        own: other files that the command writes. Those without a format are left out, too.

    Raises:
        UsageError: if there is no such file, if two files have the same output, or if an output
            is a source.
        NmtError: if a folder cannot be read.
    """
    jobs: dict[Path, Job] = {}
    earlier = Earlier()
    for path in given:
        for source, relative in sources_of(path, folder, selection, earlier):
            output = folder / relative
            form = format_in_folder(source, name, has_columns=has_columns)
            if form is None and any(is_same_file(source, each) for each in own):
                continue
            other = jobs.setdefault(output, Job(source, output, form))
            if not is_same_file(other.source, source):
                raise UsageError(
                    f"{other.source} and {source} would both be written to {output}; translate"
                    " them into two folders"
                )
    if not jobs:
        why = ", but translations of an earlier command; name their folder" if earlier.count else ""
        raise UsageError(f"there is no file to translate in {', '.join(map(str, given))}{why}")
    check_sources_stay(list(jobs.values()))
    return list(jobs.values())


def format_in_folder(source: Path, name: str | None, *, has_columns: bool) -> Format | None:
    """Return the format of a file in a folder, whose files need not all be for a translator.

    Text files hold prose, unless `name` is given. A table without columns to translate, and a file
    whose beginning shows that it only shares a suffix, have no format.
    """
    if name is not None:
        return format_of(source, name)
    if source.suffix.lower() == PROSE:
        return FORMATS["text"]
    found = format_of(source, None)
    if found is None or (found.has_columns and not has_columns):
        return None
    if not found.sign or not source.is_file():  # a dangling link is reported when it is read
        return found
    try:
        return found if found.sign in read_start(source, START, "the file") else None
    except NmtError:  # likewise
        return found


def looks_wrapped(path: Path) -> bool:
    """Return whether the lines of a text are broken at a width, so that sentences go on.

    Then hardly a line has room for the first word of the next one.
    """
    if not path.is_file():
        return False
    try:
        text = read_start(path, START, "the file").decode("utf-8", "replace")
    except NmtError:  # it is reported when it is read
        return False
    lines = [each.strip() for each in text.split("\n")[:-1]]
    width = max(map(len, lines), default=0)
    pairs = [(first, second) for first, second in pairwise(lines) if first and second]
    full = sum(len(first) + 1 + len(second.split()[0]) > width for first, second in pairs)
    going_on = sum(second[0].islower() for _, second in pairs)
    return min(full, going_on) >= FEWEST_BROKEN and full >= FULL_SHARE * len(pairs)


def sources_of(
    path: Path, output: Path, selection: Selection, earlier: Earlier
) -> Iterator[tuple[Path, Path]]:
    """Yield files that were named, with their paths in the folder that was named.

    Raises UsageError if there are none.
    """
    if path.is_dir():
        for relative in files_in(path, output, selection):
            if selection.takes(relative, path) and not earlier.has(path, relative):
                yield path / relative, relative
    elif is_present(path):
        yield path, Path(path.name)
    elif not PATTERN & set(str(path)):
        raise UsageError(f"there is no file or folder {path}")
    else:
        root = root_of(path)
        pattern = path.relative_to(root)
        found = sorted(each for each in root.glob(str(pattern)) if each.is_file())
        if not found:
            raise UsageError(f"no file matches the pattern {path}")
        names_hidden = any(part.startswith(".") for part in pattern.parts)
        if "**" in pattern.parts:  # it skips folders that cannot be read
            for _ in files_in(root, output, selection):
                pass
        left_out = os.path.join(os.path.realpath(output), "")
        for each in found:
            relative = each.relative_to(root)
            is_hidden = not names_hidden and any(part[0] == "." for part in relative.parts)
            is_output = len(relative.parts) > 1 and os.path.realpath(each).startswith(left_out)
            is_taken = selection.takes(relative, root) and not is_hidden and not is_output
            if is_taken and not earlier.has(root, relative):
                yield each, relative


def root_of(pattern: Path) -> Path:
    """Return the folder that a pattern searches: its path up to the first part with a wildcard."""
    count = next(n for n, part in enumerate(pattern.parts) if PATTERN & set(part))
    return Path(*pattern.parts[:count])


def files_in(folder: Path, output: Path, selection: Selection) -> Iterator[Path]:
    """Yield the files of a folder and its folders, sorted, by their paths in it.

    Left out are hidden files and folders, folders that are excluded, and the output folder. Raises
    NmtError if another folder cannot be read.
    """
    left_out = os.path.realpath(output)
    for root, folders, names in os.walk(folder, onerror=refuse):
        here = Path(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and not selection.excludes((here / name).relative_to(folder), folder)
            and os.path.realpath(here / name) != left_out
        )
        yield from (
            (here / name).relative_to(folder) for name in sorted(names) if not name.startswith(".")
        )


def refuse(error: OSError) -> NoReturn:
    """Raise NmtError for a folder that cannot be read."""
    raise NmtError(
        f"cannot read the folder {error.filename}: {error.strerror}; make it readable, or leave it"
        " out with --exclude"
    ) from error


def check_sources_stay(jobs: Iterable[Job]) -> None:
    """Raise UsageError if a translation would replace a file that is translated."""
    jobs = list(jobs)
    sources = {os.path.realpath(job.source) for job in jobs}
    for job in jobs:
        if os.path.realpath(job.output) in sources:
            raise UsageError(
                f"{job.output} is a file to translate; name another --output-dir, because sources"
                " are never overwritten"
            )


def is_same_file(one: Path, other: Path) -> bool:
    """Return whether two paths lead to the same file."""
    return os.path.realpath(one) == os.path.realpath(other)
