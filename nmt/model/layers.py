"""Encoder and decoder layers: LayerNorm(x + Dropout(Sublayer(x))) (sections 3.1, 3.3, 5.4)."""

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.model.attention import MultiHeadAttention
from nmt.model.dropout import Dropout

NORM_EPSILON = 1e-6  # the authors' code; the paper is silent


class FeedForward(nn.Module):
    """max(0, x W_1 + b_1) W_2 + b_2 (equation 2)."""

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.inner = nn.Linear(d_model, d_ff)
        self.outer = nn.Linear(d_ff, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(B, length, d_model) -> the same shape."""
        out: Tensor = self.outer(torch.relu(self.inner(x)))
        return out

    def reset_parameters(self) -> None:
        """Glorot-uniform weights, zero biases."""
        for each in (self.inner, self.outer):
            nn.init.xavier_uniform_(each.weight)
            nn.init.zeros_(each.bias)


class AddNorm(nn.Module):
    """The residual connection around a sub-layer: LayerNorm(x + Dropout(Sublayer(x)))."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(settings.d_model, eps=NORM_EPSILON)
        self.dropout = Dropout(settings.dropout)

    def forward(self, x: Tensor, sublayer_output: Tensor) -> Tensor:
        """Both (B, length, d_model) -> the same shape."""
        out: Tensor = self.norm(x + self.dropout(sublayer_output))
        return out


def attention_of(settings: ModelSettings, *, has_memory: bool = False) -> MultiHeadAttention:
    """Multi-head attention of the configured widths."""
    s = settings
    return MultiHeadAttention(s.d_model, s.heads, s.d_k, s.d_v, has_memory=has_memory)


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.self_attention = attention_of(settings)
        self.self_attention_norm = AddNorm(settings)
        self.feed_forward = FeedForward(settings.d_model, settings.d_ff)
        self.feed_forward_norm = AddNorm(settings)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (B, S, d_model); the bias hides padding."""
        x = self.self_attention_norm(x, self.self_attention(x, None, bias))
        out: Tensor = self.feed_forward_norm(x, self.feed_forward(x))
        return out


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the encoder's output, then feed-forward."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.self_attention = attention_of(settings)
        self.self_attention_norm = AddNorm(settings)
        self.cross_attention = attention_of(settings, has_memory=True)
        self.cross_attention_norm = AddNorm(settings)
        self.feed_forward = FeedForward(settings.d_model, settings.d_ff)
        self.feed_forward_norm = AddNorm(settings)

    def forward(
        self, x: Tensor, memory: Tensor, bias: Tensor | None, memory_bias: Tensor | None
    ) -> Tensor:
        """x (B, T, d_model), memory (B, S, d_model); biases hide later positions and padding."""
        x = self.self_attention_norm(x, self.self_attention(x, None, bias))
        x = self.cross_attention_norm(x, self.cross_attention(x, memory, memory_bias))
        out: Tensor = self.feed_forward_norm(x, self.feed_forward(x))
        return out
