"""Make requests of lines: a line alone, with a prefix from another file, or from a column."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from nmt.decoding.marks.marked import Mark
from nmt.errors import UsageError
from nmt.system.files import check_file
from nmt.text.lines import read_lines
from nmt.text.opening import STDIN, TEXT, check_stdin, name_of


class Request(NamedTuple):
    """A segment to translate, and what is asked of its translation."""

    text: str
    prefix: str = ""  # the translation must begin with it
    marks: tuple[Mark, ...] = ()  # of the text; each candidate has them too, at their places


RequestsOf = Callable[[Sequence[str]], list[Request]]  # of the next lines of the source


def plain(lines: Sequence[str]) -> list[Request]:
    """Return requests that ask for nothing but a translation."""
    return [*map(Request, lines)]


def with_columns(lines: Sequence[str]) -> list[Request]:
    """Return the requests of lines that hold a source, a tab and a prefix; both may be empty."""
    columns = [line.partition("\t") for line in lines]
    return [Request(source, stripped(prefix)) for source, _, prefix in columns]


def stripped(prefix: str) -> str:
    """Return a prefix without space around it, but one space at its end, which ends a word."""
    return f"{prefix.strip()} " if prefix[-1:].isspace() and prefix.strip() else prefix.strip()


def with_prefixes(prefixes: Iterable[str]) -> RequestsOf:
    """Return a function that makes requests of lines, each with the next prefix.

    It returns fewer requests than lines if the prefixes come to an end.
    """
    following = iter(prefixes)

    def requests(lines: Sequence[str]) -> list[Request]:
        given = [stripped(prefix) for prefix in islice(following, len(lines))]
        return [Request(*pair) for pair in zip(lines, given, strict=False)]

    return requests


@contextmanager
def prefix_file(path: Path, *, is_whole: bool) -> Iterator[RequestsOf]:
    """Open a file with the prefix of each line of the source; a blank line asks for no prefix.

    is_whole: the source is read to its end. Then UsageError is raised, at the end of the block at
    the latest, unless the file has as many lines.
    """
    prefixes = read_lines(path)
    with_next = with_prefixes(prefixes)
    count = 0

    def requests(lines: Sequence[str]) -> list[Request]:
        nonlocal count
        asked = with_next(lines)
        count += len(asked)
        if len(asked) < len(lines):
            raise UsageError(
                f"{name_of(path)} has {count:,} lines but the source has more; --prefix needs one"
                " for each line of the source (it may be blank)"
            )
        return asked

    yield requests
    if is_whole and next(prefixes, None) is not None:
        raise UsageError(
            f"{name_of(path)} has more lines than the source, which has {count:,}; --prefix needs"
            " one for each line of the source"
        )


def requests_of(
    source: Path, prefix: Path | None, *, prefix_column: bool, is_whole: bool = True
) -> AbstractContextManager[RequestsOf]:
    """Return how requests are made: from a prefix file, from a column, or of lines alone.

    is_whole: the source is translated to its end.

    Raises UsageError if both are asked for or stdin would be read twice, NmtError if the prefix
    file cannot be read.
    """
    if prefix is not None and prefix_column:
        raise UsageError("--prefix and --prefix-column name two sources of prefixes; use one")
    if prefix is not None:
        check_stdin([source, prefix])
        if prefix != STDIN:
            check_file(prefix, TEXT, "name another file of prefixes")
        return prefix_file(prefix, is_whole=is_whole)
    return nullcontext(with_columns if prefix_column else plain)
