"""Find the files to translate, and where their translations go."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import NoReturn

from nmt.errors import NmtError, UsageError
from nmt.formats.registry import FORMATS, Format, format_of
from nmt.system.reading import is_present, read_start

PATTERN = frozenset("*?[")  # characters that make a name a pattern
RECORD = ".nmt-translated.jsonl"  # in each folder that translations were written to
START = 4096  # bytes that tell what a file is
PROSE = ".txt"  # in folders, such files are prose, not lines of a corpus


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
    own: tuple[Path, ...] = ()  # files that the command writes itself

    def takes(self, path: Path, folder: Path) -> bool:
        """Return whether a file is taken; path: in the folder that was named."""
        is_included = not self.include or matches(path, folder, self.include)
        is_own = any(is_same_file(folder / path, each) for each in self.own)
        return is_included and not is_own and not matches(path, folder, self.exclude)


ALL = Selection()


def matches(path: Path, folder: Path, patterns: Iterable[str]) -> bool:
    """Return whether a file, or a folder that it is in, has a name or a path like a pattern."""
    whole = Path(os.path.normpath(folder / path))
    for pattern in map(os.path.normpath, patterns):
        paths = [path, *path.parents, whole, *whole.parents]
        names = map(Path.as_posix, paths) if "/" in pattern else path.parts
        if any(fnmatch(each, pattern) for each in names):
            return True
    return False


def jobs_of(
    given: Sequence[Path],
    folder: Path,
    name: str | None = None,
    selection: Selection = ALL,
    *,
    has_columns: bool = False,
) -> list[Job]:
    """Return the files to translate into a folder, in the order of their paths.

    A file goes into the folder under its own name; a tree of files keeps its shape. Hidden files
    and folders, links to folders, and folders of translations are left out.

    Args:
        given: files, folders, and patterns such as docs/**/*.md.
        folder: where translations go.
        name: of a format for all files; by default each file's name tells.
        selection: which files of folders and patterns to take.
        has_columns: the user names columns of tables to translate.

    Raises:
        UsageError: if there is no such file, if two files have the same output, or if an output
            is a source.
        NmtError: if a folder cannot be read.
    """
    jobs: dict[Path, Job] = {}
    for path in given:
        for source, relative in sources_of(path, folder, selection):
            output = folder / relative
            form = format_in_folder(source, name, has_columns=has_columns)
            other = jobs.setdefault(output, Job(source, output, form))
            if not is_same_file(other.source, source):
                raise UsageError(
                    f"{other.source} and {source} would both be written to {output}; translate"
                    " them into two folders"
                )
    if not jobs:
        raise UsageError(f"there is no file to translate in {', '.join(map(str, given))}")
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


def sources_of(path: Path, output: Path, selection: Selection) -> Iterator[tuple[Path, Path]]:
    """Yield files that were named, with their paths in the folder that was named.

    Raises UsageError if there are none.
    """
    if path.is_dir():
        yield from files_in(path, output, selection)
    elif is_present(path):
        yield path, Path(path.name)
    elif not PATTERN & set(str(path)):
        raise UsageError(f"there is no file or folder {path}")
    else:
        root = root_of(path)
        found = sorted(each for each in root.glob(str(path.relative_to(root))) if each.is_file())
        if not found:
            raise UsageError(f"no file matches the pattern {path}")
        if "**" in path.parts:
            for _ in os.walk(root, onerror=refuse):
                pass  # a pattern skips folders that cannot be read
        names_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        for each in found:
            relative = each.relative_to(root)
            is_hidden = not names_hidden and any(part[0] == "." for part in relative.parts)
            folders = [root / parent for parent in relative.parents if parent != Path()]
            is_output = any(is_translated(parent, output) for parent in folders)
            if selection.takes(relative, root) and not is_hidden and not is_output:
                yield each, relative


def root_of(pattern: Path) -> Path:
    """Return the folder that a pattern searches: its path up to the first part with a wildcard."""
    count = next(n for n, part in enumerate(pattern.parts) if PATTERN & set(part))
    return Path(*pattern.parts[:count])


def files_in(folder: Path, output: Path, selection: Selection) -> Iterator[tuple[Path, Path]]:
    """Yield the files of a folder and its folders, sorted, without hidden ones and outputs."""
    for root, folders, names in os.walk(folder, onerror=refuse):
        here = Path(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not is_translated(here / name, output)
        )
        for name in sorted(names):
            relative = (here / name).relative_to(folder)
            if not name.startswith(".") and selection.takes(relative, folder):
                yield here / name, relative


def is_translated(folder: Path, output: Path) -> bool:
    """Return whether translations are written to a folder, or were by an earlier command."""
    return is_same_file(folder, output) or (folder / RECORD).exists()


def refuse(error: OSError) -> NoReturn:
    """Raise NmtError for a folder that cannot be read."""
    raise NmtError(
        f"cannot read the folder {error.filename}: {error.strerror}; make it readable, or name the"
        " other folders"
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
