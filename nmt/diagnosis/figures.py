"""Hold the figures of a training so far, as its diagnosis reads them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from nmt.config import Recipe
from nmt.diagnosis.records import (
    Record,
    TrainRecord,
    ValidationRecord,
    best_validation,
    sound_validations,
)
from nmt.diagnosis.token_facts import TokenFacts
from nmt.evaluation.scores import Measure

# Lines whose mean is the training loss at an update. From one line to the next, the loss of the
# shipped recipes' trainings differs by up to 0.1; a mean of three by up to 0.05.
MEAN_LINES = 3
# Points of the score. Two validations in a row of one training may differ by as much by chance.
NOTABLE_GAIN = 0.1


@dataclass(frozen=True)
class Point:
    """Hold a loss after an update."""

    update: int
    loss: float  # nats a token, unsmoothed


@dataclass(frozen=True)
class Training:
    """Describe a training so far; without torch, and without reading a file."""

    recipe: Recipe
    measure: Measure  # what validations are scored by
    records: tuple[Record, ...]  # in the order of updates
    facts: TokenFacts | None = None  # None: the prepared text is not at hand
    name: str = "RUN"  # run folder, as commands name it

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        measure: Measure,
        records: Iterable[Record],
        facts: TokenFacts | None = None,
        name: str = "RUN",
    ) -> "Training":
        """Return a training; if records have the same kind and update, the last one counts.

        Records without an update, which only a changed file has, do not count.
        """
        kept = {(each.kind, each.update): each for each in records if each.update > 0}
        ordered = sorted(kept.values(), key=lambda each: each.update)
        return cls(recipe, measure, tuple(ordered), facts, name)

    @property
    def update(self) -> int:
        """Return the number of updates so far."""
        return self.records[-1].update if self.records else 0

    @property
    def is_finished(self) -> bool:
        """Return True if there is nothing left to train."""
        return self.average is not None or self.update >= self.recipe.train.max_updates

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
    def validations(self) -> list[ValidationRecord]:
        """Return the validations of the weights in training, without those of averages."""
        return [
            each
            for each in self.records
            if isinstance(each, ValidationRecord) and each.kind == "dev"
        ]

    @property
    def average(self) -> ValidationRecord | None:
        """Return the validation of the average, if it was the last one."""
        last = self.records[-1] if self.records else None
        is_average = isinstance(last, ValidationRecord) and last.kind == "average"
        return last if is_average and isinstance(last, ValidationRecord) else None

    @cached_property
    def scored(self) -> list[tuple[int, float]]:
        """Return updates and scores of the validations that have a score."""
        return [
            (each.update, each.score)
            for each in sound_validations(self.records)
            if each.score is not None
        ]

    @cached_property
    def best(self) -> tuple[int, float] | None:
        """Return the update and the score of the best validation, the first one of equals."""
        found = best_validation(self.records, self.measure)
        return None if found is None or found.score is None else (found.update, found.score)

    @cached_property
    def worse_validations(self) -> int:
        """Return how many validations have passed since the score last improved notably."""
        count, best = 0, None
        for _, score in self.scored:
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
        lines = points(each for each in self.records if isinstance(each, TrainRecord))
        return [
            Point(
                lines[end].update,
                sum(each.loss for each in lines[end - MEAN_LINES + 1 : end + 1]) / MEAN_LINES,
            )
            for end in range(MEAN_LINES - 1, len(lines))
        ]

    def train_at(self, update: int) -> Point | None:
        """Return the last mean training loss up to an update."""
        return next((each for each in reversed(self.train) if each.update <= update), None)

    @property
    def skipped_updates(self) -> list[int]:
        """Return the updates whose loss or gradient was not finite."""
        return [each.update for each in self.records if each.kind == "skipped"]


def points(records: Iterable[TrainRecord | ValidationRecord]) -> list[Point]:
    """Return the unsmoothed losses of records that have one."""
    return [
        Point(each.update, math.log(each.perplexity))
        for each in records
        if each.perplexity is not None and 1 <= each.perplexity < math.inf
    ]
