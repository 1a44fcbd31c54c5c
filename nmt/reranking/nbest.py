"""Read n-best lists: JSON lines as `nmt translate --n-best` writes them, or Moses's format.

A list is a record: a line of JSON, or the adjacent lines with one index in Moses's format.
"""

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nmt.decoding.output_formats import ESCAPED_MARK, MOSES_MARK
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
    return Source(moses_records(every, name))


def moses_records(lines: Iterator[str], name: str) -> Iterator[str]:
    """Yield the lines of each list in Moses's format, joined by line feeds."""
    expected = itertools.count()
    for index, group in itertools.groupby(
        lines, lambda line: line.partition(MOSES_MARK)[0].strip()
    ):
        number = next(expected)
        if index != str(number):
            raise NmtError(
                f"{name}: list {shown(index)} is where list {number} must be; each line of the"
                " source needs a list, in order, from 0 on"
            )
        yield "\n".join(group)


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
    for each in found:
        if "\n" in each.text + (each.written or ""):
            raise NmtError(f"{origin} has a translation with a line break; replace it by a space")
    return found


def parse_json_line(line: str, origin: str) -> tuple[Candidate, ...]:
    """Return the candidates of a line of JSON."""
    entries = parse_json(line, JsonLists, origin).translations
    typed = (convert(entry, ScoredText, origin) for entry in entries)
    return tuple(
        Candidate(each.text, each.score, entry, each.written)
        for each, entry in zip(typed, entries, strict=True)
    )


def parse_moses(record: str, origin: str) -> tuple[Candidate, ...]:
    """Return the candidates of lines in Moses's format: the score is the last field."""
    found = []
    for line in record.split("\n"):
        fields = [each.strip() for each in line.split(MOSES_MARK)]
        try:
            text, score = fields[1].replace(ESCAPED_MARK, MOSES_MARK), finite(fields[-1])
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


def finite(text: str) -> float:
    """Return the number in a text; raises ValueError if it is none, NaN or infinite."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number
