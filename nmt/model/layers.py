"""Encoder and decoder layers: LayerNorm(x + Dropout(Sublayer(x))) (sections 3.1, 3.3, 5.4).

What later work has in their place, where settings ask for it, stands beside the paper's.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from nmt.config import ModelSettings
from nmt.kernels.dropout import Dropout
from nmt.model.attention import MultiHeadAttention

NORM_EPSILON = 1e-6  # the authors' code; the paper is silent


# What a gate goes through before it scales (Shazeer, 2020, equations 5 and 6).
GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "glu": torch.sigmoid,
    "reglu": torch.relu,
    "geglu": gelu,
    "swiglu": silu,
}


class FeedForward(nn.Module):
    """max(0, x W_1 + b_1) W_2 + b_2 (equation 2); gated, (f(x W + b) * (x V + c)) W_2 + b_2.

    W and V lie in one matrix, in this order.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.gate = GATES.get(settings.activation)
        self.inner = nn.Linear(settings.d_model, settings.inner_rows)
        self.outer = nn.Linear(settings.inner_width, settings.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(B, length, d_model) -> the same shape."""
        out: Tensor = self.outer(activate(self.inner(x), self.gate))
        return out

    def reset_parameters(self) -> None:
        """Glorot-uniform weights, zero biases."""
        for weight in (*self.inner.weight.chunk(1 if self.gate is None else 2), self.outer.weight):
            nn.init.xavier_uniform_(weight)
        for each in (self.inner, self.outer):
            nn.init.zeros_(each.bias)


def activate(inner: Tensor, gate: Callable[[Tensor], Tensor] | None) -> Tensor:
    """ReLU of all, or where there is a gate the first half through it times the second."""
    if gate is None:
        return torch.relu(inner)
    gates, values = inner.chunk(2, dim=-1)
    return gate(gates) * values


class AddNorm(nn.Module):
    """The residual connection around a sub-layer: LayerNorm(x + Dropout(Sublayer(x))).

    With pre-norm it is x + Dropout(Sublayer(LayerNorm(x))).
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.norm = norm_of(settings)
        self.dropout = Dropout(settings.dropout)
        self.is_pre = settings.norm == "pre"

    def inputs(self, x: Tensor) -> Tensor:
        """What the sub-layer reads of x."""
        read: Tensor = self.norm(x) if self.is_pre else x
        return read

    def forward(self, x: Tensor, sublayer_output: Tensor) -> Tensor:
        """Both (B, length, d_model) -> the same shape."""
        total = x + self.dropout(sublayer_output)
        out: Tensor = total if self.is_pre else self.norm(total)
        return out


def norm_of(settings: ModelSettings) -> nn.LayerNorm | nn.RMSNorm:
    """Normalisation over d_model, of the configured kind."""
    if settings.norm_kind == "rms":
        return nn.RMSNorm(settings.d_model, eps=NORM_EPSILON)
    return nn.LayerNorm(settings.d_model, eps=NORM_EPSILON)


def final_norm_of(settings: ModelSettings) -> nn.Module:
    """What ends a stack: a norm where those of the layers stand before the sub-layers."""
    return norm_of(settings) if settings.norm == "pre" else nn.Identity()


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(settings)
        self.self_attention_norm = AddNorm(settings)
        self.feed_forward = FeedForward(settings)
        self.feed_forward_norm = AddNorm(settings)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (B, S, d_model); the bias hides padding."""
        inputs = self.self_attention_norm.inputs(x)
        x = self.self_attention_norm(x, self.self_attention(inputs, None, bias))
        fed = self.feed_forward(self.feed_forward_norm.inputs(x))
        out: Tensor = self.feed_forward_norm(x, fed)
        return out


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the encoder's output, then feed-forward."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(settings)
        self.self_attention_norm = AddNorm(settings)
        self.cross_attention = MultiHeadAttention(settings, is_cross=True)
        self.cross_attention_norm = AddNorm(settings)
        self.feed_forward = FeedForward(settings)
        self.feed_forward_norm = AddNorm(settings)

    def forward(
        self, x: Tensor, memory: Tensor, bias: Tensor | None, memory_mask: Tensor | None
    ) -> Tensor:
        """x (B, T, d_model), memory (B, S, d_model); biases hide later positions and padding."""
        inputs = self.self_attention_norm.inputs(x)
        x = self.self_attention_norm(x, self.self_attention(inputs, None, bias))
        inputs = self.cross_attention_norm.inputs(x)
        x = self.cross_attention_norm(x, self.cross_attention(inputs, memory, memory_mask))
        fed = self.feed_forward(self.feed_forward_norm.inputs(x))
        out: Tensor = self.feed_forward_norm(x, fed)
        return out
