"""Consecutive lines of a source: a part that one of several machines translates."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nmt.errors import NmtError, UsageError
from nmt.text.lines import read_lines
from nmt.text.opening import STDIN

SKIPPED_AT_ONCE = 10_000  # lines


@dataclass(frozen=True)
class Span:
    """The lines from `start` to before `stop`, counted from 0; None: to the end."""

    start: int = 0
    stop: int | None = None


WHOLE = Span()


def span_of(source: Path, part: tuple[int, int] | None) -> Span:
    """Return the span of part I of N; parts differ by one line at most, and may be empty.

    The lines are counted first. Raises UsageError for stdin and pipes, which can be read only once,
    NmtError if the source cannot be read.
    """
    if part is None:
        return WHOLE
    if source == STDIN or not source.is_file():
        raise UsageError(
            f"--part counts the lines first, but {source} can be read only once; save it in a file"
        )
    number, count = part
    lines = sum(1 for _ in read_lines(source, ignore))
    return Span(lines * (number - 1) // count, lines * number // count)


def ignore(number: int, error: NmtError) -> None:
    """Take a bad line as a blank one; it is reported when it is translated."""


def take(lines: Iterator[str], count: int) -> Iterator[list[str]]:
    """Yield the next lines in lists, until there are `count` of them or the lines end."""
    while count > 0 and (taken := [*islice(lines, min(count, SKIPPED_AT_ONCE))]):
        count -= len(taken)
        yield taken
