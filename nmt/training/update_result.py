"""The figures of an update, which a GPU may still compute when they are asked for."""

import math
from dataclasses import dataclass

import torch
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


class StartedUpdate:
    """An update that a GPU may still compute; `result` waits for it, but for no later update."""

    def __init__(self, number: int, learning_rate: float, figures: Tensor) -> None:
        """Queue the copy of the figures to the host, if they are on a GPU.

        figures: (6 + signals,) in the order in which `result` reads them.
        """
        self.number, self.learning_rate, self.figures = number, learning_rate, figures
        self.copied: torch.cuda.Event | None = None
        if figures.device.type == "cuda":
            # A copy that `result` starts would stand behind the next update, and wait for that too.
            self.figures = figures.to("cpu", non_blocking=True)  # into pinned memory
            self.copied = torch.cuda.Event()
            self.copied.record(torch.cuda.current_stream(figures.device))

    def result(self) -> UpdateResult:
        """Wait for the update and return its figures."""
        if self.copied is not None:
            self.copied.synchronize()
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
