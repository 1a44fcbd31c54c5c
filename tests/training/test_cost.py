"""The cost formulas agree with what PyTorch counts for the real network."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from nmt.config import DECLARED, ModelSettings
from nmt.kernels.loss import smoothed_loss
from nmt.model import make_network
from nmt.recipe.size import count_parameters, weight_shapes
from nmt.training.cost import TRAINING_PASSES, Workload, activation_bytes, forward_flops
from tests.model.conftest import PAD, SMALL

V = 50
ODD = replace(SMALL, heads=5, d_k=6, d_v=3, encoder_layers=1, decoder_layers=3, dropout=0.2)


def variants() -> Iterator[ModelSettings]:
    """Yield two shapes, each with every choice of the architecture's settings."""
    for shape in (SMALL, ODD):
        yield shape
        for name, declared in DECLARED.items():
            section, key = name.split(".")
            if section == "model":
                flag = [True] if isinstance(declared.default, bool) else []
                for choice in [*declared.metadata["choices"], *flag]:
                    if choice != "recurrent":
                        yield replace(shape, **{key: choice})


def ids(rows: int, length: int) -> Tensor:
    """Return random token ids, (rows, length)."""
    return torch.randint(4, V, (rows, length))


@pytest.mark.parametrize(("model", "S"), [*zip(variants(), cycle((1, 5)), strict=False)])
def test_flops_are_those_that_pytorch_counts(model: ModelSettings, S: int) -> None:
    """With one target position no score is masked, so that PyTorch counts the same products."""
    network = make_network(model, V, PAD)
    forward, training = (FlopCounterMode(display=False) for _ in range(2))
    with forward:
        network(ids(3, S), ids(3, 1))
    expected = forward_flops(model, V, Workload.from_lengths([(S, 1)] * 3))
    assert forward.get_total_flops() == expected
    with training:
        network(ids(3, S), ids(3, 1)).sum().backward()
    assert training.get_total_flops() == TRAINING_PASSES * expected


def test_flops_of_a_recurrent_model_are_one_pass_of_each_matrix() -> None:
    """PyTorch does not count what is inside its LSTM."""
    model = replace(SMALL, architecture="recurrent")
    sizes = {name: math.prod(shape) for name, shape in weight_shapes(model, V).items()}
    matrices = {
        name: size for name, size in sizes.items() if len(weight_shapes(model, V)[name]) == 2
    }
    of_source = {name for name in matrices if name.startswith(("encoder.", "attention.key"))}
    once = {"first_hidden.weight"}  # for each sentence: left out
    source = sum(matrices[name] for name in of_source)
    target = sum(size for name, size in matrices.items() if name not in of_source | once)
    work = Workload.from_lengths([(3, 2)])
    # The energy vector is part of `target` once; attention takes it for each source position.
    attention = 2 * model.d_model * 3 * 2 - model.d_model * 2
    assert forward_flops(model, V, work) == 2 * (3 * source + 2 * target + attention)


def test_masked_scores_are_not_counted() -> None:
    """T (T + 1) / 2 of the decoder's T^2 self-attention scores count; PyTorch computes all."""
    T = 6
    counter = FlopCounterMode(display=False)
    with counter:
        make_network(SMALL, V, PAD)(ids(2, 4), ids(2, T))
    score = 2 * SMALL.heads * (SMALL.d_k + SMALL.d_v)
    masked = 2 * (T * T - T * (T + 1) // 2) * score * SMALL.decoder_layers
    work = Workload.from_lengths([(4, T)] * 2)
    assert counter.get_total_flops() == forward_flops(SMALL, V, work) + masked
    assert Workload.from_equal_lengths(42, 42, 7) == Workload.from_lengths([(7, 7)] * 6)


def kept_bytes(model: ModelSettings, source: Tensor, target: Tensor, *, bf16: bool) -> int:
    """Return the bytes that a training's forward pass keeps, without the weights."""
    network = make_network(model, V, PAD).train()
    weights = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    kept: dict[int, Tensor] = {}  # by storage address; a kept tensor keeps its address in use

    def keep(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in weights:
            kept[address] = tensor
        return tensor

    precision: AbstractContextManager[Any] = nullcontext()
    if bf16:
        precision = torch.autocast("cpu", torch.bfloat16, cache_enabled=False)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        with precision:
            logits = network(source, target).flatten(0, 1)
        kept[logits.untyped_storage().data_ptr()] = logits
        smoothed_loss(logits, target.flatten(), 0.1, PAD)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(
    "model",
    [
        replace(SMALL, d_model=64, d_ff=256, d_k=16, d_v=16, dropout=0.1),
        replace(ODD, d_model=40, d_ff=300),
        replace(SMALL, d_model=64, d_ff=100, positions="learned"),  # without dropout
        replace(SMALL, d_model=64, d_ff=256, norm="pre", attention_dropout=0.1),
        replace(SMALL, d_model=64, d_ff=256, norm_kind="rms", activation="swiglu", dropout=0.1),
        replace(SMALL, d_model=64, d_ff=256, d_k=16, positions="rotary", tied="none"),
        replace(SMALL, d_model=64, d_ff=256, activation="silu", attention_bias=True, dropout=0.1),
        replace(SMALL, d_model=64, d_ff=256, activation="gelu", softmax_bias=True),
    ],
)
def test_activations_are_estimated_within_5_percent(model: ModelSettings, bf16: bool) -> None:
    torch.set_default_dtype(torch.float32)
    source, target = ids(20, 15), ids(20, 19)
    source[0, -1] = PAD  # most batches have padding
    real = kept_bytes(model, source, target, bf16=bf16)
    estimate = activation_bytes(model, V, 20, 15, 19, bf16=bf16)
    if bf16:  # each product keeps a copy of its weights in bf16
        estimate += 2 * count_parameters(model, V)
    assert estimate == pytest.approx(real, rel=0.05)
