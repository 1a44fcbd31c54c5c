"""Beam search looked at from the model's side: what it was asked, step by step.

The search's seam (`nmt.decoding.beam`) shows all: the ids it went on with, whose children they are
and the logits it got. Nothing of the search itself is touched.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from torch import Tensor

from nmt.decoding.beam import SearchModel, SearchState

StateT = TypeVar("StateT", bound=SearchState)


@dataclass(frozen=True)
class SearchStep:
    """One step of a search over one segment. K hypotheses are live, V pieces may follow."""

    parents: tuple[int, ...]  # of each live hypothesis, its row in the step before
    last_ids: tuple[int, ...]  # the piece that each ends with
    logits: Tensor  # (K, V) of the next piece, float32


@dataclass(frozen=True)
class WatchedState(Generic[StateT]):
    """A model's state, and which rows of the step before it was selected from."""

    state: StateT
    rows: tuple[int, ...]

    def select(self, rows: Tensor) -> "WatchedState[StateT]":
        """As the model's own state does."""
        return WatchedState(self.state.select(rows), tuple(rows.flatten().tolist()))


@dataclass
class WatchedModel(Generic[StateT]):
    """A model that keeps what a search over one segment asks of it."""

    model: SearchModel[StateT]
    steps: list[SearchStep] = field(default_factory=list)

    def encode(self, source: Tensor) -> WatchedState[StateT]:
        """As the model does; source (1, S)."""
        return WatchedState(self.model.encode(source), (0,))

    def step(
        self, last_ids: Tensor, state: WatchedState[StateT]
    ) -> tuple[Tensor, WatchedState[StateT]]:
        """As the model does; last_ids (1, K) -> logits (1, K, V), which are kept."""
        logits, after = self.model.step(last_ids, state.state)
        kept = logits[0].float().cpu().clone()  # the search may overwrite its own
        self.steps.append(SearchStep(state.rows, tuple(last_ids[0].tolist()), kept))
        return logits, WatchedState(after, tuple(range(len(kept))))
