"""The figures of an update, which a GPU may still compute when they are asked for."""

import math
from dataclasses import dataclass

from torch import Tensor

from nmt.training.workers import combined_signal


@dataclass(frozen=True)
class UpdateResult:
    """Losses and size of an update, over all workers."""

    number: int  # counted from 1
    smoothed_loss: float  # summed over the target tokens
    plain_loss: float  # summed over the target tokens, without label smoothing
    source_tokens: int
    target_tokens: int
    learning_rate: float
    gradient_norm: float  # of the mean loss per target token
    signal: int | None  # that stops the training, if any worker received one
    wants_checkpoint: bool  # True if a worker asks all of them to save one

    @property
    def is_finite(self) -> bool:
        """True if loss and gradient are finite; otherwise the weights did not change."""
        return math.isfinite(self.smoothed_loss) and math.isfinite(self.gradient_norm)


@dataclass(frozen=True)
class StartedUpdate:
    """An update that a GPU may still compute; `result` waits for it."""

    number: int
    learning_rate: float
    figures: Tensor  # (6 + signals,) in the order in which `result` reads them

    def result(self) -> UpdateResult:
        """Read the figures from the device, in one copy."""
        loss, plain_loss, source_tokens, target_tokens, *flags, wanted, norm = self.figures.tolist()
        return UpdateResult(
            self.number,
            loss,
            plain_loss,
            int(source_tokens),
            int(target_tokens),
            self.learning_rate,
            norm,
            combined_signal(*flags),
            bool(wanted),
        )
