"""The position-wise feed-forward network (section 3.3)."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from nmt.config import ModelSettings
from nmt.kernels.padded_product import Linear

# The function of each activation without a gate.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "silu": silu,
    "gelu": gelu,
}

# The function of the gate in each gated activation (Shazeer, 2020, equations 5 and 6).
GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "glu": torch.sigmoid,
    "reglu": torch.relu,
    "geglu": gelu,
    "swiglu": silu,
}


class FeedForward(nn.Module):
    """f(x W_1 + b_1) W_2 + b_2; the paper's f is max(0, x) (equation 2).

    Gated activations compute (f(x W + b) * (x V + c)) W_2 + b_2; W and V are one matrix, in this
    order.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        gate = GATES.get(settings.activation)
        self.activation: Callable[[Tensor], Tensor] = (
            ACTIVATIONS[settings.activation] if gate is None else partial(apply_gate, gate)
        )
        self.input_matrices = 1 if gate is None else 2
        self.inner = Linear(settings.d_model, settings.inner_rows)
        self.outer = Linear(settings.inner_width, settings.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, length, d_model) to the same shape, each position alone."""
        out: Tensor = self.outer(self.activation(self.inner(x)))
        return out

    def reset_parameters(self) -> None:
        """Initialise the weights Glorot-uniformly and the biases with zeros."""
        for weight in (*self.inner.weight.chunk(self.input_matrices), self.outer.weight):
            nn.init.xavier_uniform_(weight)
        for linear in (self.inner, self.outer):
            nn.init.zeros_(linear.bias)


def apply_gate(gate: Callable[[Tensor], Tensor], inner: Tensor) -> Tensor:
    """Return f(first half) * second half, along the last dimension."""
    gates, values = inner.chunk(2, dim=-1)
    return gate(gates) * values
