"""An exponential moving average of the weights, instead of an average of checkpoints.

Like the checkpoints' average (section 6.1), it is better than the weights of a single update. It is
known at every update, so that validations measure it and the best model has it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

KEY = "average"  # of a parameter's state in the optimiser


class MovingAverage:
    """Keeps the average of a model's weights in the optimiser's state.

    There, checkpoints hold it and workers receive it like Adam's moments.
    """

    def __init__(
        self, parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer, decay: float
    ) -> None:
        """Prepare to average; `decay` is `train.moving_average`, 0 for no average."""
        self._parameters = [*parameters]
        self._optimizer = optimizer
        self._decay = decay

    def add(self, update: int) -> None:
        """Count the weights after an update: average = d * average + (1 - d) * weights.

        In the first updates, d is less than the decay, (1 + update) / (10 + update), so that the
        random weights of the beginning are soon forgotten; TensorFlow's ExponentialMovingAverage
        has the same rule.
        """
        if not self._decay:
            return
        with torch.no_grad():
            averages = self._averages()
            if not averages:  # Adam makes the state of a parameter in its first step
                for each in self._parameters:
                    self._optimizer.state[each][KEY] = each.detach().clone()
                return
            decay = min(self._decay, (1 + update) / (10 + update))
            torch._foreach_lerp_(averages, self._parameters, 1 - decay)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Give the model the averaged weights within a `with` block, and its own ones afterwards.

        Nothing is copied. Without an average, the model keeps its own weights.
        """
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _averages(self) -> list[Tensor]:
        """Return the average of each parameter; none before the first update."""
        states = self._optimizer.state
        return [states[each][KEY] for each in self._parameters if KEY in states.get(each, {})]

    def _exchange(self) -> None:
        for parameter, average in zip(self._parameters, self._averages(), strict=False):
            self._optimizer.state[parameter][KEY], parameter.data = parameter.data, average
