"""The model as the search sees it: three calls.

A search passes ids as NumPy's arrays, or as tensors if it runs on a GPU. A model that computes with
NumPy returns its logits as an array; one that computes with PyTorch returns a tensor.

Dimensions: B sentences, K hypotheses for each sentence, V tokens.
"""

from typing import TYPE_CHECKING, Protocol, Self, TypeAlias, TypeVar

from nmt.kernels.rule import IdArray, Logits

if TYPE_CHECKING:  # a search over arrays runs without PyTorch
    from torch import Tensor

AnyIds: TypeAlias = "IdArray | Tensor"


class SearchState(Protocol):
    """The state that a model keeps for its hypotheses; those of a sentence are adjacent."""

    def select(self, rows: AnyIds) -> Self:
        """Return the state of the hypotheses `rows` (B', K'), flat indices of the old B * K.

        If no sentence leaves the batch, each keeps its place.
        """
        ...


StateT = TypeVar("StateT", bound=SearchState)


class SearchModel(Protocol[StateT]):
    """A model that a search can decode with: a Transformer, an ensemble, a table of numbers."""

    def encode(self, source: AnyIds) -> StateT:
        """Return the state before the first token, one hypothesis for each source (B, S)."""
        ...

    def step(self, last_ids: AnyIds, state: StateT) -> tuple[Logits, StateT]:
        """Return the logits (B, K, V) of the tokens after last_ids (B, K), and the next state.

        The search may overwrite the logits.
        """
        ...
