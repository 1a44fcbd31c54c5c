"""Read the lines of a run's metrics.jsonl as typed records."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nmt.artifacts.run_folder import RunFolder
from nmt.errors import DamagedError
from nmt.evaluation.sample import Sample
from nmt.evaluation.scores import Measure
from nmt.system.json_data import convert


@dataclass(frozen=True)
class Record:
    """Hold a line of metrics.jsonl; a figure is None if it is missing or was not finite."""

    kind: str  # "train", "dev", "average" or "skipped"
    update: int
    epoch: float | None = None  # counted from 1
    seconds: float | None = None  # spent in updates so far


@dataclass(frozen=True)
class TrainRecord(Record):
    """Hold means over the updates since the previous record of this kind."""

    loss: float | None = None  # a token, smoothed
    perplexity: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    tokens_per_second: float | None = None  # source and target


@dataclass(frozen=True)
class Figures:
    """Hold the results of one validation."""

    update: int
    loss: float | None  # a token, smoothed
    perplexity: float | None
    score: float | None  # by the first measure of data.metric


@dataclass(frozen=True)
class ValidationRecord(Record):
    """Hold a validation on the dev set, of the weights in training or of the average."""

    loss: float | None = None
    perplexity: float | None = None
    score: float | None = None
    samples: tuple[Sample, ...] = ()

    @property
    def figures(self) -> Figures:
        """Return the results without the samples."""
        return Figures(self.update, self.loss, self.perplexity, self.score)


KINDS: dict[str, type[Record]] = {
    "train": TrainRecord,
    "dev": ValidationRecord,
    "average": ValidationRecord,
}


def read_records(
    run: RunFolder, measure: Measure, notify: Callable[[str], None] | None = None
) -> tuple[Record, ...]:
    """Return the records of a run in the order of updates; empty without metrics.jsonl.

    measure: what validations are scored by. notify: receives a note on damaged lines, which are
    left out.
    """
    lines = run.read_metrics(notify)
    records = []
    for line in lines:
        with suppress(DamagedError):
            records.append(parse_record(line, measure.key))
    if notify and len(records) < len(lines):
        notify(f"{run.metrics}: lines with wrong values left out: {len(lines) - len(records)}")
    return tuple(sorted(records, key=lambda record: record.update))


def parse_record(line: Mapping[str, Any], score_key: str) -> Record:
    """Return the record of a parsed line that has at least a kind and an update.

    Raises DamagedError if a value has the wrong type.
    """
    values = {**line, "score": line.get(score_key)}
    return convert(values, KINDS.get(line["kind"], Record), "the line")
