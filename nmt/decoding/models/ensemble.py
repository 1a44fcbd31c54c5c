"""An ensemble: several models that translate as one, by the mean of their probabilities.

Dimensions: B sentences, K hypotheses for each sentence, V tokens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Generic

import torch
from torch import Tensor

from nmt.decoding.search.search import AnyIds, SearchModel, StateT


@dataclass(frozen=True)
class EnsembleState(Generic[StateT]):
    """The states of all models for the same hypotheses."""

    states: tuple[StateT, ...]

    def select(self, rows: AnyIds) -> "EnsembleState[StateT]":
        """Return each model's state of the hypotheses `rows` (B', K')."""
        return EnsembleState(tuple(state.select(rows) for state in self.states))


class Ensemble(Generic[StateT]):
    """A search model made of one or more models that read and write the same ids."""

    def __init__(self, models: Sequence[SearchModel[StateT]]) -> None:
        self.models = tuple(models)

    def encode(self, source: AnyIds) -> EnsembleState[StateT]:
        """Return the states of all models before the first token."""
        return EnsembleState(tuple(model.encode(source) for model in self.models))

    @torch.inference_mode()
    def step(
        self, last_ids: AnyIds, state: EnsembleState[StateT]
    ) -> tuple[Tensor, EnsembleState[StateT]]:
        """Return the log of the mean of the models' probabilities (B, K, V) after last_ids (B, K).

        A token that one model excludes is possible if another model allows it. NaN propagates.
        """
        pairs = zip(self.models, state.states, strict=True)
        steps = [model.step(last_ids, each) for model, each in pairs]
        logits = (torch.as_tensor(each) for each, _ in steps)
        log_probs = (each.log_softmax(-1, dtype=torch.float32) for each in logits)
        total = reduce(torch.logaddexp, log_probs)
        states = tuple(after for _, after in steps)
        return total.sub_(math.log(len(steps))), EnsembleState(states)
