"""Scaled dot-product and multi-head attention (section 3.2).

Tensor dimensions: B batch, h heads, Q queries, S keys and values.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from nmt.config import ModelSettings
from nmt.kernels.dropout import Dropout
from nmt.model.positions import Rotary


class AttentionRecorder(Protocol):
    """What attention tells its inputs and weights (B, h, Q, S) to, where someone looks on."""

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, weights: Tensor, /) -> None: ...


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    recorder: AttentionRecorder | None = None,
    dropout: nn.Module | None = None,
) -> Tensor:
    """softmax(Q K^T / sqrt(d_k) + bias) V (equation 1).

    query (B, h, Q, d_k), key (B, h, S, d_k), value (B, h, S, d_v) -> (B, h, Q, d_v). The bias is 0
    where a query may look and minus infinity where not, and broadcasts to (B, h, Q, S). Dropout on
    the weights is not the paper's.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    weights = scores.softmax(-1)
    if recorder is not None:
        recorder(query, key, value, weights)
    if dropout is not None:
        weights = dropout(weights)
    weighted: Tensor = weights @ value
    return weighted


def padding_mask(is_padding: Tensor, dtype: torch.dtype) -> Tensor | None:
    """The bias that hides padding, (B, 1, 1, S) from a mask (B, S); None where there is none."""
    if not is_padding.any():
        return None
    zeros = torch.zeros(is_padding.shape, device=is_padding.device, dtype=dtype)
    return zeros.masked_fill(is_padding, -math.inf)[:, None, None, :]


def causal_mask(length: int, like: Tensor) -> Tensor:
    """The bias that hides later positions, (length, length), of a tensor's kind (section 3.2.3)."""
    return like.new_full((length, length), -math.inf).triu(1)


def queries_keys_values(
    projected: Tensor, heads: int, widths: Sequence[int], rotary: Rotary | None, first: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Self-attention's product (B, length, sum of widths) as heads (B, h, length, d_k or d_v).

    Rotary positions turn queries and keys by their positions from `first` on.
    """
    if rotary is None:
        query, key, value = (split_heads(each, heads) for each in projected.split(widths, dim=-1))
        return query, key, value
    both, value = projected.split([widths[0] + widths[1], widths[2]], dim=-1)
    # Queries and keys are turned alike: at once, as twice as many heads.
    query, key = rotary(split_heads(both, 2 * heads), first).chunk(2, dim=1)
    return query, key, split_heads(value, heads)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, length, h * width) -> (B, h, length, width)."""
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


class MultiHeadAttention(nn.Module):
    """Concat(head_1, ..., head_h) W^O with head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V).

    W^Q, W^K and W^V of all heads lie in one matrix, in this order, so that self-attention projects
    with one product. No projection has a bias, as in the authors' code.
    """

    def __init__(self, settings: ModelSettings, *, is_cross: bool = False) -> None:
        super().__init__()
        heads, d_k, d_v = settings.heads, settings.d_k, settings.d_v
        self.is_cross = is_cross  # attends from the decoder to the encoder's output
        self.recorder: AttentionRecorder | None = None  # `nmt.studio.explain` sets one for a while
        self.heads = heads
        self.widths = [heads * d_k, heads * d_k, heads * d_v]
        self.in_weight = nn.Parameter(torch.empty(sum(self.widths), settings.d_model))
        self.out = nn.Linear(heads * d_v, settings.d_model, bias=False)
        self.dropout = Dropout(settings.attention_dropout) if settings.attention_dropout else None
        # Positions of source and target have no distance: attention to the memory turns nothing.
        turns = settings.positions == "rotary" and not is_cross
        self.rotary = Rotary(d_k) if turns else None

    def forward(self, queries: Tensor, memory: Tensor | None, bias: Tensor | None) -> Tensor:
        """Attend from queries (B, Q, d_model) to memory (B, S, d_model); None: to themselves."""
        if memory is None:
            query, key, value = self.project_all(queries)
        else:
            query = self.project_query(queries)
            key, value = self.project_memory(memory)
        heads = attention(query, key, value, bias, self.recorder, self.dropout)
        return self.merge(heads)

    def project_all(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of x, each (B, h, length, d_k or d_v)."""
        projected = linear(x, self.in_weight)
        return queries_keys_values(projected, self.heads, self.widths, self.rotary)

    def project_query(self, x: Tensor) -> Tensor:
        """Queries of x, (B, h, Q, d_k)."""
        return split_heads(linear(x, self.in_weight[: self.widths[0]]), self.heads)

    def project_memory(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the memory, (B, h, S, d_k) and (B, h, S, d_v)."""
        key, value = linear(memory, self.in_weight[self.widths[0] :]).split(self.widths[1:], dim=-1)
        return split_heads(key, self.heads), split_heads(value, self.heads)

    def merge(self, heads: Tensor) -> Tensor:
        """Heads (B, h, Q, d_v) side by side through W^O: (B, Q, d_model)."""
        merged: Tensor = self.out(heads.transpose(1, 2).flatten(2))
        return merged

    def reset_parameters(self) -> None:
        """Glorot-uniform by the matrices of the authors' code: Q, K and V as one in
        self-attention, K and V as one in attention to the encoder.

        A Glorot bound falls with a matrix's height. With bounds of its own for each of Q, K and V,
        deep post-norm encoders began with their positions mixed, and learned them apart late.
        """
        query, key, value = self.widths
        blocks = [query, key + value] if self.is_cross else [query + key + value]
        for weight in self.in_weight.split(blocks):
            nn.init.xavier_uniform_(weight)
        nn.init.xavier_uniform_(self.out.weight)
