"""The progress of a training, which its checkpoints store, and its outcome."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from nmt.config import TrainSettings
from nmt.system.json_data import Count

if TYPE_CHECKING:  # `nmt prepare` needs no PyTorch
    from nmt.training.updates import UpdateResult
    from nmt.training.validation import Validation

KEPT_STATES = 2  # optimiser states that a run keeps: the newest one and the one before it

Sum = Annotated[float, Meta(ge=0)]


@dataclass
class Window:
    """Sums over the updates since the last `train` line of the metrics."""

    smoothed_loss: Sum = 0.0
    plain_loss: Sum = 0.0
    source_tokens: Count = 0
    target_tokens: Count = 0
    gradient_norm: Sum = 0.0
    updates: Count = 0  # without the skipped ones
    start_seconds: Sum = 0.0  # of the run, when the window started

    def add(self, result: "UpdateResult") -> None:
        """Count an update, unless its loss or gradient was not finite."""
        if result.is_finite:
            self.updates += 1
            self.smoothed_loss += result.smoothed_loss
            self.plain_loss += result.plain_loss
            self.source_tokens += result.source_tokens
            self.target_tokens += result.target_tokens
            self.gradient_norm += result.gradient_norm

    def tokens_per_second(self, seconds: float) -> float:
        """Return the tokens of both sides a second; seconds: of the run, now."""
        return (self.source_tokens + self.target_tokens) / max(seconds - self.start_seconds, 1e-9)


@dataclass
class Progress:
    """The progress of a training, between two updates."""

    update: Count = 0  # updates taken or skipped
    epoch: Count = 0
    batch: Count = 0  # batches of the epoch already used
    best_score: float | None = None  # dev score of the best model
    best_loss: float | None = None  # dev loss of the best model
    best_update: Count = 0
    validated_update: Count = 0  # update of the last validation
    validations_without_improvement: Count = 0  # since the best one
    skipped: Count = 0  # updates whose loss or gradient was NaN or infinite
    skipped_in_row: Count = 0
    seconds: Sum = 0.0  # spent in updates, over all starts of the run
    window: Window = field(default_factory=Window)
    timed_update: Count = 0  # update of the last checkpoint that was due by time

    def is_possible(self, update: int) -> bool:
        """Return whether a training can have come so far at an update."""
        named = (self.best_update, self.validated_update, self.timed_update)
        latest = max(*named, self.skipped, self.window.updates)
        has_tokens = bool(self.window.target_tokens) or not self.window.updates
        return self.update == update >= latest and has_tokens

    def is_finished(self, settings: TrainSettings) -> bool:
        """Return True after `train.max_updates`, or when the dev set improves no more."""
        out_of_patience = 0 < settings.patience <= self.validations_without_improvement
        return self.update >= settings.max_updates or out_of_patience

    def is_checkpoint_due(self, settings: TrainSettings) -> bool:
        """Return True if the current update has a checkpoint that the average may include."""
        if settings.checkpoint_minutes:
            return self.timed_update == self.update
        return self.update % settings.checkpoint_updates == 0

    def count_update(self, *, skipped: bool, seconds: float) -> None:
        """Count an update that was taken or skipped in this many seconds."""
        self.seconds += seconds
        self.skipped += skipped
        self.skipped_in_row = self.skipped_in_row + 1 if skipped else 0

    def is_improvement(self, validation: "Validation", metric: str) -> bool:
        """Return True if a validation beats the best one so far.

        metric: "loss" compares dev losses; anything else compares scores. Without a finite loss,
        the weights are broken, so the validation beats none.
        """
        loss = validation.loss
        if not math.isfinite(loss):
            return False
        if metric == "loss":
            return self.best_loss is None or loss < self.best_loss
        best, score = self.best_score, validation.score
        return math.isfinite(score) and (best is None or validation.measure.beats(score, best))

    def count_validation(self, validation: "Validation", *, improved: bool) -> None:
        """Count a validation of the current update."""
        self.validated_update = self.update
        if improved:
            self.validations_without_improvement = 0
            # One of the two may be NaN, which is no best result and cannot be stored.
            self.best_score = finite_or_none(validation.score)
            self.best_loss = finite_or_none(validation.loss)
            self.best_update = self.update
        else:
            self.validations_without_improvement += 1


def finite_or_none(value: float) -> float | None:
    """Return a value, or None for NaN and infinity."""
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class TrainingOutcome:
    """The result of a training."""

    updates: int
    measure: str  # name of the score on the dev set
    best_score: float | None  # None if nothing was validated
    best_update: int
    averaged_score: float | None  # None if stopped by a signal, or finished by an earlier start
    stopped_by: int | None  # the signal that stopped the training
    checkpoint: int | None  # the update to resume from, as found in the run folder; None: no file

    @property
    def resuming(self) -> str:
        """Return a sentence on a stopped training: where it stopped and what a resume repeats."""
        stopped = f"stopped at update {self.updates:,}"
        if self.checkpoint is None:
            return f"{stopped}, before the first checkpoint; the same command starts again"
        if self.checkpoint == self.updates:
            return f"{stopped}, checkpoint saved; the same command resumes it"
        return f"{stopped}; the same command resumes from the checkpoint of {self.checkpoint:,}"
