"""Decoding one position at a time over kept keys and values: the model's side of the search.

Dimensions: B sentences, K hypotheses a sentence, R = B * K rows, h heads, S source and t target
positions so far.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nmt.model.attention import attention
from nmt.model.layers import DecoderLayer
from nmt.model.transformer import Transformer


@dataclass(frozen=True)
class LayerCache:
    """Keys and values of one decoder layer.

    Those of target positions lie position by position, so that a new one is added at the end.
    """

    self_keys: Tensor  # (t, R, h * d_k)
    self_values: Tensor  # (t, R, h * d_v)
    memory_keys: Tensor  # (B, h, S, d_k): once a sentence, not once a hypothesis
    memory_values: Tensor  # (B, h, S, d_v)


@dataclass(frozen=True)
class DecoderState:
    """All that the next step needs of the source and of the hypotheses so far."""

    layers: tuple[LayerCache, ...]
    memory_bias: Tensor | None  # (B, 1, 1, S)
    beam: int  # K
    length: int  # t
    rows: Tensor | None = None  # (R,) of the kept target positions, where select changed them

    def select(self, rows: Tensor) -> "DecoderState":
        """The state of hypotheses `rows` (B', K'): old flat rows, each sentence's own side by side.

        Reorders, repeats and drops hypotheses; a sentence without a row leaves the batch. Target
        positions are moved by the next step, which copies them anyway.
        """
        flat = rows.flatten()
        if self.rows is not None:
            flat = self.rows[flat]
        sentences = torch.div(rows[:, 0], self.beam, rounding_mode="floor")
        present = torch.arange(len(self.layers[0].memory_keys), device=rows.device)
        if torch.equal(sentences, present):  # spares a copy of the largest tensors
            return replace(self, beam=rows.shape[1], rows=flat)
        layers = tuple(
            replace(
                layer,
                memory_keys=layer.memory_keys[sentences],
                memory_values=layer.memory_values[sentences],
            )
            for layer in self.layers
        )
        bias = self.memory_bias
        if bias is not None:
            bias = bias[sentences]
        return DecoderState(layers, bias, rows.shape[1], self.length, flat)


def extend(kept: Tensor, rows: Tensor | None, new: Tensor) -> Tensor:
    """The chosen rows of what was kept (t, R, width), and a position more, new (R', width)."""
    t = len(kept)
    extended = kept.new_empty(t + 1, *new.shape)
    if rows is None:
        extended[:t] = kept
    else:
        torch.index_select(kept, 1, rows, out=extended[:t])
    extended[t] = new
    return extended


class IncrementalDecoder:
    """`encode`, then `step` by step, through a Transformer in evaluation mode."""

    def __init__(self, model: Transformer) -> None:
        self.model = model

    @torch.no_grad()
    def encode(self, source: Tensor) -> DecoderState:
        """The state before the first target piece, one hypothesis a sentence; source (B, S)."""
        memory, bias = self.model.encode(source)
        settings = self.model.settings
        layers = []
        for layer in self.decoder_layers():
            memory_keys, memory_values = layer.cross_attention.project_memory(memory)
            keys = memory.new_zeros(0, len(source), settings.heads * settings.d_k)
            values = memory.new_zeros(0, len(source), settings.heads * settings.d_v)
            layers.append(
                LayerCache(keys, values, memory_keys.contiguous(), memory_values.contiguous())
            )
        return DecoderState(tuple(layers), bias, beam=1, length=0)

    @torch.no_grad()
    def step(self, last_ids: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Logits (B, K, V) of the next piece after last_ids (B, K), and the state after them."""
        B, K = last_ids.shape
        position = self.model.target_positions(state.length + 1)[state.length :]
        x = self.model.embed(last_ids.reshape(B * K, 1), position)
        caches = []
        for layer, cache in zip(self.decoder_layers(), state.layers, strict=True):
            x, kept = self.layer_step(layer, x, cache, state, K)
            caches.append(kept)
        logits = self.model.project(x).reshape(B, K, -1)
        return logits, DecoderState(tuple(caches), state.memory_bias, K, state.length + 1)

    def layer_step(
        self, layer: DecoderLayer, x: Tensor, cache: LayerCache, state: DecoderState, beam: int
    ) -> tuple[Tensor, LayerCache]:
        """One position (R, 1, d_model) through one layer, and what is kept of it."""
        heads = layer.self_attention
        query, key, value = heads.project(x)
        keys = extend(cache.self_keys, state.rows, key[:, 0])
        values = extend(cache.self_values, state.rows, value[:, 0])
        attended = attention(
            heads.split_heads(query),
            heads.split_heads(keys.transpose(0, 1)),
            heads.split_heads(values.transpose(0, 1)),
            None,
        )
        x = layer.self_attention_norm(x, heads.merge(attended))
        # A sentence's K hypotheses are K queries to one memory.
        query = layer.cross_attention.project_query(x.reshape(-1, beam, x.shape[-1]))
        attended = layer.cross_attention.merge(
            attention(query, cache.memory_keys, cache.memory_values, state.memory_bias)
        )
        x = layer.cross_attention_norm(x, attended.reshape(x.shape))
        x = layer.feed_forward_norm(x, layer.feed_forward(x))
        return x, replace(cache, self_keys=keys, self_values=values)

    def decoder_layers(self) -> list[DecoderLayer]:
        """The decoder's layers, typed."""
        return [layer for layer in self.model.decoder if isinstance(layer, DecoderLayer)]
