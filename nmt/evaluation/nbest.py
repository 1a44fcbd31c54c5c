"""Read n-best lists: JSON lines as `nmt translate --n-best` writes them, or Moses's format.

A list is a record: a line of JSON, or the adjacent lines with one index in Moses's format.
"""

import itertools
import math
import re
from collections.abc import Iterable, Iterator
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
class ScoredText:
    """The keys of a candidate in JSON that are read; text and score must be there."""

    text: str
    score: float  # of the model that found it
    written: str | None = None  # the model's own text, if the record has that of an odd line


@dataclass(frozen=True)
class Candidate(ScoredText):
    """A translation that is to be ranked."""

    data: dict[str, Any] = field(default_factory=dict)  # all that the record says about it


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
    arriving = Source(itertools.chain([first], lines), source.is_ready)
    if first.lstrip().startswith("{") or MOSES_MARK not in first:
        return arriving
    return moses_lists(arriving, name)


def moses_lists(lines: Source[str], name: str) -> Source[str]:
    """Return the lists in Moses's format as they arrive, the lines of each joined by line feeds."""
    steps = read_lists(lines.segments, name)
    complete: list[str] = []  # the next list, if it was read to know whether it is ready

    def is_ready(deadline: float) -> bool:
        while not complete and lines.is_ready(deadline):
            step = next(steps, None)
            if step is None:
                return True
            complete.extend(step)
        return bool(complete)

    def lists() -> Iterator[str]:
        step: list[str] | None
        while (step := [*complete] if complete else next(steps, None)) is not None:
            complete.clear()
            yield from step

    return Source(lists(), is_ready)


def read_lists(lines: Iterable[str], name: str) -> Iterator[list[str]]:
    """Yield, for each line that is read and at the end, the list that is complete then, if any.

    A list is complete when the next one begins, or at the end.
    """
    begun: list[str] = []  # the lines of the next list, so far
    before, count = "", 0  # the index of that list, and how many are complete
    for line in itertools.chain(lines, [None]):
        index = "" if line is None else line.partition(MOSES_MARK)[0].strip()
        complete: list[str] = []
        if begun and (line is None or index != before):
            if before != str(count):
                raise NmtError(
                    f"{name}: list {shown(before)} is where list {count} must be; each line of the"
                    " source needs a list, in order, from 0 on"
                )
            complete, begun, count = ["\n".join(begun)], [], count + 1
        if line is not None:
            begun.append(line)
        before = index
        yield complete


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
        found.append(Candidate(typed.text, typed.score, typed.written, entry))
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
        found.append(Candidate(text, score, data=data))
    return tuple(found)
