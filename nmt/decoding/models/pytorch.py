"""Decode in PyTorch: packed weights, cached keys and values, and several models as one.

The modules are those that train. `IncrementalDecoder` is one model, `Ensemble` a search model made
of several.

Dimensions: L layers, B sentences, K hypotheses for each sentence, R = B * K rows, h heads, S source
positions, t target positions so far, V tokens.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Generic, TypeVar

import numpy
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from nmt.decoding.search.search import AnyIds, SearchModel, StateT
from nmt.kernels.eight_bits import EightBits
from nmt.kernels.linear import int8_if_large, pack
from nmt.kernels.rule import IdArray
from nmt.model.attention import KeyValueCache, MultiHeadAttention
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.model.feed_forward import FeedForward
from nmt.model.layers import DecoderLayer, LayerCache
from nmt.model.recurrent import Recurrent, RecurrentState
from nmt.model.transformer import Transformer

# Caches hold multiples of this many positions, the unused ones hidden by a mask: torch's softmax of
# 15 numbers takes ten times as long as that of 16, which fill a vector register.
BLOCK = 16
ReadWeight = Callable[[Tensor], Tensor | EightBits]  # returns what is packed of a parameter
NetworkT = TypeVar("NetworkT", bound=EncoderDecoder)


def packed_copy(model: NetworkT, precision: str) -> tuple[NetworkT, nn.Module]:
    """Copy a model with its linear layers packed for the processor.

    The copy shares the memory of everything else with the model, except in bf16. It does not see
    later training.

    Args:
        model: left unchanged.
        precision: of `decode.precision`; int8 needs `nmt.kernels.linear.has_int8`.

    Returns:
        The copy in evaluation mode, and the packed projection to the softmax. A matrix that also
        embeds stays in the copy as well.
    """
    if precision == "bf16":
        copied = copy.deepcopy(model).bfloat16()
    else:
        shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        copied = copy.deepcopy(model, shared)
    read: ReadWeight = int8_if_large if precision == "int8" else Tensor.detach
    for module in copied.modules():
        if isinstance(module, MultiHeadAttention):
            pack_attention(module, read)
        elif isinstance(module, FeedForward):
            pack_feed_forward(module, read)
    embeddings = copied.embeddings
    bias = embeddings.softmax_bias
    project = pack(read(embeddings.softmax_weight), None if bias is None else bias.detach())
    embeddings.own_softmax_weight = None  # packed: it does not embed, so one copy is enough
    return copied.eval(), project


def call_directly(model: nn.Module) -> None:
    """Let each module of a packed copy find its children and weights as plain attributes.

    A child is found as its `forward`. `nn.Module` looks children up in Python code and checks for
    hooks at each call: 130 of 580 microseconds of a small model's step for one sentence. Hooks are
    not called afterwards. Buffers stay as they are, because tables of positions grow.
    """
    for module in model.modules():
        found = {name: find_replacement(child) for name, child in module.named_children()}
        vars(module).update(found)
        vars(module).update(module.named_parameters(recurse=False))


def find_replacement(module: nn.Module) -> object:
    """Return what replaces a module in its parent: its `forward`, a list of them, or itself."""
    if isinstance(module, nn.ModuleList):
        return [find_replacement(child) for child in module]
    if isinstance(module, nn.LayerNorm):  # its `forward` adds two more calls in Python
        shape, weight, bias = module.normalized_shape, module.weight, module.bias
        epsilon = module.eps
        return lambda x: torch.layer_norm(x, shape, weight, bias, epsilon)
    return module if type(module).forward is nn.Module.forward else module.forward


def pack_attention(module: MultiHeadAttention, read: ReadWeight) -> None:
    """Replace the projections, with the factor 1 / sqrt(d_k) in the weight of the queries."""
    queries, scale = module.widths[0], module.scale
    module.scale = 1.0

    def scaled(tensor: Tensor) -> Tensor:
        copied = tensor.clone()
        copied[:queries] *= scale
        return copied

    projection = "query" if module.is_cross else "query_key_value"
    weight, bias = read_linear(module, projection, read)
    if isinstance(weight, EightBits):
        weight = weight._replace(scales=scaled(torch.from_numpy(weight.scales)).numpy())
    else:
        weight = scaled(weight)
    made = pack(weight, None if bias is None else scaled(bias))
    module.set_submodule(projection, made)
    for name in ("key_value", "out") if module.is_cross else ("out",):
        module.set_submodule(name, pack(*read_linear(module, name, read)))


def pack_feed_forward(module: FeedForward, read: ReadWeight) -> None:
    """Replace both linear layers; ReLU becomes part of the first one."""
    is_relu = module.activation is torch.relu
    module.set_submodule("inner", pack(*read_linear(module, "inner", read), relu=is_relu))
    module.set_submodule("outer", pack(*read_linear(module, "outer", read)))
    if is_relu:
        module.activation = lambda x: x


def read_linear(
    module: nn.Module, name: str, read: ReadWeight
) -> tuple[Tensor | EightBits, Tensor | None]:
    """Return the weight and the bias of a linear layer of a module, without their gradients."""
    layer = module.get_submodule(name)
    assert isinstance(layer, nn.Linear)  # noqa: S101 (for the type checker)
    bias: Tensor | None = layer.bias
    return read(layer.weight), None if bias is None else bias.detach()


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

        In place, a row that keeps its index costs nothing. Which rows do has to be read, and a GPU
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
                *(buffer.unbind(0) for buffer in buffers), strict=True
            )
        ]


class RowMoves:
    """The rows of buffers that have to be moved when rows are selected."""

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


class RecurrentDecoder:
    """The seam between the search and a recurrent network."""

    def __init__(self, model: Recurrent, precision: str = "float32") -> None:
        """Pack a model in a precision of `decode.precision`; int8 needs `has_int8`."""
        self.model, self.project = packed_copy(model, precision)

    @torch.inference_mode()
    def encode(self, source: AnyIds) -> RecurrentState:
        """Return the state before the first target token; source: ids (B, S) ending in EOS."""
        ids = torch.as_tensor(source, device=self.model.device)
        return self.model.first_state(*self.model.encode(ids))

    @torch.inference_mode()
    def step(self, last_ids: AnyIds, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """Return the logits (B, K, V) of the token after last_ids (B, K), and the next state."""
        B, K = last_ids.shape
        ids = torch.as_tensor(last_ids, device=state.context.device)
        x, state = self.model.advance(ids.reshape(B * K, 1), state)
        logits: Tensor = self.project(x)
        return logits.view(B, K, -1), state


Decoder = IncrementalDecoder | RecurrentDecoder


def make_decoder(model: EncoderDecoder, precision: str = "float32") -> Decoder:
    """Return a decoder of a network, packed in a precision of `decode.precision`."""
    if isinstance(model, Recurrent):
        return RecurrentDecoder(model, precision)
    assert isinstance(model, Transformer)  # noqa: S101 (for the type checker)
    return IncrementalDecoder(model, precision)


@dataclass(frozen=True)
class EnsembleState(Generic[StateT]):
    """The states of all models for the same hypotheses."""

    states: tuple[StateT, ...]

    def select(self, rows: AnyIds) -> "EnsembleState[StateT]":
        """Return each model's state of the hypotheses `rows` (B', K')."""
        return EnsembleState(tuple(state.select(rows) for state in self.states))


class Ensemble(Generic[StateT]):
    """A search model made of one or more models that read and write the same ids."""

    def __init__(self, models: Sequence[SearchModel[StateT]]) -> None:
        self.models = tuple(models)

    def encode(self, source: AnyIds) -> EnsembleState[StateT]:
        """Return the states of all models before the first token."""
        return EnsembleState(tuple(model.encode(source) for model in self.models))

    @torch.inference_mode()
    def step(
        self, last_ids: AnyIds, state: EnsembleState[StateT]
    ) -> tuple[Tensor, EnsembleState[StateT]]:
        """Return the log of the mean of the models' probabilities (B, K, V) after last_ids (B, K).

        A token that one model excludes is possible if another model allows it. NaN propagates.
        """
        pairs = zip(self.models, state.states, strict=True)
        steps = [model.step(last_ids, own_state) for model, own_state in pairs]
        log_probs = (
            torch.as_tensor(logits).log_softmax(-1, dtype=torch.float32) for logits, _ in steps
        )
        total = reduce(torch.logaddexp, log_probs)
        states = tuple(after for _, after in steps)
        return total.sub_(math.log(len(steps))), EnsembleState(states)
