"""Decoding one position at a time over kept keys and values: the model's side of the search.

Dimensions: B sentences, K hypotheses a sentence, R = B * K rows, h heads, S source and t target
positions so far.
"""

import copy
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from nmt.kernels.int8 import int8_if_large
from nmt.kernels.linear import PackedLinear
from nmt.model.attention import padding_mask
from nmt.model.inference import (
    InferenceDecoderLayer,
    InferenceEmbedding,
    InferenceEncoderLayer,
    ProductOf,
    functional_norm,
)
from nmt.model.layers import DecoderLayer, EncoderLayer
from nmt.model.transformer import Transformer

# Positions are kept in multiples of this, the unused ones hidden: torch's softmax of 15 numbers
# takes ten times as long as that of 16, which fill a vector register.
BLOCK = 16


@dataclass(frozen=True)
class DecoderState:
    """All that the next step needs of the source and of the hypotheses so far, L layers in one.

    Keys and values of target positions lie in buffers with room for more, written in place: fresh
    memory for each step costs more than its attention. Those of the source are kept once a
    sentence, not once a hypothesis. `step` and `select` write into the buffers of the state they
    are given, which is spent then.
    """

    self_keys: Tensor  # (L, R, h, capacity, d_k)
    self_values: Tensor  # (L, R, h, capacity, d_v)
    memory_keys: Tensor  # (L, B, h, S, d_k)
    memory_values: Tensor  # (L, B, h, S, d_v)
    memory_mask: Tensor  # (B, 1, 1, S)
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
            keys = moved.of(self.self_keys, self.length)
            values = moved.of(self.self_values, self.length)
        else:  # the first step: there is little to copy
            keys, values = self.self_keys[:, hypotheses], self.self_values[:, hypotheses]
        return DecoderState(
            keys,
            values,
            sentences.of(self.memory_keys),
            sentences.of(self.memory_values),
            sentences.of(self.memory_mask[None])[0],
            beam,
            self.length,
        )

    def with_room(self) -> "DecoderState":
        """The same with room for a target position more."""
        if self.length < self.self_keys.shape[3]:
            return self
        more = (0, 0, 0, BLOCK)
        return replace(
            self, self_keys=pad(self.self_keys, more), self_values=pad(self.self_values, more)
        )


class Moves:
    """Which rows of buffers are copied to which, in place."""

    def __init__(self, rows: Tensor) -> None:
        self.count = len(rows)
        self.to = (rows != torch.arange(self.count, device=rows.device)).nonzero()[:, 0]
        self.origin = rows[self.to] if len(self.to) else None

    def of(self, kept: Tensor, length: int | None = None) -> Tensor:
        """The rows left of (L, n, h, positions, width), of which `length` positions count."""
        if self.origin is not None:
            kept[:, self.to, :, :length] = kept[:, self.origin, :, :length]
        return kept[:, : self.count]


class IncrementalDecoder:
    """`encode`, then `step` by step, through a Transformer in evaluation mode.

    It lays the weights out anew and keeps nothing of the Transformer that it has a copy of. What
    the Transformer learns afterwards it knows in part: make another then.
    """

    def __init__(self, model: Transformer, precision: str = "float32") -> None:
        """Lay a model out in a precision of `decode.precision`; int8 needs `has_int8`."""
        product: ProductOf = PackedLinear
        if precision == "bf16":
            model = copy.deepcopy(model).bfloat16()  # the search itself adds up in float32
        elif precision == "int8":
            product = int8_if_large
        self.pad_id = model.pad_id
        self.embed_source = InferenceEmbedding(model.source_embedding, model.source_positions)
        self.embed_target = InferenceEmbedding(model.embedding, model.target_positions)
        self.encoder = [
            InferenceEncoderLayer(layer, product)
            for layer in model.encoder
            if isinstance(layer, EncoderLayer)
        ]
        self.decoder = [
            InferenceDecoderLayer(layer, product)
            for layer in model.decoder
            if isinstance(layer, DecoderLayer)
        ]
        self.encoder_norm = functional_norm(model.encoder_norm)
        self.decoder_norm = functional_norm(model.decoder_norm)
        self.project = product(model.softmax_weight.detach())

    @torch.no_grad()
    def encode(self, source: Tensor) -> DecoderState:
        """The state before the first target piece, one hypothesis a sentence; source (B, S)."""
        is_padding = source == self.pad_id
        x = self.embed_source(source)
        bias = padding_mask(is_padding, x.dtype)
        for layer in self.encoder:
            x = layer(x, bias)
        x = self.encoder_norm(x)
        hidden = pad(is_padding, (0, -x.shape[1] % BLOCK), value=True)
        memory_mask = x.new_zeros(hidden.shape).masked_fill_(hidden, -math.inf)[:, None, None]
        return self.first_state(x, memory_mask)

    def first_state(self, memory: Tensor, bias: Tensor) -> DecoderState:
        """Room for the target, and keys and values of the memory with room for a whole block."""
        B, S = memory.shape[:2]
        heads = self.decoder[0].cross_attention
        keys, values = (width // heads.heads for width in heads.widths[1:])  # d_k, d_v
        shape = len(self.decoder), B, heads.heads
        state = DecoderState(
            memory.new_zeros(*shape, BLOCK, keys),
            memory.new_zeros(*shape, BLOCK, values),
            memory.new_zeros(*shape, bias.shape[-1], keys),
            memory.new_zeros(*shape, bias.shape[-1], values),
            bias,
            beam=1,
            length=0,
        )
        for number, layer in enumerate(self.decoder):
            heads = layer.cross_attention
            key, value = heads.memory(memory).split(heads.widths[1:], dim=-1)
            state.memory_keys[number, :, :, :S] = heads.split_heads(key)
            state.memory_values[number, :, :, :S] = heads.split_heads(value)
        return state

    @torch.no_grad()
    def step(self, last_ids: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Logits (B, K, V) of the next piece after last_ids (B, K), and the state after them."""
        B, K = last_ids.shape
        state = state.with_room()
        t = state.length
        x = self.embed_target(last_ids.view(B * K, 1), t)
        hidden = x.new_zeros(state.self_keys.shape[3])  # positions yet to come
        hidden[t + 1 :] = -math.inf
        for number in range(len(self.decoder)):
            x = self.layer_step(number, x, state, hidden)
        x = self.decoder_norm(x)
        return self.project(x).view(B, K, -1), replace(state, length=t + 1)

    def layer_step(self, number: int, x: Tensor, state: DecoderState, hidden: Tensor) -> Tensor:
        """x (R, 1, d_model) through a layer, whose keys and values for it are added to the state.

        hidden (capacity,): the bias that hides positions yet to come.
        """
        layer, t = self.decoder[number], state.length
        keys, values = state.self_keys[number], state.self_values[number]
        heads = layer.self_attention
        query, key, value = heads.project_all(layer.self_attention_norm.inputs(x), t)
        keys[:, :, t : t + 1] = key
        values[:, :, t : t + 1] = value
        attended = heads.attend(query, keys, values, hidden)
        x = layer.self_attention_norm(x, attended)
        # A sentence's K hypotheses are K queries to one memory.
        keys, values = state.memory_keys[number], state.memory_values[number]
        heads = layer.cross_attention
        inputs = layer.cross_attention_norm.inputs(x)
        query = heads.split_heads(heads.query(inputs).view(len(keys), -1, heads.widths[0]))
        attended = heads.attend(query, keys, values, state.memory_mask)
        x = layer.cross_attention_norm(x, attended.view(x.shape))
        return layer.feed_forward_norm(x, layer.feed_forward(layer.feed_forward_norm.inputs(x)))
