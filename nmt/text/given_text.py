"""Name the aligned text that a user has, and read it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nmt.config import Recipe, TextFiles
from nmt.errors import UsageError
from nmt.system.files import check_file
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.opening import STDIN

Pair = tuple[str, str]


@dataclass(frozen=True)
class GivenText:
    """Name aligned text that a user has: two files, or one TSV file."""

    source: Path
    target: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the files."""
        return (self.source, self.target) if self.target else (self.source,)

    def check(self) -> None:
        """Raise NmtError or UsageError unless the files are text that can be read twice."""
        self.check_files()
        next(self.pairs(), None)

    def check_files(self) -> None:
        """Raise NmtError or UsageError unless there are files that can be read, and twice."""
        for path in self.paths:
            check_lasting(path)
        if self.target and self.source.samefile(self.target):
            raise UsageError(f"{self.source} is given as source and as target; give two files")

    def pairs(self) -> Iterator[Pair]:
        """Yield the pairs; raises NmtError, with the line, for text that does not align."""
        names = [str(path) for path in self.paths]
        files = TextFiles(names[0], names[1]) if self.target else TextFiles(tsv=names[0])
        return read_pairs(files, DataFolder(Path()), Recipe("init"))

    def entry(self, data_dir: Path) -> dict[str, str]:
        """Return the table that names the files in a recipe."""
        names = [name_below(path, data_dir) for path in self.paths]
        return dict(zip(("source", "target") if self.target else ("tsv",), names, strict=True))


def check_lasting(path: Path) -> None:
    """Raise NmtError or UsageError unless there is a file that can be read, and twice."""
    if path == STDIN:
        raise UsageError("the text is read twice, so it cannot be stdin; save it in a file")
    check_file(path, "the file")
    if not path.is_file():
        raise UsageError(f"{path} is not a file; the text is read twice, so save it in one")


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
