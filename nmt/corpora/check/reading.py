"""Read parallel text that may be damaged; lines that training refuses are recorded and skipped."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from nmt.corpora.check.finding import SHOWN, Example
from nmt.errors import NmtError
from nmt.system.log import progress_bar
from nmt.text.lines import read_lines

Pair = tuple[str, str]
Row = tuple[int, str, str]  # line number from 1, source, target


@dataclass(frozen=True)
class Text:
    """Parallel text: two aligned files, or one TSV file."""

    name: str  # such as "train"
    paths: tuple[Path, ...]

    @property
    def title(self) -> str:
        """The names of the files."""
        return " + ".join(map(str, self.paths))


@dataclass
class Refused:
    """The lines of a text that training would refuse."""

    unreadable: set[int] = field(default_factory=set)  # line numbers, from 1
    without_tab: set[int] = field(default_factory=set)
    examples: list[Example] = field(default_factory=list)  # of the unreadable ones
    lines: list[int] = field(default_factory=lambda: [0, 0])  # of source and target

    def add(self, number: int, error: NmtError) -> None:
        """Record a line that cannot be read."""
        self.unreadable.add(number)
        if len(self.examples) < SHOWN:
            self.examples.append(Example(number, str(error)))

    def between(self, first: int, count: int) -> frozenset[int]:
        """Return the places, from 0, of recorded lines among `count` lines from `first` on."""
        known = self.unreadable | self.without_tab if self.without_tab else self.unreadable
        if not known:
            return frozenset()
        return frozenset(place for place in range(count) if first + place in known)


def read_leniently(text: Text, refused: Refused) -> Iterator[Pair]:
    """Yield the pairs of a text up to the end of the shorter file.

    A line that training would refuse is recorded in `refused`. It is blank here if it is not UTF-8
    or too long, and without a target if it has no tab. Raises NmtError for a file that cannot be
    read or is damaged.
    """
    if len(text.paths) == 1:
        yield from read_columns(text.paths[0], refused)
        return
    sides = [read_lines(path, refused.add) for path in text.paths]
    for source, target in zip_longest(*sides):
        refused.lines[0] += source is not None
        refused.lines[1] += target is not None
        if source is not None and target is not None:
            yield source, target


def read_columns(path: Path, refused: Refused) -> Iterator[Pair]:
    """Yield the first two columns of the lines of a TSV file; a line without a tab is a source."""
    for number, line in enumerate(read_lines(path, refused.add), start=1):
        refused.lines = [number, number]
        source, tab, rest = line.partition("\t")
        if not tab and line.strip():
            refused.without_tab.add(number)
        yield source, rest.partition("\t")[0]


def read_first(text: Text, refused: Refused) -> Iterator[Pair]:
    """Yield the pairs of a text that is read once more later; a progress bar counts them."""
    pairs = read_leniently(text, refused)
    yield from progress_bar(iterable=pairs, unit="pair", unit_scale=True, desc=f"read {text.name}")


def sample_of(text: Text, most: int, refused: Refused | None = None) -> list[Row]:
    """Return at most this many pairs of a text with something on both sides, spread over it.

    refused: receives what `read_leniently` refuses, and the numbers of lines.
    """
    step, kept = 1, list[Row]()
    for number, (source, target) in enumerate(read_first(text, refused or Refused())):
        if number % step == 0:
            kept.append((number + 1, source, target))
            if len(kept) > most:
                kept = kept[::2]
                step *= 2
    return [row for row in kept if row[1].strip() and row[2].strip()]


def with_texts(text: Text, examples: list[Example]) -> list[Example]:
    """Return examples with the segments of their lines, which are read again."""
    wanted = {each.line for each in examples}
    last, texts = max(wanted, default=0), dict[int, Pair]()
    for number, pair in enumerate(read_leniently(text, Refused()), start=1):
        if number in wanted:
            texts[number] = pair
        if number >= last:
            break
    return [each.with_texts(*texts.get(each.line, ("", ""))) for each in examples]
