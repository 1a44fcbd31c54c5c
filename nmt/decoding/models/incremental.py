"""Decode one position at a time with cached keys and values: the model's side of the search.

Dimensions: L layers, B sentences, K hypotheses for each sentence, R = B * K rows, h heads, S source
positions and t target positions so far.
"""

import math
from dataclasses import dataclass, replace

import numpy
import torch
from torch import Tensor
from torch.nn.functional import pad

from nmt.decoding.models.packing import call_directly, packed_copy
from nmt.decoding.search.search import AnyIds
from nmt.kernels.rule import IdArray
from nmt.model.attention import KeyValueCache
from nmt.model.layers import DecoderLayer, LayerCache
from nmt.model.transformer import Transformer

# Caches hold multiples of this many positions, the unused ones hidden by a mask: torch's softmax of
# 15 numbers takes ten times as long as that of 16, which fill a vector register.
BLOCK = 16


@dataclass(frozen=True)
class DecoderState:
    """The caches of all L layers for the source and for the hypotheses so far.

    The caches of target positions have room for more and are written in place: fresh memory for
    each step costs more than the step's attention. Those of the source exist once for each
    sentence, not for each hypothesis. `step` and `select` write into the buffers of the state that
    they are given, which must not be used afterwards.
    """

    self_keys: Tensor  # (L, R, h, capacity, d_k)
    self_values: Tensor  # (L, R, h, capacity, d_v)
    memory_keys: Tensor  # (L, B, h, S, d_k)
    memory_values: Tensor  # (L, B, h, S, d_v)
    memory_mask: Tensor  # (B, 1, 1, S)
    beam: int  # K
    length: int  # t
    in_place: bool  # how rows are selected

    @torch.inference_mode()
    def select(self, rows: AnyIds) -> "DecoderState":
        """Return the state of the hypotheses `rows` (B', K'), flat indices of the old R rows.

        Hypotheses are reordered, repeated and dropped; those of a sentence stay next to each
        other. A sentence without a row leaves the batch.

        In place, a row that keeps its place costs nothing. Which rows do has to be read, and a GPU
        would wait for that: there all rows are copied, those of the sentences if one leaves.
        """
        own, shared = self.moves(rows) if self.in_place else self.copies(rows)
        return replace(
            self,
            self_keys=own.apply(self.self_keys, self.length),
            self_values=own.apply(self.self_values, self.length),
            memory_keys=shared.apply(self.memory_keys),
            memory_values=shared.apply(self.memory_values),
            memory_mask=shared.apply(self.memory_mask[None])[0],
            beam=rows.shape[1],
        )

    def moves(self, rows: AnyIds) -> "tuple[RowMoves | RowCopies, RowMoves]":
        """Return how rows of hypotheses and of sentences are selected in place."""
        device = self.memory_mask.device
        read = rows if isinstance(rows, numpy.ndarray) else rows.cpu().numpy()
        sentences = RowMoves(read[:, 0] // self.beam, device)
        if read.shape[1] == self.beam:
            return RowMoves(read.ravel(), device), sentences
        # After the first step there is little to copy.
        return RowCopies(torch.from_numpy(read.ravel()).to(device)), sentences

    def copies(self, rows: AnyIds) -> "tuple[RowCopies, RowCopies]":
        """Return how rows of hypotheses and of sentences are selected without reading them."""
        chosen = torch.as_tensor(rows, device=self.memory_mask.device)
        hypotheses = RowCopies(chosen.flatten())
        if len(chosen) == len(self.memory_mask):
            return hypotheses, RowCopies(None)
        return hypotheses, RowCopies(torch.div(chosen[:, 0], self.beam, rounding_mode="floor"))

    def with_room(self) -> "DecoderState":
        """Return the state with room for at least one more target position."""
        if self.length < self.self_keys.shape[3]:
            return self
        more = (0, 0, 0, BLOCK)
        return replace(
            self, self_keys=pad(self.self_keys, more), self_values=pad(self.self_values, more)
        )

    def layer_caches(self) -> list[LayerCache]:
        """Return the cache of each layer; they share the memory of the state."""
        buffers = self.self_keys, self.self_values, self.memory_keys, self.memory_values
        source_length = self.memory_keys.shape[3]
        return [
            LayerCache(
                KeyValueCache(keys, values, self.length),
                KeyValueCache(memory_keys, memory_values, source_length),
            )
            for keys, values, memory_keys, memory_values in zip(
                *(each.unbind(0) for each in buffers), strict=True
            )
        ]


class RowMoves:
    """The rows of buffers that have to be copied to another place when rows are selected."""

    def __init__(self, rows: IdArray, device: torch.device) -> None:
        """Take the old row (n',) of each new one, and the device of the buffers."""
        self.count = len(rows)
        (targets,) = (rows != numpy.arange(self.count)).nonzero()
        self.targets = torch.from_numpy(targets).to(device)
        self.sources = torch.from_numpy(rows[targets]).to(device) if len(targets) else None

    def apply(self, buffer: Tensor, length: int | None = None) -> Tensor:
        """Copy rows within (L, n, h, positions, width) and return its first n' rows.

        Only the first `length` positions are copied.
        """
        if self.sources is not None:
            buffer[:, self.targets, :, :length] = buffer[:, self.sources, :, :length]
        return buffer if self.count == buffer.shape[1] else buffer[:, : self.count]


class RowCopies:
    """A copy of buffers with other rows: no shape and no move depends on numbers to be read."""

    def __init__(self, rows: Tensor | None) -> None:
        """Take the old row (n',) of each new one; None: all rows stay."""
        self.rows = rows

    def apply(self, buffer: Tensor, length: int | None = None) -> Tensor:
        """Return the rows of (L, n, h, positions, width); all positions are copied."""
        return buffer if self.rows is None else buffer.index_select(1, self.rows)


class IncrementalDecoder:
    """The seam between the search and a Transformer: `encode`, then `step` after `step`.

    It packs the weights when it is made. It does not see later training; create a new one then.
    """

    def __init__(self, model: Transformer, precision: str = "float32") -> None:
        """Pack a model in a precision of `decode.precision`; int8 needs `has_int8`."""
        self.model, self.project = packed_copy(model, precision)
        self.memory_projections = [
            layer.cross_attention.project_memory
            for layer in self.model.decoder
            if isinstance(layer, DecoderLayer)
        ]
        call_directly(self.model)
        self.in_place = model.device.type != "cuda"

    @torch.inference_mode()
    def encode(self, source: AnyIds) -> DecoderState:
        """Return the state before the first target token, one hypothesis for each sentence.

        source: ids (B, S) ending in EOS.
        """
        ids = torch.as_tensor(source, device=self.model.device)
        memory, _ = self.model.encode(ids)
        # Room for a whole block, and a mask that hides padding and room.
        is_hidden = pad(ids == self.model.pad_id, (0, -ids.shape[1] % BLOCK), value=True)
        mask = memory.new_zeros(is_hidden.shape).masked_fill_(is_hidden, -math.inf)
        return self.first_state(memory, mask[:, None, None])

    def first_state(self, memory: Tensor, mask: Tensor) -> DecoderState:
        """Return a state with room for the target and with the keys and values of the memory."""
        settings = self.model.settings
        B, S = memory.shape[:2]
        shape = settings.decoder_layers, B, settings.heads
        capacity = mask.shape[-1]
        state = DecoderState(
            memory.new_zeros(*shape, BLOCK, settings.d_k),
            memory.new_zeros(*shape, BLOCK, settings.d_v),
            memory.new_zeros(*shape, capacity, settings.d_k),
            memory.new_zeros(*shape, capacity, settings.d_v),
            mask,
            beam=1,
            length=0,
            in_place=self.in_place,
        )
        for number, project in enumerate(self.memory_projections):
            key, value = project(memory)
            state.memory_keys[number, :, :, :S] = key
            state.memory_values[number, :, :, :S] = value
        return state

    @torch.inference_mode()
    def step(self, last_ids: AnyIds, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Return the logits (B, K, V) of the token after last_ids (B, K), and the next state."""
        B, K = last_ids.shape
        state = state.with_room()
        caches = state.layer_caches()
        ids = torch.as_tensor(last_ids, device=state.memory_mask.device)
        x = self.model.decode(ids.view(B * K, 1), None, state.memory_mask, caches)
        logits: Tensor = self.project(x)
        return logits.view(B, K, -1), replace(state, length=state.length + 1)
