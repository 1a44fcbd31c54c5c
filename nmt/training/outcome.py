"""The result of a training."""

from dataclasses import dataclass


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
