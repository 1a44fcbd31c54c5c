"""Read the lines of a run's metrics.jsonl as typed records."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nmt.errors import DamagedError
from nmt.evaluation.sample import Sample
from nmt.evaluation.scores import Measure
from nmt.runs.metrics_lines import Line
from nmt.runs.run_folder import RunFolder
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
    records = parse_records(lines, measure)
    if notify and len(records) < len(lines):
        notify(f"{run.metrics}: lines with wrong values left out: {len(lines) - len(records)}")
    return records


def parse_records(lines: Sequence[Line], measure: Measure) -> tuple[Record, ...]:
    """Return the records of lines without wrong values, in the order of updates."""
    records = []
    for line in lines:
        with suppress(DamagedError):
            records.append(parse_record(line, measure.key))
    return tuple(sorted(records, key=lambda record: record.update))


def sound_validations(records: Sequence[Record]) -> list[ValidationRecord]:
    """Return the validations of the weights in training, without those that have no finite loss.

    Their weights are broken, so that their score is no result.
    """
    validations = [each for each in records if isinstance(each, ValidationRecord)]
    return [each for each in validations if each.kind == "dev" and each.loss is not None]


def best_validation(
    records: Sequence[Record], measure: Measure, *, by_loss: bool = False
) -> ValidationRecord | None:
    """Return the first validation with the best score or the lowest loss, None if there is none."""
    scored = [
        (value, each)
        for each in sound_validations(records)
        if (value := each.loss if by_loss else each.score) is not None
    ]
    choose = min if by_loss or measure.lower_is_better else max
    return choose(scored, key=lambda pair: pair[0])[1] if scored else None


def parse_record(line: Mapping[str, Any], score_key: str) -> Record:
    """Return the record of a parsed line that has at least a kind and an update.

    Raises DamagedError if a value has the wrong type.
    """
    values = {**line, "score": line.get(score_key)}
    return convert(values, KINDS.get(line["kind"], Record), "the line")
