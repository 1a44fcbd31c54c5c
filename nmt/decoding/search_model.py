"""The model as the search sees it: three calls.

Dimensions: B sentences, K hypotheses for each sentence, V tokens.
"""

from typing import Protocol, Self, TypeVar

from torch import Tensor


class SearchState(Protocol):
    """The state that a model keeps for its hypotheses; those of a sentence are adjacent."""

    def select(self, rows: Tensor) -> Self:
        """Return the state of the hypotheses `rows` (B', K'), flat indices of the old B * K.

        If no sentence leaves the batch, each keeps its place.
        """
        ...


StateT = TypeVar("StateT", bound=SearchState)


class SearchModel(Protocol[StateT]):
    """A model that a search can decode with: a Transformer, an ensemble, a table of numbers."""

    def encode(self, source: Tensor) -> StateT:
        """Return the state before the first token, one hypothesis for each source (B, S)."""
        ...

    def step(self, last_ids: Tensor, state: StateT) -> tuple[Tensor, StateT]:
        """Return the logits (B, K, V) of the tokens after last_ids (B, K), and the next state.

        The search may overwrite the logits.
        """
        ...
