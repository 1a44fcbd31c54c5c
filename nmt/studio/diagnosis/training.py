"""A training so far, as its diagnosis reads it, and what the diagnosis says of it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from nmt.config import Recipe
from nmt.evaluation.metrics import Measure, score_measure
from nmt.runs.history import History, Record, TrainRecord, ValidationRecord
from nmt.text.facts import TokenFacts

# Lines whose mean is the training loss at an update. From one line to the next, the loss of the
# shipped recipes' trainings differs by up to 0.1; a mean of three by up to 0.05.
MEAN_LINES = 3
# Points of the score. Two validations in a row of one training may differ by as much by chance.
NOTABLE_GAIN = 0.1


@dataclass(frozen=True)
class Finding:
    """Describe one fault of a training, or a note on it, in plain words."""

    kind: str  # such as "overfitting"
    severity: Literal["warning", "note"]
    title: str
    since: int | None  # update from which on it is seen; None: known before the first, or a note
    seen: str  # a sentence with numbers
    meaning: str  # a sentence
    change: str  # a setting with a value, or a command

    @property
    def heading(self) -> str:
        """Return the title and the update from which on the fault is seen."""
        return f"{self.title}, since update {self.since:,}" if self.since else self.title

    def lines(self) -> list[str]:
        """Return the finding as lines of text."""
        return [
            f"{self.severity}: {self.heading}",
            f"  seen: {self.seen}",
            f"  meaning: {self.meaning}",
            f"  to do: {self.change}",
        ]


@dataclass(frozen=True)
class Point:
    """Hold a loss after an update."""

    update: int
    loss: float  # nats a token, unsmoothed


@dataclass(frozen=True)
class Training(History):
    """Describe a training so far; without torch, and without reading a file."""

    facts: TokenFacts | None = None  # None: the prepared text is not at hand
    name: str = "RUN"  # run folder, as commands name it

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        records: Iterable[Record],
        facts: TokenFacts | None = None,
        name: str = "RUN",
    ) -> "Training":
        """Return a training; if records have the same kind and update, the last one counts.

        Records without an update, which only a changed file has, do not count.
        """
        kept = {(record.kind, record.update): record for record in records if record.update > 0}
        ordered = sorted(kept.values(), key=lambda record: record.update)
        return cls(recipe, tuple(ordered), facts, name)

    @cached_property
    def measure(self) -> Measure:
        """Return what validations are scored by."""
        return score_measure(self.recipe)

    @property
    def is_past_warmup(self) -> bool:
        """Return True if the learning rate has reached its peak."""
        return self.update >= self.recipe.train.warmup_updates

    @property
    def peak_rate(self) -> float:
        """Return the highest learning rate of the schedule (section 5.3)."""
        train = self.recipe.train
        return train.learning_rate_scale / math.sqrt(
            self.recipe.model.d_model * train.warmup_updates
        )

    @cached_property
    def scores(self) -> list[tuple[int, float]]:
        """Return updates and scores of the validations that have a score."""
        return [
            (record.update, record.score)
            for record in self.sound_validations
            if record.score is not None
        ]

    @cached_property
    def worse_validations(self) -> int:
        """Return how many validations have passed since the score last improved notably."""
        count, best = 0, None
        for _, score in self.scores:
            gain = math.inf if best is None else self.improvement(best, score)
            best, count = (score, 0) if gain >= NOTABLE_GAIN else (best, count + 1)
        return count

    def improvement(self, before: float, after: float) -> float:
        """Return by how much a score is better than one before it; negative if it is worse."""
        return before - after if self.measure.lower_is_better else after - before

    @cached_property
    def dev(self) -> list[Point]:
        """Return the dev losses."""
        return points(self.validations)

    @cached_property
    def train(self) -> list[Point]:
        """Return the means of the training loss over `MEAN_LINES` lines, at the last of these."""
        lines = points(self.train_records)
        return [
            Point(
                lines[end].update,
                sum(line.loss for line in lines[end - MEAN_LINES + 1 : end + 1]) / MEAN_LINES,
            )
            for end in range(MEAN_LINES - 1, len(lines))
        ]

    def train_at(self, update: int) -> Point | None:
        """Return the last mean training loss up to an update."""
        return next((point for point in reversed(self.train) if point.update <= update), None)


def points(records: Iterable[TrainRecord | ValidationRecord]) -> list[Point]:
    """Return the unsmoothed losses of records that have one."""
    return [
        Point(record.update, math.log(record.perplexity))
        for record in records
        if record.perplexity is not None and 1 <= record.perplexity < math.inf
    ]
