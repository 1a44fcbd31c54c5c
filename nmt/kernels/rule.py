"""Rules of which tokens may come next, for log-probabilities in NumPy's arrays or in tensors.

Dimensions: n rows (hypotheses), V tokens.
"""

from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy
from numpy.typing import NDArray

if TYPE_CHECKING:  # a search over arrays runs without PyTorch
    from torch import Tensor

FloatArray: TypeAlias = NDArray[numpy.float32]
IdArray: TypeAlias = NDArray[numpy.int64]
BoolArray: TypeAlias = NDArray[numpy.bool_]
Logits: TypeAlias = "FloatArray | Tensor"  # float32 if it is an array


class Rule(Protocol):
    """A rule of which tokens may come next."""

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set forbidden tokens to minus infinity in log_probs (n, V), in place.

        log_probs are those of the n rows from `first_row` on.
        """
        ...
