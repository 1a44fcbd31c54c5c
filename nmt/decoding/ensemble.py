"""Several models that translate as one: at each step, the mean of their probabilities.

Dimensions: B sentences, K hypotheses a sentence, V pieces.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Generic

import torch
from torch import Tensor

from nmt.decoding.beam import SearchModel, StateT


@dataclass(frozen=True)
class EnsembleState(Generic[StateT]):
    """The states of all models, of the same hypotheses."""

    states: tuple[StateT, ...]

    def select(self, rows: Tensor) -> "EnsembleState[StateT]":
        """Each model's state of hypotheses `rows` (B', K')."""
        return EnsembleState(tuple(state.select(rows) for state in self.states))


class Ensemble(Generic[StateT]):
    """A search model of models that read and write the same ids; at least one."""

    def __init__(self, models: Sequence[SearchModel[StateT]]) -> None:
        self.models = tuple(models)

    def encode(self, source: Tensor) -> EnsembleState[StateT]:
        """All states before the first piece."""
        return EnsembleState(tuple(model.encode(source) for model in self.models))

    def step(
        self, last_ids: Tensor, state: EnsembleState[StateT]
    ) -> tuple[Tensor, EnsembleState[StateT]]:
        """Logits (B, K, V): log of the mean of the models' probabilities after last_ids (B, K).

        What a model rules out the others may still allow; where one gives no number there is none.
        """
        pairs = zip(self.models, state.states, strict=True)
        steps = [model.step(last_ids, each) for model, each in pairs]
        log_probs = (logits.log_softmax(-1, dtype=torch.float32) for logits, _ in steps)
        total = reduce(torch.logaddexp, log_probs)
        states = tuple(after for _, after in steps)
        return total.sub_(math.log(len(steps))), EnsembleState(states)
