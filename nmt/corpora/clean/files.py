"""Name and write the files of a corpus that a command makes of another one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nmt.errors import UsageError
from nmt.runs.outputs import check_output
from nmt.system.atomic import atomic_paths
from nmt.text.languages import languages_in_names
from nmt.text.opening import MAGIC, text_file

OPTION = "-o"
REJECTED = "rejected"  # the ending of the file of removed pairs, before .tsv


@dataclass(frozen=True)
class Names:
    """Name new files: the beginning is given, and the endings are those of the old files."""

    prefix: str  # the path of a folder ends in a slash
    endings: tuple[str, str]  # of source and target, such as "en.gz"

    @classmethod
    def of(cls, prefix: str, paths: Sequence[Path]) -> "Names":
        """Return the names of files made of two aligned files or of one TSV file.

        Raises UsageError for an empty prefix, with which the files would be hidden.
        """
        return cls.of_languages(prefix, languages_in_names(paths), paths)

    @classmethod
    def of_languages(
        cls, prefix: str, languages: tuple[str, str], paths: Sequence[Path]
    ) -> "Names":
        """Return the names of files in two languages, packed if one of the old files is."""
        if not prefix:
            raise UsageError(f"{OPTION} is empty; give a prefix such as mine, or a folder and /")
        if prefix.rpartition("/")[2] in (".", ".."):
            raise UsageError(f"{OPTION} {prefix} is a folder; add a slash: {OPTION} {prefix}/")
        if "" in languages or languages[0] == languages[1]:
            languages = ("source", "target")
        packed = next((path.suffix for path in paths if path.suffix in MAGIC), "")
        first, second = (f"{each}{packed}" for each in languages)
        return cls(prefix, (first, second))

    def path(self, ending: str) -> Path:
        """Return the path of a file with an ending."""
        return Path(f"{self.prefix}{'' if self.prefix.endswith('/') else '.'}{ending}")

    def sides(self, kind: str = "") -> tuple[Path, Path]:
        """Return the paths of source and target; kind: such as "train"."""
        dot = "." if kind else ""
        first, second = (self.path(f"{kind}{dot}{ending}") for ending in self.endings)
        return first, second


@contextmanager
def text_outputs(paths: Mapping[str, Sequence[Path]]) -> Iterator[dict[str, list[IO[str]]]]:
    """Yield streams to write files that a command makes, by the keys of `paths`.

    A file that ends in .gz or .xz is compressed. No file is replaced if the block raises.
    """
    finals = [path for each in paths.values() for path in each]
    with atomic_paths(finals) as partials, ExitStack() as streams:
        opened = (
            streams.enter_context(text_file(partial, path.suffix))
            for path, partial in zip(finals, partials, strict=True)
        )
        yield {key: [next(opened) for _ in each] for key, each in paths.items()}


def check_paths(paths: Mapping[str, Sequence[Path]], sources: Sequence[Path]) -> None:
    """Raise UsageError unless a command may write these files; call it before work starts."""
    for each in paths.values():
        for path in each:
            check_output(path, sources, OPTION)


def row(*cells: object) -> str:
    """Return a line of a TSV file; tabs become spaces."""
    return "\t".join(str(cell).replace("\t", " ") for cell in cells) + "\n"
