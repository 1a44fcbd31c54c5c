"""The history of a run: its metrics.jsonl as typed records, and what these say of the training."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nmt.config import Recipe
from nmt.errors import DamagedError, NmtError
from nmt.system.files import is_present, read_bytes
from nmt.system.json_data import Count, convert, parse_object
from nmt.system.log import Notify

Line = dict[str, Any]  # has at least an integer `update` and a string `kind`
# The key of the dev set's score in a line, by `data.metric`; `nmt.evaluation` computes it.
SCORE_KEYS = {"bleu": "bleu", "error_rate": "token_error_rate"}


@dataclass(frozen=True)
class LineKey:
    """The fields that every line has."""

    kind: str
    update: Count


@dataclass(frozen=True)
class Record:
    """A line of metrics.jsonl; a value is None if it is missing or was not finite."""

    kind: str  # "train", "dev", "average" or "skipped"
    update: int
    epoch: float | None = None  # counted from 1
    seconds: float | None = None  # spent in updates so far


@dataclass(frozen=True)
class TrainRecord(Record):
    """Means over the updates since the previous record of this kind."""

    loss: float | None = None  # a token, smoothed
    perplexity: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    tokens_per_second: float | None = None  # source and target


@dataclass(frozen=True)
class Sample:
    """A dev segment and its translation at one validation."""

    source: str
    references: tuple[str, ...]
    translation: str


@dataclass(frozen=True)
class ValidationMetrics:
    """The results of one validation."""

    update: int
    loss: float | None  # a token, smoothed
    perplexity: float | None
    score: float | None  # by the first measure of data.metric


@dataclass(frozen=True)
class ValidationRecord(Record):
    """A validation on the dev set, of the weights in training or of the average."""

    loss: float | None = None
    perplexity: float | None = None
    score: float | None = None
    samples: tuple[Sample, ...] = ()
    averaged_updates: tuple[Count, ...] | None = None  # those of an average's checkpoints
    by_direction: dict[str, float | None] | None = None  # scores, if there are several directions

    @property
    def metrics(self) -> ValidationMetrics:
        """Return the results without the samples."""
        return ValidationMetrics(self.update, self.loss, self.perplexity, self.score)


KINDS: dict[str, type[Record]] = {
    "train": TrainRecord,
    "dev": ValidationRecord,
    "average": ValidationRecord,
}


@dataclass(frozen=True)
class History:
    """The records of a run's training so far."""

    recipe: Recipe
    records: tuple[Record, ...]  # in the order of updates

    @property
    def update(self) -> int:
        """Return the last update, 0 without one."""
        return self.records[-1].update if self.records else 0

    @property
    def is_ended(self) -> bool:
        """Return whether the training ended with the last update: it then has an average."""
        return self.average is not None and self.average.update == self.update

    @property
    def train_records(self) -> list[TrainRecord]:
        """Return the reports of training."""
        return [record for record in self.records if isinstance(record, TrainRecord)]

    @cached_property
    def scored(self) -> list[ValidationRecord]:
        """Return all validations, those of averages too."""
        return [record for record in self.records if isinstance(record, ValidationRecord)]

    @cached_property
    def validations(self) -> list[ValidationRecord]:
        """Return the validations of the weights in training, without those of averages."""
        return [record for record in self.scored if record.kind == "dev"]

    @property
    def sound_validations(self) -> list[ValidationRecord]:
        """Return the validations with a finite loss; the score of broken weights is no result."""
        return [record for record in self.validations if record.loss is not None]

    @property
    def average(self) -> ValidationRecord | None:
        """Return the validation of the last average."""
        return next((record for record in reversed(self.scored) if record.kind == "average"), None)

    @property
    def best(self) -> ValidationRecord | None:
        """Return the validation of the best model, None if there is none."""
        by_loss = self.recipe.train.early_stopping_metric == "loss"
        return self.best_by("loss" if by_loss else "score")

    @property
    def skipped_updates(self) -> list[int]:
        """Return the updates whose loss or gradient was not finite."""
        return [record.update for record in self.records if record.kind == "skipped"]

    def best_by(self, metric: str) -> ValidationRecord | None:
        """Return the first validation with the lowest "loss" or the best "score", if any."""
        lowest = metric == "loss" or self.recipe.data.metric == "error_rate"
        valued = [
            (value, record)
            for record in self.sound_validations
            if (value := getattr(record, metric)) is not None
        ]
        choose = min if lowest else max
        return choose(valued, key=lambda pair: pair[0])[1] if valued else None

    def validation(self, updates: Sequence[int]) -> ValidationRecord | None:
        """Return the last validation of a model's weights, None if there is none.

        updates: those of the checkpoint, or of the averaged checkpoints.
        """
        for record in reversed(self.scored):
            weights = (record.update,) if record.kind == "dev" else record.averaged_updates
            if weights == (*updates,):
                return record
        return None


def read_metrics(path: Path, notify: Notify | None = None) -> list[Line]:
    """Return the intact lines of a metrics.jsonl; none if the file does not exist, or is a device.

    notify: called with the number of damaged lines. Raises NmtError if the file cannot be read.
    """
    if not is_present(path) or not (path.is_file() or path.is_dir()):
        return []  # reading /dev/full would never end
    written = [line for line in read_bytes(path, "the metrics").split(b"\n") if line.strip()]
    intact = []
    for line in written:
        with suppress(NmtError):  # it is damaged or cut short
            values = parse_object(line, "the line")
            intact.append({**values, "update": convert(values, LineKey, "the line").update})
    if notify and len(intact) < len(written):
        notify(f"{path}: damaged lines left out: {len(written) - len(intact)}")
    return intact


def read_history(path: Path, recipe: Recipe, notify: Notify | None = None) -> History:
    """Return the history in a metrics.jsonl; without records if the file does not exist.

    notify: receives a note on damaged lines, which are left out.
    """
    lines = read_metrics(path, notify)
    history = parse_history(lines, recipe)
    wrong = len(lines) - len(history.records)
    if notify and wrong:
        notify(f"{path}: lines with wrong values left out: {wrong}")
    return history


def parse_history(lines: Iterable[Line], recipe: Recipe) -> History:
    """Return the history in lines; those with wrong values are left out."""
    records = []
    for line in lines:
        with suppress(DamagedError):
            records.append(parse_record(line, recipe))
    return History(recipe, tuple(sorted(records, key=lambda record: record.update)))


def parse_record(line: Line, recipe: Recipe) -> Record:
    """Return the record of a line; raises DamagedError if a value has the wrong type."""
    values = {**line, "score": line.get(SCORE_KEYS[recipe.data.metric])}
    return convert(values, KINDS.get(line["kind"], Record), "the line")
