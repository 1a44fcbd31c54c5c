"""The Transformer on NumPy arrays, for the search on a CPU in float32.

The plain reference is `IncrementalDecoder`, which runs the modules of `nmt.model` in PyTorch; the
layers have the names and the order of those. On small arrays a call of NumPy takes a fifth of the
time of one of PyTorch, and importing PyTorch takes longer than a short translation.

Dimensions: B sentences, K hypotheses for each sentence, R = B * K rows, L layers, h heads, S source
positions, t target positions so far, V tokens.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy
from numpy.typing import NDArray

from nmt.config import ModelSettings
from nmt.kernels.array_functions import (
    ARRAY_ACTIVATIONS,
    ARRAY_GATES,
    SINUSOIDS,
    ArrayLinear,
    ArrayNorm,
    Floats,
    Rotations,
    rotations,
    softmax,
)

Ids = NDArray[numpy.int64]
Weights = Mapping[str, Floats]

ROOM = 32  # positions by which caches grow
INITIAL_LENGTH = 256  # positions of a table that grows on demand
# The choices of `model.positions` that `ArrayDecoder` has.
ARRAY_POSITIONS = (*SINUSOIDS, "learned", "rotary")
# Infinities and NaN pass through, as in PyTorch; the search reports a model that diverged.
quiet = numpy.errstate(all="ignore")


def has_array_backend(settings: ModelSettings) -> bool:
    """Return whether `ArrayDecoder` has all parts of a model; PyTorch decodes the others."""
    has_activation = settings.activation in (*ARRAY_ACTIVATIONS, *ARRAY_GATES)
    has_positions = settings.positions in ARRAY_POSITIONS
    return has_activation and has_positions and not settings.is_recurrent


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

    def __call__(self, x: Floats, sublayer: Callable[[Floats], Floats]) -> Floats:
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


@dataclass(frozen=True)
class ArrayState:
    """The caches of all layers for the source and for the hypotheses so far.

    The caches of target positions have room for more and are written in place. Those of the source
    exist once for each sentence. `step` and `select` write into the arrays of the old state, which
    must not be used afterwards.
    """

    keys: Floats  # (R, L, h, capacity, d_k)
    values: Floats  # (R, L, h, capacity, d_v)
    memory_keys: Floats  # (B, L, h, d_k, S)
    memory_values: Floats  # (B, L, h, S, d_v)
    memory_mask: Floats | None  # (B, 1, 1, S); None: no sentence has padding
    beam: int  # K
    length: int  # t

    def select(self, rows: Ids) -> "ArrayState":
        """Return the state of the hypotheses `rows` (B', K'), flat indices of the old R rows.

        Hypotheses are reordered, repeated and dropped; those of a sentence stay next to each
        other. A sentence without a row leaves the batch. A row that keeps its index is not copied.
        """
        beam, flat = rows.shape[1], rows.ravel()
        if beam == self.beam:
            keys = moved(self.keys, flat, self.length)
            values = moved(self.values, flat, self.length)
        else:  # after the first step
            keys, values = self.keys[flat], self.values[flat]
        state = replace(self, keys=keys, values=values, beam=beam)
        if len(rows) == len(self.memory_keys):
            return state
        sentences = rows[:, 0] // self.beam
        mask = self.memory_mask
        return replace(
            state,
            memory_keys=moved(self.memory_keys, sentences),
            memory_values=moved(self.memory_values, sentences),
            memory_mask=None if mask is None else mask[sentences],
        )

    def with_room(self) -> "ArrayState":
        """Return the state with room for at least one more target position."""
        if self.length < self.keys.shape[3]:
            return self
        keys, values = (
            numpy.concatenate([buffer, numpy.zeros_like(buffer[:, :, :, :ROOM])], axis=3)
            for buffer in (self.keys, self.values)
        )
        return replace(self, keys=keys, values=values)


def moved(buffer: Floats, rows: Ids, length: int | None = None) -> Floats:
    """Copy rows within (n, L, h, positions, width), and return the first n' rows.

    rows: (n',), the old row of each new one. Only the first `length` positions are copied.
    """
    count = len(rows)
    targets = (rows != numpy.arange(count)).nonzero()[0]
    if len(targets):
        buffer[targets, :, :, :length] = buffer[rows[targets], :, :, :length]
    return buffer if count == len(buffer) else buffer[:count]


class Tables(NamedTuple):
    """The tables of positions that grow on demand; None: the model has none of this kind."""

    length: int  # positions
    rotations: Rotations | None  # (length, d_k / 2)
    sinusoids: Floats | None  # (length, d_model)

    @classmethod
    def of(cls, settings: ModelSettings, length: int) -> "Tables":
        """Return the tables of a model."""
        kind = settings.positions
        return cls(
            length,
            rotations(length, settings.d_k) if kind == "rotary" else None,
            SINUSOIDS[kind](length, settings.d_model) if kind in SINUSOIDS else None,
        )


class ArrayDecoder:
    """A `SearchModel` on NumPy arrays."""

    def __init__(self, settings: ModelSettings, weights: Weights, pad_id: int) -> None:
        """Take the weights of a model for which `has_array_backend` is true."""
        self.settings = settings
        self.pad_id = pad_id
        self.scale = numpy.float32(settings.d_model**0.5)
        self.target_weight = weights["embeddings.weight"]
        self.source_weight = weights.get("embeddings.own_source_weight", self.target_weight)
        softmax_weight = weights.get("embeddings.own_softmax_weight", self.target_weight)
        self.project = ArrayLinear(softmax_weight, weights.get("embeddings.softmax_bias"))
        self.encoder = [
            ArrayLayer(settings, weights, f"encoder.{number}")
            for number in range(settings.encoder_layers)
        ]
        self.decoder = [
            ArrayLayer(settings, weights, f"decoder.{number}")
            for number in range(settings.decoder_layers)
        ]
        self.final_norms = {
            stack: array_norm(settings, weights, stack)
            for stack in ("encoder_norm", "decoder_norm")
            if settings.norm == "pre"
        }
        self.learned = {
            side: weights[f"embeddings.{side}_positions.table"]
            for side in ("source", "target")
            if settings.positions == "learned"
        }
        self.tables = Tables.of(settings, INITIAL_LENGTH)

    def tables_for(self, length: int) -> "Tables":
        """Return tables of at least `length` positions, made longer if needed.

        The caller keeps them: another thread may replace those of the decoder by shorter ones.
        """
        tables = self.tables
        if length > tables.length:
            tables = self.tables = Tables.of(self.settings, 2 * length)
        return tables

    def embed(self, ids: Ids, matrix: Floats, side: str, first: int = 0) -> Floats:
        """Embed ids (n, T), whose first position is `first`, to (n * T, d_model)."""
        end = first + ids.shape[1]
        x: Floats = matrix[ids]
        x *= self.scale
        table = self.learned.get(side, self.tables_for(end).sinusoids)
        if table is not None:
            x += table[first:end]
        return x.reshape(ids.size, -1)

    @quiet
    def encode(self, source: Ids) -> ArrayState:
        """Return the state before the first target token, one hypothesis for each sentence.

        source: ids (B, S) ending in EOS.
        """
        B, S = source.shape
        x = self.embed(source, self.source_weight, "source")
        turns = self.tables_for(S).rotations
        if turns is not None:
            turns = numpy.tile(turns[:S], (B, 1))[:, None]
        is_padding = source == self.pad_id
        mask = None
        if is_padding.any():
            mask = numpy.where(is_padding, -numpy.float32(math.inf), numpy.float32(0))
            mask = mask[:, None, None]
        for layer in self.encoder:
            attention = partial(
                layer.self_attention.within_source, sentences=B, mask=mask, rotations=turns
            )
            x = layer.self_attention_norm(x, attention)
            x = layer.feed_forward_norm(x, layer.feed_forward)
        if "encoder_norm" in self.final_norms:
            x = self.final_norms["encoder_norm"](x)
        return self.first_state(x, mask, B)

    def first_state(self, memory: Floats, mask: Floats | None, sentences: int) -> ArrayState:
        """Return a state with room for the target and with the keys and values of the memory."""
        settings = self.settings
        shape = sentences, settings.decoder_layers, settings.heads
        length = len(memory) // sentences
        keys = numpy.empty((*shape, settings.d_k, length), numpy.float32)
        values = numpy.empty((*shape, length, settings.d_v), numpy.float32)
        for number, layer in enumerate(self.decoder):
            key, value = layer.cross_attention.project_memory(memory)
            keys[:, number] = key.reshape(sentences, length, *key.shape[1:]).transpose(0, 2, 3, 1)
            values[:, number] = value.reshape(sentences, length, *value.shape[1:]).swapaxes(1, 2)
        return ArrayState(
            keys=numpy.empty((*shape, ROOM, settings.d_k), numpy.float32),
            values=numpy.empty((*shape, ROOM, settings.d_v), numpy.float32),
            memory_keys=keys,
            memory_values=values,
            memory_mask=mask,
            beam=1,
            length=0,
        )

    @quiet
    def step(self, last_ids: Ids, state: ArrayState) -> tuple[Floats, ArrayState]:
        """Return the logits (B, K, V) of the token after last_ids (B, K), and the next state."""
        state = state.with_room()
        t, end = state.length, state.length + 1
        x = self.embed(last_ids.reshape(-1, 1), self.target_weight, "target", t)
        turns = self.tables_for(end).rotations
        if turns is not None:
            turns = turns[t]
        for number, layer in enumerate(self.decoder):
            own = partial(
                layer.self_attention.to_own,
                keys=state.keys[:, number, :, :end],
                values=state.values[:, number, :, :end],
                rotations=turns,
            )
            cross = partial(
                layer.cross_attention.to_memory,
                keys=state.memory_keys[:, number],
                values=state.memory_values[:, number],
                mask=state.memory_mask,
            )
            x = layer.self_attention_norm(x, own)
            x = layer.cross_attention_norm(x, cross)
            x = layer.feed_forward_norm(x, layer.feed_forward)
        if "decoder_norm" in self.final_norms:
            x = self.final_norms["decoder_norm"](x)
        logits = self.project(x)
        return logits.reshape(*last_ids.shape, -1), replace(state, length=end)
