"""The layers of the Transformer on NumPy arrays; their names and order are those of `nmt.model`.

Dimensions: B sentences, K hypotheses for each sentence, R = B * K rows, h heads, S source
positions, t target positions so far.
"""

from collections.abc import Callable, Mapping

import numpy

from nmt.config import ModelSettings
from nmt.kernels.array_functions import (
    ARRAY_ACTIVATIONS,
    ARRAY_GATES,
    ArrayLinear,
    ArrayNorm,
    Floats,
    Rotations,
    softmax,
)

Weights = Mapping[str, Floats]
Sublayer = Callable[[Floats], Floats]


def array_linear(weights: Weights, name: str) -> ArrayLinear:
    """Return the linear layer `name`; it may have no bias."""
    return ArrayLinear(weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def array_norm(settings: ModelSettings, weights: Weights, name: str) -> ArrayNorm:
    """Return the norm `name`, of the kind in the settings."""
    weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
    return ArrayNorm(weight, bias, settings.norm_epsilon)


class ArrayAttention:
    """Multi-head attention (section 3.2): `nmt.model.attention.MultiHeadAttention`."""

    def __init__(self, settings: ModelSettings, weights: Weights, name: str) -> None:
        """Take the weights of the sub-layer `name`; those of queries get the factor 1/sqrt(d_k).

        Projections have biases if the model has them.
        """
        self.heads = settings.heads
        self.queries = settings.heads * settings.d_k  # numbers in the queries of all heads
        is_cross = f"{name}.query.weight" in weights
        projection = f"{name}.{'query' if is_cross else 'query_key_value'}"
        weight, bias = weights[f"{projection}.weight"].copy(), weights.get(f"{projection}.bias")
        scale = numpy.float32(settings.d_k**-0.5)
        weight[: self.queries] *= scale
        if bias is not None:
            bias = bias.copy()
            bias[: self.queries] *= scale
        self.project = ArrayLinear(weight, bias)
        self.out = array_linear(weights, f"{name}.out")
        if is_cross:
            self.key_value = array_linear(weights, f"{name}.key_value")

    def project_self(self, x: Floats, rotations: Rotations | None) -> tuple[Floats, Floats, Floats]:
        """Project x (n, d_model) to queries, keys and values (n, h, d_k or d_v).

        rotations: those of the rows' positions, if the encoding is rotary; they broadcast to
        (n, 2h, d_k / 2).
        """
        projected, n = self.project(x), self.queries
        if rotations is not None:
            pairs = projected[:, : 2 * n].view(numpy.complex64)
            pairs = pairs.reshape(len(x), 2 * self.heads, -1)
            numpy.multiply(pairs, rotations, out=pairs)
        parts = projected[:, :n], projected[:, n : 2 * n], projected[:, 2 * n :]
        query, key, value = (part.reshape(len(x), self.heads, -1) for part in parts)
        return query, key, value

    def project_memory(self, memory: Floats) -> tuple[Floats, Floats]:
        """Project the encoder's output (n, d_model) to keys and values (n, h, d_k or d_v)."""
        projected = self.key_value(memory)
        parts = projected[:, : self.queries], projected[:, self.queries :]
        key, value = (part.reshape(len(memory), self.heads, -1) for part in parts)
        return key, value

    def within_source(
        self, x: Floats, sentences: int, mask: Floats | None, rotations: Rotations | None
    ) -> Floats:
        """Attend from each source position to all: x (B * S, d_model) to the same shape.

        sentences: B. mask: (B, 1, 1, S). rotations: (B * S, 1, d_k / 2).
        """
        parts = self.project_self(x, rotations)
        query, key, value = (
            part.reshape(sentences, -1, *part.shape[1:]).swapaxes(1, 2) for part in parts
        )
        return self.attend(query, key.swapaxes(2, 3), value, mask)

    def to_own(
        self, x: Floats, keys: Floats, values: Floats, rotations: Rotations | None
    ) -> Floats:
        """Attend from the newest position to itself and to earlier ones; x (R, d_model).

        keys, values: (R, h, t + 1, d_k or d_v); those of the newest position are written here.
        """
        query, keys[:, :, -1], values[:, :, -1] = self.project_self(x, rotations)
        weights = softmax((keys @ query[..., None])[..., 0])  # (R, h, t + 1)
        heads = weights[:, :, None] @ values
        return self.out(heads.reshape(len(x), -1))

    def to_memory(self, x: Floats, keys: Floats, values: Floats, mask: Floats | None) -> Floats:
        """Attend to the encoder's output: x (R, d_model) to the same shape.

        keys: (B, h, d_k, S). values: (B, h, S, d_v). mask: (B, 1, 1, S).
        """
        query = self.project(x).reshape(len(keys), -1, self.heads, keys.shape[2])
        return self.attend(query.swapaxes(1, 2), keys, values, mask)

    def attend(self, query: Floats, keys: Floats, values: Floats, mask: Floats | None) -> Floats:
        """Return softmax(Q K^T + mask) V, projected: (B * n, d_model).

        query: (B, h, n, d_k). keys: (B, h, d_k, S). values: (B, h, S, d_v).
        """
        scores = query @ keys
        if mask is not None:
            scores += mask
        B, h, n, _ = query.shape
        heads = numpy.empty((B, n, h, values.shape[3]), numpy.float32)
        numpy.matmul(softmax(scores), values, out=heads.swapaxes(1, 2))
        return self.out(heads.reshape(B * n, -1))


class ArrayFeedForward:
    """The feed-forward network (section 3.3): `nmt.model.feed_forward.FeedForward`."""

    def __init__(self, settings: ModelSettings, weights: Weights, name: str) -> None:
        """Take the weights of the sub-layer `name`."""
        self.gate = ARRAY_GATES.get(settings.activation)
        if self.gate is None:
            self.activate = ARRAY_ACTIVATIONS[settings.activation]
        self.width = settings.inner_width
        self.inner = array_linear(weights, f"{name}.inner")
        self.outer = array_linear(weights, f"{name}.outer")

    def __call__(self, x: Floats) -> Floats:
        """Map (n, d_model) to the same shape."""
        inner = self.inner(x)
        if self.gate is None:
            return self.outer(self.activate(inner))
        gated = self.gate(inner[:, : self.width])
        gated *= inner[:, self.width :]
        return self.outer(gated)


class ArrayResidual:
    """The residual connection and its norm: `nmt.model.layers.AddAndNorm`."""

    def __init__(self, settings: ModelSettings, weights: Weights, name: str) -> None:
        """Take the weights of the norm of the sub-layer `name`."""
        self.norm = array_norm(settings, weights, f"{name}.norm")
        self.is_pre_norm = settings.norm == "pre"

    def __call__(self, x: Floats, sublayer: Sublayer) -> Floats:
        """Apply `sublayer` to x (n, d_model) and add x; what it returns is overwritten."""
        total = sublayer(self.norm(x) if self.is_pre_norm else x)
        total += x
        return total if self.is_pre_norm else self.norm(total)


class ArrayLayer:
    """A layer of the encoder, or of the decoder if it attends to the encoder's output."""

    def __init__(self, settings: ModelSettings, weights: Weights, name: str) -> None:
        """Take the weights of the layer `name`, such as "decoder.0"."""
        self.self_attention = ArrayAttention(settings, weights, f"{name}.self_attention")
        self.self_attention_norm = ArrayResidual(settings, weights, f"{name}.self_attention_norm")
        if name.startswith("decoder"):
            self.cross_attention = ArrayAttention(settings, weights, f"{name}.cross_attention")
            self.cross_attention_norm = ArrayResidual(
                settings, weights, f"{name}.cross_attention_norm"
            )
        self.feed_forward = ArrayFeedForward(settings, weights, f"{name}.feed_forward")
        self.feed_forward_norm = ArrayResidual(settings, weights, f"{name}.feed_forward_norm")
