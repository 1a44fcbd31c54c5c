"""Decoding one position at a time over kept keys and values: the model's side of the search.

Dimensions: B sentences, K hypotheses a sentence, R = B * K rows, h heads, S source and t target
positions so far.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from nmt.model.attention import padding_bias
from nmt.model.inference import (
    InferenceDecoderLayer,
    InferenceEncoderLayer,
    functional_norm,
)
from nmt.model.layers import DecoderLayer, EncoderLayer
from nmt.model.product import Product
from nmt.model.transformer import Transformer

# Positions are kept in multiples of this, the unused ones hidden: torch's softmax of 15 numbers
# takes ten times as long as that of 16, which fill a vector register.
BLOCK = 16


@dataclass(frozen=True)
class LayerCache:
    """Keys and values of one decoder layer.

    Those of target positions lie in buffers with room for more, written in place: fresh memory for
    each step costs more than its attention. Those of the source are kept once a sentence, not once
    a hypothesis.
    """

    self_keys: Tensor  # (R, h, capacity, d_k)
    self_values: Tensor  # (R, h, capacity, d_v)
    memory_keys: Tensor  # (B, h, S, d_k)
    memory_values: Tensor  # (B, h, S, d_v)


@dataclass(frozen=True)
class DecoderState:
    """All that the next step needs of the source and of the hypotheses so far.

    `step` and `select` write into the buffers of the state they are given, which is spent then.
    """

    layers: tuple[LayerCache, ...]
    memory_bias: Tensor  # (B, 1, 1, S)
    beam: int  # K
    length: int  # t

    def select(self, rows: Tensor) -> "DecoderState":
        """The state of hypotheses `rows` (B', K'): old flat rows, each sentence's own side by side.

        Reorders, repeats and drops hypotheses; a sentence without a row leaves the batch. What
        stays in its place costs nothing.
        """
        beam = rows.shape[1]
        sentences = Moves(torch.div(rows[:, 0], self.beam, rounding_mode="floor"))
        hypotheses = rows.flatten()
        if beam == self.beam:
            moved = Moves(hypotheses)
            kept = [
                (moved.of(each.self_keys, self.length), moved.of(each.self_values, self.length))
                for each in self.layers
            ]
        else:  # the first step: there is little to copy
            kept = [
                (each.self_keys[hypotheses], each.self_values[hypotheses]) for each in self.layers
            ]
        layers = tuple(
            LayerCache(*own, sentences.of(each.memory_keys), sentences.of(each.memory_values))
            for own, each in zip(kept, self.layers, strict=True)
        )
        return DecoderState(layers, sentences.of(self.memory_bias), beam, self.length)

    def with_room(self) -> "DecoderState":
        """The same with room for a target position more."""
        if self.length < self.layers[0].self_keys.shape[2]:
            return self
        layers = tuple(
            replace(
                layer,
                self_keys=pad(layer.self_keys, (0, 0, 0, BLOCK)),
                self_values=pad(layer.self_values, (0, 0, 0, BLOCK)),
            )
            for layer in self.layers
        )
        return replace(self, layers=layers)


class Moves:
    """Which rows of buffers are copied to which, in place."""

    def __init__(self, rows: Tensor) -> None:
        self.count = len(rows)
        self.to = (rows != torch.arange(self.count, device=rows.device)).nonzero()[:, 0]
        self.origin = rows[self.to] if len(self.to) else None

    def of(self, kept: Tensor, length: int | None = None) -> Tensor:
        """The rows that are left of (n, h, positions, width), of which `length` positions count."""
        if self.origin is not None:
            kept[self.to, :, :length] = kept[self.origin, :, :length]
        return kept[: self.count]


class IncrementalDecoder:
    """`encode`, then `step` by step, through a Transformer in evaluation mode.

    It lays the weights out anew: what the Transformer learns afterwards it does not know.
    """

    def __init__(self, model: Transformer) -> None:
        self.model = model
        self.encoder = [
            InferenceEncoderLayer(layer)
            for layer in model.encoder
            if isinstance(layer, EncoderLayer)
        ]
        self.decoder = [
            InferenceDecoderLayer(layer)
            for layer in model.decoder
            if isinstance(layer, DecoderLayer)
        ]
        self.encoder_norm = functional_norm(model.encoder_norm)
        self.decoder_norm = functional_norm(model.decoder_norm)
        self.project = Product(model.softmax_weight.detach())

    @torch.no_grad()
    def encode(self, source: Tensor) -> DecoderState:
        """The state before the first target piece, one hypothesis a sentence; source (B, S)."""
        is_padding = source == self.model.pad_id
        x = self.model.embed_source(source)
        bias = padding_bias(is_padding, x.dtype)
        for layer in self.encoder:
            x = layer(x, bias)
        x = self.encoder_norm(x)
        more = -x.shape[1] % BLOCK
        hidden = pad(is_padding, (0, more), value=True)
        memory_bias = x.new_zeros(hidden.shape).masked_fill_(hidden, -math.inf)[:, None, None]
        caches = tuple(self.first_cache(layer, x, more) for layer in self.decoder)
        return DecoderState(caches, memory_bias, beam=1, length=0)

    def first_cache(self, layer: InferenceDecoderLayer, memory: Tensor, more: int) -> LayerCache:
        """Room for the target, and keys and values of the memory with room for a whole block."""
        heads = layer.cross_attention
        key, value = heads.memory(memory).split(heads.widths[1:], dim=-1)
        memory_keys = pad(heads.split_heads(key), (0, 0, 0, more)).contiguous()
        memory_values = pad(heads.split_heads(value), (0, 0, 0, more)).contiguous()
        return LayerCache(
            torch.zeros_like(memory_keys[:, :, :BLOCK]),
            torch.zeros_like(memory_values[:, :, :BLOCK]),
            memory_keys,
            memory_values,
        )

    @torch.no_grad()
    def step(self, last_ids: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Logits (B, K, V) of the next piece after last_ids (B, K), and the state after them."""
        B, K = last_ids.shape
        state = state.with_room()
        t = state.length
        x = self.model.embed_target(last_ids.view(B * K, 1), t)
        hidden = x.new_zeros(state.layers[0].self_keys.shape[2])  # positions yet to come
        hidden[t + 1 :] = -math.inf
        for layer, cache in zip(self.decoder, state.layers, strict=True):
            heads = layer.self_attention
            inputs = layer.self_attention_norm.inputs(x)
            query, key, value = heads.all(inputs).split(heads.widths, dim=-1)
            query, key = (
                heads.turn(heads.split_heads(query), t),
                heads.turn(heads.split_heads(key), t),
            )
            cache.self_keys[:, :, t] = key[:, :, 0]
            cache.self_values[:, :, t] = value.view(B * K, heads.heads, -1)
            attended = heads.attend(query, cache.self_keys, cache.self_values, hidden)
            x = layer.self_attention_norm(x, attended)
            # A sentence's K hypotheses are K queries to one memory.
            heads = layer.cross_attention
            inputs = layer.cross_attention_norm.inputs(x)
            query = heads.split_heads(heads.query(inputs).view(B, K, -1))
            attended = heads.attend(
                query, cache.memory_keys, cache.memory_values, state.memory_bias
            )
            x = layer.cross_attention_norm(x, attended.view(x.shape))
            inputs = layer.feed_forward_norm.inputs(x)
            x = layer.feed_forward_norm(x, layer.feed_forward(inputs))
        x = self.decoder_norm(x)
        return self.project(x).view(B, K, -1), replace(state, length=t + 1)
