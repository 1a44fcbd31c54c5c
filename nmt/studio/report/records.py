"""Read the lines of a run's metrics.jsonl as typed records."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.evaluation.sample import Sample
from nmt.evaluation.scores import Measure
from nmt.evaluation.tasks import task_metrics


@dataclass(frozen=True)
class Record:
    """One line of metrics.jsonl; a figure is None if the line holds no finite number for it."""

    kind: str  # "train", "dev", "average" or "skipped"
    update: int
    epoch: float | None  # counted from 1
    seconds: float | None  # spent in updates so far


@dataclass(frozen=True)
class TrainRecord(Record):
    """Means over the updates since the previous record of this kind."""

    loss: float | None  # a token, smoothed
    perplexity: float | None
    learning_rate: float | None
    gradient_norm: float | None
    tokens_per_second: float | None  # source and target


@dataclass(frozen=True)
class Figures:
    """Results of one validation."""

    update: int
    loss: float | None  # a token, smoothed
    perplexity: float | None
    score: float | None  # by the first measure of data.metric


@dataclass(frozen=True)
class ValidationRecord(Record):
    """A validation on the dev set, of the weights in training or of the average."""

    loss: float | None
    perplexity: float | None
    score: float | None
    samples: tuple[Sample, ...]

    @property
    def figures(self) -> Figures:
        """Return the results without the samples."""
        return Figures(self.update, self.loss, self.perplexity, self.score)


def score_measure(recipe: Recipe) -> Measure:
    """Return the measure that validations of a recipe are scored by."""
    return task_metrics(recipe.data.metric, recipe.data.target_language).measures[0]


def read_records(
    run: RunFolder, measure: Measure, notify: Callable[[str], None] | None = None
) -> tuple[Record, ...]:
    """Return the records of a run in the order of updates; empty without metrics.jsonl.

    measure: what validations are scored by. notify: receives a note on damaged lines, which are
    left out.
    """
    records = (parse_record(line, measure.key) for line in run.read_metrics(notify))
    return tuple(sorted(records, key=lambda record: record.update))


def parse_record(line: Mapping[str, Any], score_key: str) -> Record:
    """Return the record of a parsed line that has at least a kind and an update."""
    kind, update = line["kind"], line["update"]
    epoch, seconds = finite_number(line.get("epoch")), finite_number(line.get("seconds"))
    loss, perplexity = finite_number(line.get("loss")), finite_number(line.get("perplexity"))
    if kind == "train":
        names = ("learning_rate", "gradient_norm", "tokens_per_second")
        others = (finite_number(line.get(name)) for name in names)
        return TrainRecord(kind, update, epoch, seconds, loss, perplexity, *others)
    if kind in ("dev", "average"):
        score, samples = finite_number(line.get(score_key)), parse_samples(line.get("samples"))
        return ValidationRecord(kind, update, epoch, seconds, loss, perplexity, score, samples)
    return Record(kind, update, epoch, seconds)


def finite_number(value: Any) -> float | None:
    """Return a value if it is a finite number, else None."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None


def parse_samples(value: Any) -> tuple[Sample, ...]:
    """Return the samples of a validation; none if any of them is damaged."""
    if not isinstance(value, list) or not all(map(is_sample, value)):
        return ()
    return tuple(
        Sample(each["source"], tuple(each["references"]), each["translation"]) for each in value
    )


def is_sample(value: Any) -> bool:
    """Return whether a JSON value has a sample's keys and types."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("source"), str)
        and isinstance(value.get("translation"), str)
        and isinstance(value.get("references"), list)
        and all(isinstance(each, str) for each in value["references"])
    )
