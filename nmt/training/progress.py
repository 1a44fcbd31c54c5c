"""The progress of a training, which its checkpoints store."""

import math
from dataclasses import dataclass, field

from nmt.training.validation import Validation


@dataclass
class Window:
    """Sums over the updates since the last `train` line of the metrics."""

    smoothed_loss: float = 0.0
    plain_loss: float = 0.0
    source_tokens: int = 0
    target_tokens: int = 0
    gradient_norm: float = 0.0
    updates: int = 0  # without the skipped ones
    start_seconds: float = 0.0  # of the run, when the window started


@dataclass
class Progress:
    """How far a training has come, at the boundary between two updates."""

    update: int = 0  # updates taken or skipped
    epoch: int = 0
    batch: int = 0  # batches of the epoch already used
    best_score: float | None = None  # dev score of the best model
    best_loss: float | None = None  # dev loss of the best model
    best_update: int = 0
    validated_update: int = 0  # update of the last validation
    validations_without_improvement: int = 0  # since the best one
    skipped: int = 0  # updates whose loss or gradient was NaN or infinite
    skipped_in_row: int = 0
    seconds: float = 0.0  # spent in updates, over all starts of the run
    window: Window = field(default_factory=Window)

    def count_update(self, *, skipped: bool, seconds: float) -> None:
        """Count an update that was taken or skipped in this many seconds."""
        self.seconds += seconds
        self.skipped += skipped
        self.skipped_in_row = self.skipped_in_row + 1 if skipped else 0

    def is_improvement(self, validation: Validation, metric: str) -> bool:
        """Return True if a validation beats the best one so far.

        metric: "loss" compares dev losses; anything else compares scores.
        """
        if metric == "loss":
            loss = validation.loss
            return math.isfinite(loss) and (self.best_loss is None or loss < self.best_loss)
        best, score = self.best_score, validation.score
        return math.isfinite(score) and (best is None or validation.measure.beats(score, best))

    def count_validation(self, validation: Validation, *, improved: bool) -> None:
        """Count a validation of the current update."""
        self.validated_update = self.update
        if improved:
            self.validations_without_improvement = 0
            self.best_score, self.best_loss = validation.score, validation.loss
            self.best_update = self.update
        else:
            self.validations_without_improvement += 1
