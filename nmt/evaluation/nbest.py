"""Read n-best lists: JSON lines as `nmt translate --n-best` writes them, or Moses's format.

A list is a record: a line of JSON, or the adjacent lines with one index in Moses's format.
"""

import itertools
import math
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nmt.decoding.files.output_formats import ESCAPED_MARK, MOSES_MARK
from nmt.decoding.stream import Source
from nmt.errors import NmtError, shown
from nmt.system.json_data import convert, parse_json

# Features that this program writes, and their names in JSON.
MOSES_FEATURE = re.compile(r"(LogProb0|Utility0)= (-?\d+\.\d+)(?= |$)")
JSON_NAMES = {"LogProb0": "log_prob", "Utility0": "utility"}


@dataclass(frozen=True)
class Candidate:
    """A translation that is to be ranked."""

    text: str
    score: float  # of the model that found it
    data: dict[str, Any] = field(default_factory=dict)  # all that the record says about it
    written: str | None = None  # the model's own text, if the record has that of an odd line


@dataclass(frozen=True)
class ScoredText:
    """The keys of a candidate in JSON that are read; text and score must be there."""

    text: str
    score: float
    written: str | None = None


@dataclass(frozen=True)
class JsonLists:
    """A line of JSON."""

    translations: list[dict[str, Any]]


def records(source: Source[str], name: str) -> Source[str]:
    """Return the records among the lines of a text that arrives; `name` stands for it.

    Raises NmtError if the indices of Moses's format are not 0, 1, 2, ...
    """
    lines = iter(source.segments)
    first = next(lines, None)
    if first is None:
        return Source(())
    every = itertools.chain([first], lines)
    if first.lstrip().startswith("{") or MOSES_MARK not in first:
        return Source(every, source.is_ready)
    lists = MosesLists(every, source.is_ready, name)
    return Source(lists, lists.is_ready)


class MosesLists:
    """The lists in Moses's format as they arrive: the lines of each, joined by line feeds.

    A list is complete when the next one begins, or at the end.
    """

    def __init__(self, lines: Iterator[str], is_ready: Callable[[float], bool], name: str) -> None:
        """Read lines; is_ready: as of `Source`, for the lines."""
        self._lines, self._line_is_ready, self._name = lines, is_ready, name
        self._begun: list[str] = []  # the lines of the next list, so far
        self._index = ""  # of that list
        self._count = 0  # of complete lists
        self._complete: deque[str] = deque()  # lists that were read but not yet returned
        self._at_end = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not self._complete:
            if self._at_end:
                raise StopIteration
            self._read()
        return self._complete.popleft()

    def is_ready(self, deadline: float) -> bool:
        """Return whether the next list, or the end, arrives before a time of time.monotonic()."""
        while not self._complete and not self._at_end:
            if not self._line_is_ready(deadline):
                return False
            self._read()
        return True

    def _read(self) -> None:
        line = next(self._lines, None)
        index = "" if line is None else line.partition(MOSES_MARK)[0].strip()
        if self._begun and (line is None or index != self._index):
            if self._index != str(self._count):
                raise NmtError(
                    f"{self._name}: list {shown(self._index)} is where list {self._count} must be;"
                    " each line of the source needs a list, in order, from 0 on"
                )
            self._complete.append("\n".join(self._begun))
            self._begun = []
            self._count += 1
        if line is None:
            self._at_end = True
        else:
            self._begun.append(line)
            self._index = index


def parse_record(record: str, number: int, name: str) -> tuple[Candidate, ...]:
    """Return the candidates of a record, in order; at least one.

    number: of the list, from 1. name: of the text. Raises NmtError, which names both, for a record
    of another format.
    """
    origin = f"{name}, list {number}"
    is_moses = MOSES_MARK in record and not record.lstrip().startswith("{")
    found = parse_moses(record, origin) if is_moses else parse_json_line(record, origin)
    if not found:
        raise NmtError(f"{origin} has no translation; each list needs one at least")
    for candidate in found:
        if "\n" in candidate.text + (candidate.written or ""):
            raise NmtError(f"{origin} has a translation with a line break; replace it by a space")
    return found


def parse_json_line(line: str, origin: str) -> tuple[Candidate, ...]:
    """Return the candidates of a line of JSON."""
    if not line.lstrip().startswith("{"):
        raise NmtError(
            f"{origin} is not an n-best list: {shown(line)}; `nmt translate --n-best N"
            " --output-format json` (or moses) writes them"
        )
    entries = parse_json(line, JsonLists, origin).translations
    found = []
    for entry in entries:
        typed = convert(entry, ScoredText, origin)
        found.append(Candidate(typed.text, typed.score, entry, typed.written))
    return tuple(found)


def parse_moses(record: str, origin: str) -> tuple[Candidate, ...]:
    """Return the candidates of lines in Moses's format: the score is the last field."""
    found = []
    for line in record.split("\n"):
        fields = [*map(str.strip, line.split(MOSES_MARK))]
        try:
            text, score = fields[1].replace(ESCAPED_MARK, MOSES_MARK), float(fields[-1])
            if not math.isfinite(score):
                raise ValueError
        except (IndexError, ValueError) as error:
            raise NmtError(
                f"{origin} has a line that is not `index ||| text ||| features ||| score`:"
                f" {shown(line)}"
            ) from error
        data = {"text": text, "score": score}
        for name, value in MOSES_FEATURE.findall(fields[2] if len(fields) > 3 else ""):
            data[JSON_NAMES[name]] = float(value)
        found.append(Candidate(text, score, data))
    return tuple(found)
