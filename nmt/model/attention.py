"""Scaled dot-product attention and multi-head attention (section 3.2).

Dimensions: B batch rows, h heads, Q queries, S keys and values.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from nmt.config import ModelSettings
from nmt.kernels.dropout import Dropout
from nmt.kernels.padded_product import Linear
from nmt.model.positions import make_rotation


class AttentionRecorder(Protocol):
    """A callback that receives the inputs and the weights (B, h, Q, S) of each attention call.

    With packed weights, the queries already contain the factor 1 / sqrt(d_k).
    """

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, weights: Tensor, /) -> None: ...


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    scale: float | None = None,
    recorder: AttentionRecorder | None = None,
    dropout: Dropout | None = None,
) -> Tensor:
    """Compute softmax(Q K^T / sqrt(d_k) + mask) V (equation 1).

    Args:
        query: (B, h, Q, d_k).
        key: (B, h, S, d_k).
        value: (B, h, S, d_v).
        mask: 0 where a query may look and minus infinity where it may not; broadcast to
            (B, h, Q, S). None hides nothing.
        scale: the factor on the queries, 1 / sqrt(d_k) by default. It is 1 if packed weights
            already contain the factor.
        recorder: called with the queries, keys, values and weights.
        dropout: applied to the weights. The paper has none here.

    Returns:
        (B, h, Q, d_v).
    """
    if scale is None:
        scale = query.shape[-1] ** -0.5
    if recorder is None and has_fused_attention(query, value):
        rate = dropout.p if dropout is not None and dropout.training else 0.0
        return scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=rate, scale=scale
        )
    scores = (query if scale == 1 else query * scale) @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores + mask
    weights = scores.softmax(-1)
    if recorder is not None:
        recorder(query, key, value, weights)
    if dropout is not None:
        weights = dropout(weights)
    weighted: Tensor = weights @ value
    return weighted


def has_fused_attention(query: Tensor, value: Tensor) -> bool:
    """Return whether PyTorch has one kernel for all of equation 1: on a GPU, if d_k = d_v."""
    return query.device.type == "cuda" and query.shape[-1] == value.shape[-1]


def padding_mask(is_padding: Tensor, dtype: torch.dtype) -> Tensor | None:
    """Return the mask (B, 1, 1, S) that hides padding, from booleans (B, S).

    Returns None if there is no padding. On a GPU and in a compiled graph, checking for padding
    would make Python wait: they always get a mask.
    """
    can_ask = is_padding.device.type == "cpu" and not torch.compiler.is_compiling()
    if can_ask and not is_padding.any():
        return None
    zeros = torch.zeros(is_padding.shape, device=is_padding.device, dtype=dtype)
    return zeros.masked_fill(is_padding, -math.inf)[:, None, None, :]


def causal_mask(like: Tensor, queries: int, keys: int, first: int = 0) -> Tensor:
    """Return the mask (queries, keys) that hides later positions from each query (section 3.2.3).

    `first` is the position of the first query; keys begin at position 0. The mask has the data
    type and the device of `like`.
    """
    return like.new_full((queries, keys), -math.inf).triu(first + 1)


@dataclass
class KeyValueCache:
    """Keys and values that attention keeps between decoding steps.

    The buffers have room for `capacity` positions. Self-attention appends to them in place;
    attention to the encoder reads what was computed once for each sentence.
    """

    keys: Tensor  # (B, h, capacity, d_k)
    values: Tensor  # (B, h, capacity, d_v)
    length: int  # positions filled

    def append(self, key: Tensor, value: Tensor) -> None:
        """Write the keys (B, h, n, d_k) and values (B, h, n, d_v) of the next n positions."""
        count = key.shape[2]
        self.keys.narrow(2, self.length, count).copy_(key)
        self.values.narrow(2, self.length, count).copy_(value)
        self.length += count


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Reshape (B, length, h * width) to (B, h, length, width)."""
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


class Projection(Linear):
    """A linear map that is initialised by `MultiHeadAttention.reset_parameters` only.

    Other linear layers draw random weights when they are made and again when they are initialised.
    This one does not draw twice, so that a seed still gives the weights of the published results.
    """

    def reset_parameters(self) -> None:
        """Draw nothing."""


