"""Read pairs of source and target to score: two files, or columns of one."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nmt.decoding.bad_lines import BadLines
from nmt.decoding.stream import Source
from nmt.decoding.text_files import open_source
from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import check_output
from nmt.system.files import check_file
from nmt.text.corpus import align_columns
from nmt.text.opening import STDIN, TEXT, check_stdin, name_of

FIRST_TWO = (1, 2)  # the columns of source and target


@dataclass(frozen=True)
class TextPair:
    """A source segment and a target segment."""

    source: str
    target: str

    def __len__(self) -> int:
        """Return the number of characters."""
        return len(self.source) + len(self.target)


NOTHING = TextPair("", "")


class BadPairs(BadLines):
    """The lines whose pairs cannot be scored, and what is done about them."""

    def __init__(self, action: str = "error") -> None:
        """Take one of `bad_lines.ACTIONS`."""
        super().__init__(action)
        self.numbers: set[int] = set()

    def add(self, number: int, error: NmtError) -> None:
        """Record a line, once even if both sides of its pair are bad."""
        if number not in self.numbers:
            super().add(number, error)
            self.numbers.add(number)


def check_pairs(
    source: Path, target: Path | None, columns: tuple[int, int] | None, output: Path | None
) -> None:
    """Raise NmtError if a file cannot be read, UsageError for arguments that contradict each other.

    output: a file that must be allowed to be written, or None for stdout.
    """
    if target is not None and columns is not None:
        raise UsageError("--columns is for one file with columns; name one file, or leave it out")
    paths = [path for path in (source, target) if path is not None]
    check_stdin(paths)
    for path in paths:
        if path != STDIN:
            check_file(path, TEXT, "name another, or - for stdin")
    if output is not None:
        check_output(output, paths)


@contextmanager
def open_pairs(
    source: Path, target: Path | None, columns: tuple[int, int], bad: BadPairs
) -> Iterator[Source[TextPair]]:
    """Open the pairs of two files, or of the columns of one if there is no target, as they arrive.

    columns: the numbers of the source's and the target's column, from 1. Reading raises NmtError if
    two files differ in their numbers of lines.
    """
    if target is None:
        with open_source(source, bad) as lines:
            pairs = from_columns(lines.segments, name_of(source), columns, bad)
            yield Source(pairs, lines.is_ready)
        return
    with open_source(source, bad) as sources, open_source(target, bad) as targets:
        rows = align_columns(map(name_of, (source, target)), (sources.segments, targets.segments))
        yield Source(
            from_rows(rows, bad),
            lambda deadline: sources.is_ready(deadline) and targets.is_ready(deadline),
        )


def from_rows(rows: Iterable[Sequence[str]], bad: BadPairs) -> Iterator[TextPair]:
    """Yield the pairs of aligned lines; one that cannot be read is blank."""
    for number, (source, target) in enumerate(rows, start=1):
        yield NOTHING if number in bad.numbers else TextPair(source, target)


def from_columns(
    lines: Iterable[str], name: str, columns: tuple[int, int], bad: BadPairs
) -> Iterator[TextPair]:
    """Yield the pairs in columns that tabs separate; a blank line is a blank pair."""
    source, target = columns
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t")
        if len(cells) < max(columns) and not line.isspace() and line:
            bad.add(
                number,
                NmtError(
                    f"{name}, line {number}: there is no column {max(columns)}; put a tab between"
                    " source and target, or choose with --columns"
                ),
            )
        is_blank = number in bad.numbers or not line or line.isspace()
        yield NOTHING if is_blank else TextPair(cells[source - 1], cells[target - 1])
