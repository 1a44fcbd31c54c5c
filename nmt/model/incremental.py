"""Decoding one position at a time over kept keys and values: the model's side of the search.

Dimensions: B sentences, K hypotheses a sentence, h heads, S source and t target positions so far.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.model.attention import attention
from nmt.model.layers import DecoderLayer
from nmt.model.transformer import Transformer


@dataclass(frozen=True)
class LayerCache:
    """Keys and values of one decoder layer."""

    self_keys: Tensor  # (B * K, h, t, d_k)
    self_values: Tensor  # (B * K, h, t, d_v)
    memory_keys: Tensor  # (B, h, S, d_k): once a sentence, not once a hypothesis
    memory_values: Tensor  # (B, h, S, d_v)


@dataclass(frozen=True)
class DecoderState:
    """All that the next step needs of the source and of the hypotheses so far."""

    layers: tuple[LayerCache, ...]
    memory_bias: Tensor | None  # (B, 1, 1, S)
    beam: int  # K
    length: int  # t

    def select(self, rows: Tensor) -> "DecoderState":
        """The state of hypotheses `rows` (B', K'): old flat rows, each sentence's own side by side.

        Reorders, repeats and drops hypotheses; a sentence without a row leaves the batch.
        """
        flat = rows.flatten()
        sentences = torch.div(rows[:, 0], self.beam, rounding_mode="floor")
        present = torch.arange(len(self.layers[0].memory_keys), device=rows.device)
        unmoved = torch.equal(sentences, present)  # spares a copy of the largest tensors
        layers = tuple(
            LayerCache(
                layer.self_keys[flat],
                layer.self_values[flat],
                layer.memory_keys if unmoved else layer.memory_keys[sentences],
                layer.memory_values if unmoved else layer.memory_values[sentences],
            )
            for layer in self.layers
        )
        bias = self.memory_bias
        if bias is not None and not unmoved:
            bias = bias[sentences]
        return DecoderState(layers, bias, rows.shape[1], self.length)


class IncrementalDecoder:
    """`encode`, then `step` by step, through a Transformer in evaluation mode."""

    def __init__(self, model: Transformer) -> None:
        self.model = model

    def encode(self, source: Tensor) -> DecoderState:
        """The state before the first target piece, one hypothesis a sentence; source (B, S)."""
        memory, bias = self.model.encode(source)
        settings = self.model.settings
        layers = []
        for layer in self.decoder_layers():
            memory_keys, memory_values = layer.cross_attention.project_memory(memory)
            empty = (len(source), settings.heads, 0)
            keys = memory.new_zeros(*empty, settings.d_k)
            values = memory.new_zeros(*empty, settings.d_v)
            layers.append(
                LayerCache(keys, values, memory_keys.contiguous(), memory_values.contiguous())
            )
        return DecoderState(tuple(layers), bias, beam=1, length=0)

    def step(self, last_ids: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Logits (B, K, V) of the next piece after last_ids (B, K), and the state after them."""
        B, K = last_ids.shape
        x = self.model.embed(last_ids.reshape(B * K, 1), first_position=state.length)
        caches = []
        for layer, cache in zip(self.decoder_layers(), state.layers, strict=True):
            query, key, value = layer.self_attention.project_all(x)
            keys = torch.cat([cache.self_keys, key], dim=2)
            values = torch.cat([cache.self_values, value], dim=2)
            attended = layer.self_attention.merge(attention(query, keys, values, None))
            x = layer.self_attention_norm(x, attended)
            # A sentence's K hypotheses are K queries to one memory.
            query = layer.cross_attention.project_query(x.reshape(B, K, -1))
            attended = layer.cross_attention.merge(
                attention(query, cache.memory_keys, cache.memory_values, state.memory_bias)
            )
            x = layer.cross_attention_norm(x, attended.reshape(B * K, 1, -1))
            x = layer.feed_forward_norm(x, layer.feed_forward(x))
            caches.append(LayerCache(keys, values, cache.memory_keys, cache.memory_values))
        logits = self.model.project(x).reshape(B, K, -1)
        return logits, DecoderState(tuple(caches), state.memory_bias, K, state.length + 1)

    def decoder_layers(self) -> list[DecoderLayer]:
        """The decoder's layers, typed."""
        return [layer for layer in self.model.decoder if isinstance(layer, DecoderLayer)]