class MultiHeadAttention(nn.Module):
    """Concat(head_1, ..., head_h) W^O with head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V).

    The W^Q, W^K and W^V of all heads are one matrix in self-attention, so that one product projects
    to all three. Attention to the encoder has one matrix for the queries and one for keys and
    values. By default no projection has a bias, as in the authors' code.
    """

    def __init__(self, settings: ModelSettings, *, is_cross: bool = False) -> None:
        """Make self-attention, or with `is_cross` attention to the encoder's output."""
        super().__init__()
        heads, d_model = settings.heads, settings.d_model
        d_k, d_v = heads * settings.d_k, heads * settings.d_v  # of all heads
        bias = settings.attention_bias
        self.is_cross = is_cross
        self.heads = heads
        self.widths = (d_k, d_k, d_v)
        self.scale = settings.d_k**-0.5
        self.recorder: AttentionRecorder | None = None
        if is_cross:
            self.query = Projection(d_model, d_k, bias=bias)
            self.key_value = Projection(d_model, d_k + d_v, bias=bias)
        else:
            self.query_key_value = Projection(d_model, d_k + d_k + d_v, bias=bias)
        self.out = Linear(d_v, d_model, bias=bias)
        self.dropout = Dropout(settings.attention_dropout) if settings.attention_dropout else None
        # Positions in the source and in the target have no distance, so only self-attention
        # rotates.
        self.rotary = None if is_cross else make_rotation(settings)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        memory: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Attend from x to itself, or from x to the encoder's output.

        Args:
            x: (B, Q, d_model).
            mask: as in `attention`.
            memory: the encoder's output (B, S, d_model). Only cross-attention without a cache
                needs it.
            cache: self-attention appends the keys and values of x and attends to all of them.
                Cross-attention reads its keys and values from it; the rows of x may then be a
                multiple of the cache's, with the rows of each sentence next to each other.

        Returns:
            (B, Q, d_model).
        """
        if self.is_cross:
            if cache is not None:
                key, value = cache.keys, cache.values
            else:
                assert memory is not None  # noqa: S101 (for the type checker)
                key, value = self.project_memory(memory)
            # Rows that share a sentence become more queries to its keys.
            query = split_heads(self.query(x).view(len(key), -1, self.widths[0]), self.heads)
        else:
            query, key, value = self.project_self(x, 0 if cache is None else cache.length)
            if cache is not None:
                cache.append(key, value)
                key, value = cache.keys, cache.values
        heads = attention(
            query,
            key,
            value,
            mask,
            scale=self.scale,
            recorder=self.recorder,
            dropout=self.dropout,
        )
        out: Tensor = self.out(heads.transpose(1, 2).reshape(*x.shape[:2], self.widths[2]))
        return out

    def project_self(self, x: Tensor, first: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Project x (B, length, d_model) to queries, keys and values (B, h, length, d_k or d_v).

        `first` is the position of the first row of x; rotary positions need it.
        """
        projected = self.query_key_value(x)
        if self.rotary is None:
            parts = projected.split(self.widths, dim=-1)
            query, key, value = (split_heads(part, self.heads) for part in parts)
            return query, key, value
        query_key, value = projected.split(
            [self.widths[0] + self.widths[1], self.widths[2]], dim=-1
        )
        # Queries and keys rotate alike: one call rotates both, as twice the number of heads.
        query, key = self.rotary(split_heads(query_key, 2 * self.heads), first).chunk(2, dim=1)
        return query, key, split_heads(value, self.heads)

    def project_memory(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Project the encoder's output (B, S, d_model) to keys and values (B, h, S, d_k or d_v)."""
        key, value = self.key_value(memory).split(self.widths[1:], dim=-1)
        return split_heads(key, self.heads), split_heads(value, self.heads)

    def reset_parameters(self) -> None:
        """Initialise matrices Glorot-uniformly, as the authors' code does, and biases with zeros.

        The Glorot bound is smaller for a taller matrix. If Q, K and V were initialised as three
        matrices, with larger bounds, deep post-norm encoders would mix their positions at first and
        take long to separate them.
        """
        for child in self.children():
            if isinstance(child, nn.Linear):
                nn.init.xavier_uniform_(child.weight)
                if child.bias is not None:
                    nn.init.zeros_(child.bias)
