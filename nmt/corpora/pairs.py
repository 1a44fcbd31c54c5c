"""Read parallel text that may be damaged, and write the text that a command makes of it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import IO, Any, TypeVar

from nmt.config import TokenizerSettings
from nmt.corpora.faults.findings import SHOWN, Example
from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import check_output
from nmt.system.atomic import atomic_paths
from nmt.system.log import progress_bar
from nmt.text.reading.corpus import Pair, ParallelText, pair_in
from nmt.text.reading.lines import MAGIC, read_lines, text_file
from nmt.text.subwords.learning import learn_subwords, most_tokens
from nmt.text.subwords.tokenizer import Tokenizer

Row = tuple[int, str, str]  # line number from 1, source, target
Item = TypeVar("Item", bound=tuple[Any, ...])  # a pair or a row
MOST_CHARACTERS = 8_000_000  # of a sample: SentencePiece learns from them in a few seconds


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

    def check_aligned(self, text: ParallelText) -> None:
        """Raise NmtError if the files of a text that was read have different numbers of lines."""
        first, second = self.lines
        if first != second:
            raise NmtError(
                f"{text.paths[0]} has {first:,} lines but {text.paths[1]} has {second:,}; run"
                " `nmt check`, which names the lines where files slip against each other"
            )

    def between(self, first: int, count: int) -> frozenset[int]:
        """Return the indices, from 0, of recorded lines among `count` lines from `first` on."""
        numbers = range(first, first + count)
        kinds = [kind for kind in (self.unreadable, self.without_tab) if kind]  # else it is slow
        return frozenset(number - first for kind in kinds for number in kind.intersection(numbers))


def read_leniently(text: ParallelText, refused: Refused) -> Iterator[Pair]:
    """Yield the pairs of a text up to the end of the shorter file.

    A line that training would refuse is recorded in `refused`. It is blank here if it is not UTF-8
    or too long, and without a target if it has no tab. Raises NmtError for a file that cannot be
    read or is damaged.
    """
    if text.reader:
        for pair in text.reader.pairs(text.paths[0], text.languages, refused.add):
            refused.lines = [refused.lines[0] + 1] * 2
            yield pair
        return
    if len(text.paths) == 1:
        for number, line in enumerate(read_lines(text.paths[0], refused.add), start=1):
            refused.lines = [number, number]
            found = pair_in(line, text.columns)
            if found is None:
                refused.without_tab.add(number)
            yield found or Pair(line, "")
        return
    sides = [read_lines(path, refused.add) for path in text.paths]
    for source, target in zip_longest(*sides):
        refused.lines[0] += source is not None
        refused.lines[1] += target is not None
        if source is not None and target is not None:
            yield Pair(source, target)


def shown(pairs: Iterable[Item], what: str) -> Iterator[Item]:
    """Yield pairs while a progress bar counts them; what: is done with them."""
    yield from progress_bar(iterable=pairs, unit="pair", unit_scale=True, desc=what)


def sample_evenly(
    pairs: Iterable[Item], most_pairs: int, most_characters: float = MOST_CHARACTERS
) -> list[Item]:
    """Return every k-th of the pairs or rows, with k as small as it may be.

    Whenever the sample is full, every other pair of it is dropped and k doubles.
    """
    sample, step, characters = list[Item](), 1, 0
    for number, pair in enumerate(pairs):
        if number % step == 0:
            sample.append(pair)
            characters += sum(map(len, pair[-2:]))
        while len(sample) > 1 and (len(sample) > most_pairs or characters > most_characters):
            sample = sample[::2]
            step *= 2
            characters = sum(len(side) for kept in sample for side in kept[-2:])
    return sample


def sample_rows(text: ParallelText, most: int, refused: Refused | None = None) -> list[Row]:
    """Return at most this many pairs of a text with something on both sides, spread over it.

    refused: receives what `read_leniently` refuses, and the numbers of lines.
    """
    pairs = shown(read_leniently(text, refused or Refused()), f"read {text.name}")
    rows = ((number, *pair) for number, pair in enumerate(pairs, start=1))
    return [row for row in sample_evenly(rows, most, math.inf) if has_text(Pair(*row[1:]))]


def has_text(pair: Pair) -> bool:
    """Return whether both sides of a pair have text."""
    return bool(pair.source.strip() and pair.target.strip())


def learn_from(
    pairs: Iterable[Pair], settings: TokenizerSettings, tags: Sequence[str] = ()
) -> Tokenizer:
    """Learn a joint tokenizer from a sample; it is smaller if the sample has too little text.

    Raises NmtError if no vocabulary can be learned.
    """
    segments = [*chain.from_iterable(pairs)]
    try:
        subwords = learn_subwords(segments, settings, tags=tags)
    except NmtError:
        most = most_tokens(segments, settings.character_coverage)
        if most >= settings.vocab_size:
            raise  # the text has more distinct characters than that
        subwords = learn_subwords(segments, replace(settings, vocab_size=most), tags=tags)
    return Tokenizer(subwords.model)


OPTION = "-o"
REJECTED = "rejected"  # the ending of the file of removed pairs, before .tsv


@dataclass(frozen=True)
class Names:
    """Name new files: the beginning is given, and the endings are those of the old files."""

    prefix: str  # the path of a folder ends in a slash
    endings: tuple[str, str]  # of source and target, such as "en.gz"

    @classmethod
    def for_text(
        cls, prefix: str, text: ParallelText, languages: tuple[str, str] = ("", "")
    ) -> "Names":
        """Return the names of files in two languages, packed if one of a text's files is.

        languages: those of the text by default. Raises UsageError for an empty prefix, with which
        the files would be hidden.
        """
        if not prefix:
            raise UsageError(f"{OPTION} is empty; give a prefix such as mine, or a folder and /")
        if prefix.rpartition("/")[2] in (".", ".."):
            raise UsageError(f"{OPTION} {prefix} is a folder; add a slash: {OPTION} {prefix}/")
        source, target = languages if all(languages) else text.languages
        if not (source and target) or source == target:
            source, target = "source", "target"
        packed = next((path.suffix for path in text.paths if path.suffix in MAGIC), "")
        return cls(prefix, (f"{source}{packed}", f"{target}{packed}"))

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
    finals = [*chain.from_iterable(paths.values())]
    with atomic_paths(finals) as partials, ExitStack() as streams:
        opened = (
            streams.enter_context(text_file(partial, path.suffix))
            for path, partial in zip(finals, partials, strict=True)
        )
        yield {key: [next(opened) for _ in files] for key, files in paths.items()}


def check_paths(paths: Mapping[str, Sequence[Path]], sources: Sequence[Path]) -> None:
    """Raise UsageError unless a command may write these files; call it before work starts."""
    for path in chain.from_iterable(paths.values()):
        check_output(path, sources, OPTION)


def row(*cells: object) -> str:
    """Return a line of a TSV file; tabs become spaces."""
    return "\t".join(str(cell).replace("\t", " ") for cell in cells) + "\n"
