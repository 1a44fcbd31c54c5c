"""The layers of a trained Transformer as translating wants them: weights laid out anew.

They compute what `nmt.model.layers` computes, with fewer and cheaper operations: queries come
scaled, ReLU and biases are part of the products. On small tensors the calls themselves take the
time.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from nmt.model.attention import MultiHeadAttention, queries_keys_values, split_heads
from nmt.model.layers import AddNorm, DecoderLayer, EncoderLayer, FeedForward, activate
from nmt.model.positions import NoPositions


class ProductOf(Protocol):
    """What lays a weight out: `product.PackedLinear`, or one of another precision."""

    def __call__(
        self, weight: Tensor, bias: Tensor | None = None, *, relu: bool = False
    ) -> Callable[[Tensor], Tensor]: ...


class InferenceAttention:
    """Multi-head attention; the parts that a cached step does one by one."""

    def __init__(self, trained: MultiHeadAttention, product: ProductOf) -> None:
        queries = trained.widths[0]
        weight = trained.in_weight.detach().clone()
        weight[:queries] *= (queries // trained.heads) ** -0.5  # sqrt(d_k) of equation 1
        self.heads = trained.heads
        self.widths = trained.widths
        if trained.is_cross:
            # Clones, so that neither holds the memory of both; keys and values at once.
            self.query = product(weight[:queries].clone())
            self.memory = product(weight[queries:].clone())
        else:
            self.all = product(weight)
        self.out = product(trained.out.weight.detach())
        self.rotary = trained.rotary

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, length, h * width) -> (B, h, length, width)."""
        return split_heads(x, self.heads)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        """Scaled queries (B, h, Q, d_k) to keys and values (B, h, S, width): (B, Q, d_model)."""
        scores = query @ key.transpose(2, 3)
        if bias is not None:
            scores += bias
        return self.out((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))

    def project_all(self, x: Tensor, first: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (B, h, length, width) of x (B, length, d_model).

        `first` is the position of the first of them.
        """
        return queries_keys_values(self.all(x), self.heads, self.widths, self.rotary, first)


class InferenceFeedForward:
    """Both products of equation 2."""

    def __init__(self, trained: FeedForward, product: ProductOf) -> None:
        inner, outer = trained.inner, trained.outer
        self.gate = trained.gate
        self.inner = product(inner.weight.detach(), inner.bias.detach(), relu=self.gate is None)
        self.outer = product(outer.weight.detach(), outer.bias.detach())

    def __call__(self, x: Tensor) -> Tensor:
        """(B, length, d_model) -> the same shape."""
        inner = self.inner(x)
        return self.outer(inner if self.gate is None else activate(inner, self.gate))


class InferenceNorm:
    """LayerNorm(x + Sublayer(x)), or what pre-norm has for it."""

    def __init__(self, trained: AddNorm) -> None:
        self.norm = functional_norm(trained.norm)
        self.is_pre = trained.is_pre

    def inputs(self, x: Tensor) -> Tensor:
        """What the sub-layer reads of x."""
        return self.norm(x) if self.is_pre else x

    def __call__(self, x: Tensor, sublayer_output: Tensor) -> Tensor:
        """Both (B, length, d_model) -> the same shape."""
        total = x + sublayer_output
        return total if self.is_pre else self.norm(total)


def functional_norm(trained: nn.Module) -> Callable[[Tensor], Tensor]:
    """A norm without what calling a module costs; where a stack ends in none, its input itself."""
    if isinstance(trained, nn.LayerNorm):
        shape, epsilon = trained.normalized_shape, trained.eps
        weight, bias = trained.weight.detach(), trained.bias.detach()
        return lambda x: torch.layer_norm(x, shape, weight, bias, epsilon)
    return trained


class InferenceEmbedding:
    """sqrt(d_model) * embedding + position (sections 3.4, 3.5)."""

    def __init__(self, matrix: Tensor, positions: nn.Module) -> None:
        self.matrix = matrix.detach()
        self.scale = matrix.shape[1] ** 0.5
        self.positions = None if isinstance(positions, NoPositions) else positions

    def __call__(self, ids: Tensor, first: int = 0) -> Tensor:
        """ids (B, length) at positions from `first` on -> (B, length, d_model)."""
        x: Tensor = embedding(ids, self.matrix) * self.scale
        if self.positions is not None:
            x += self.positions(first + ids.shape[1])[first:]
        return x


class InferenceLayer:
    """What encoder and decoder layers have in common."""

    def __init__(self, trained: EncoderLayer | DecoderLayer, product: ProductOf) -> None:
        self.self_attention = InferenceAttention(trained.self_attention, product)
        self.self_attention_norm = InferenceNorm(trained.self_attention_norm)
        self.feed_forward = InferenceFeedForward(trained.feed_forward, product)
        self.feed_forward_norm = InferenceNorm(trained.feed_forward_norm)


class InferenceEncoderLayer(InferenceLayer):
    """Self-attention, then feed-forward."""

    def __call__(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (B, S, d_model); the bias hides padding."""
        heads = self.self_attention
        query, key, value = heads.project_all(self.self_attention_norm.inputs(x))
        attended = heads.attend(query, key, value, bias)
        x = self.self_attention_norm(x, attended)
        return self.feed_forward_norm(x, self.feed_forward(self.feed_forward_norm.inputs(x)))


class InferenceDecoderLayer(InferenceLayer):
    """Self-attention, attention to the memory, feed-forward: `incremental` steps through them."""

    def __init__(self, trained: DecoderLayer, product: ProductOf) -> None:
        super().__init__(trained, product)
        self.cross_attention = InferenceAttention(trained.cross_attention, product)
        self.cross_attention_norm = InferenceNorm(trained.cross_attention_norm)
