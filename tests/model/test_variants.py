"""Alternatives to the paper's parts, each against its formula."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.functional import gelu, sigmoid, silu

from nmt.model.attention import MultiHeadAttention, attention
from nmt.model.feed_forward import FeedForward
from nmt.model.layers import AddAndNorm
from nmt.model.positions import sinusoids
from nmt.model.transformer import Transformer
from tests.model.conftest import PAD, SMALL, VARIANTS, small_model

SOURCE, TARGET = torch.tensor([[5, 9, 4, 3]]), torch.tensor([[2, 6, 8]])


@pytest.mark.parametrize("name", VARIANTS)
def test_every_weight_learns(name: str) -> None:
    model = Transformer(VARIANTS[name], vocab_size=17, pad_id=PAD).train()
    model(SOURCE, TARGET).square().sum().backward()
    for weight_name, weight in model.named_parameters():
        assert weight.grad is not None, weight_name
        assert weight.grad.abs().sum() > 0, weight_name


def test_pre_norm_ends_each_stack_with_a_norm() -> None:
    """With gain 1 and bias 0, outputs of both stacks have mean 0 and variance 1."""
    model = small_model(replace(SMALL, norm="pre"))
    memory, bias = model.encode(SOURCE)
    for out in (memory, model.decode(TARGET, memory, bias)):
        torch.testing.assert_close(out.mean(-1), torch.zeros(out.shape[:2]), atol=1e-12, rtol=0)
        ones = torch.ones(out.shape[:2])
        torch.testing.assert_close(out.var(-1, correction=0), ones, atol=1e-4, rtol=0)


def test_rms_norm_by_hand() -> None:
    """The root mean square of 3 and 4 is sqrt(12.5); the mean is kept, and a gain scales."""
    norm = AddAndNorm(replace(SMALL, d_model=2, norm_kind="rms"))
    norm.norm.get_parameter("weight").data.copy_(torch.tensor([1.0, 10.0]))
    out = norm(torch.tensor([[[1.0, 4.0]]]), lambda x: torch.tensor([[[2.0, 0.0]]]))
    expected = torch.tensor([[[3 / 12.5**0.5, 40 / 12.5**0.5]]])
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=0)
    norm = AddAndNorm(replace(SMALL, d_model=2, norm_kind="rms", norm_epsilon=0.01))
    out = norm(torch.ones(1, 1, 2), torch.zeros_like)
    torch.testing.assert_close(out, torch.full((1, 1, 2), 1.01**-0.5), atol=1e-12, rtol=0)


def test_new_biases_are_zero() -> None:
    """A model that has them starts as one without; each attention and each logit has its own."""
    settings = replace(SMALL, attention_bias=True, softmax_bias=True)
    model = Transformer(settings, vocab_size=17, pad_id=PAD)
    without = Transformer(SMALL, vocab_size=17, pad_id=PAD).state_dict().keys()
    added = {name: weight for name, weight in model.state_dict().items() if name not in without}
    assert len(added) == 1 + 2 * 2 + 2 * (2 + 3)
    assert all(name.endswith("bias") for name in added)
    assert added["embeddings.softmax_bias"].shape == (17,)
    assert not any(weight.any() for weight in added.values())


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        *(("silu", silu), ("gelu", gelu), ("glu", sigmoid), ("reglu", torch.relu)),
        *(("geglu", gelu), ("swiglu", silu)),
    ],
)
def test_feed_forward_by_its_formula(activation: str, function: Any) -> None:
    """f(x W_1 + b_1) W_2 + b_2, or (f(x W + b) * (x V + c)) W_2 + b_2, W above V."""
    layer = FeedForward(replace(SMALL, activation=activation, d_ff=30))
    for parameter in layer.parameters():
        parameter.data.normal_()
    x = torch.randn(2, 3, 12)
    inner = x @ layer.inner.weight.T + layer.inner.bias
    if activation.endswith("glu"):
        inner = function(inner[..., :20]) * inner[..., 20:]
    else:
        assert inner.shape[-1] == 30
        inner = function(inner)
    expected = inner @ layer.outer.weight.T + layer.outer.bias
    torch.testing.assert_close(layer(x), expected, atol=1e-12, rtol=0)


def test_all_tables_of_positions_grow_at_once() -> None:
    """No table is replaced later, in the middle of training; one of inference serves training."""
    for kind, count in (("sinusoidal", 1), ("rotary", SMALL.encoder_layers * 2)):
        model = small_model(replace(SMALL, positions=kind))
        with torch.inference_mode():
            model.grow_positions(600)
        tables = [table for name, table in model.named_buffers() if name.endswith("table")]
        assert len(tables) == count
        assert all(len(table) >= 600 for table in tables)
        long = torch.ones(1, 600, dtype=torch.long)
        model.train()(long, long).sum().backward()
        after = [table for name, table in model.named_buffers() if name.endswith("table")]
        assert all(one is other for one, other in zip(tables, after, strict=True))


def test_rotary_positions_affect_only_self_attention() -> None:
    """Embeddings have no position added, and cross-attention ignores the order of the memory."""
    settings = replace(SMALL, positions="rotary")
    model = small_model(settings)
    torch.testing.assert_close(
        model.embeddings.embed_source(SOURCE), model.embeddings.weight[SOURCE] * 12**0.5
    )
    cross = MultiHeadAttention(settings, is_cross=True)
    cross.reset_parameters()
    x, memory = torch.randn(1, 2, 12), torch.randn(1, 4, 12)
    torch.testing.assert_close(cross(x, None, memory), cross(x, None, memory.flip(1)))
    assert not torch.allclose(model(SOURCE, TARGET), model(SOURCE.flip(1), TARGET))


def test_attention_dropout_drops_weights_only_in_training() -> None:
    """With equal weights over 1,000 values of 1, the mean stays 1 and outputs vary."""
    module = MultiHeadAttention(replace(SMALL, attention_dropout=0.3))
    zeros, ones = torch.zeros(1, 1, 8, 4), torch.ones(1, 1, 1000, 1)
    keys = torch.zeros(1, 1, 1000, 4)
    out = attention(zeros, keys, ones, None, dropout=module.dropout)
    assert float(out.mean()) == pytest.approx(1, abs=0.03)
    assert float(out.std()) > 0
    module.eval()
    torch.testing.assert_close(
        attention(zeros, keys, ones, None, dropout=module.dropout), torch.ones(1, 1, 8, 1)
    )


@pytest.mark.parametrize(("tied", "matrices"), [("all", 1), ("target", 2), ("none", 3)])
def test_untied_matrices(tied: str, matrices: int) -> None:
    """Each matrix is used for the purpose in its name; tied ones are one matrix."""
    embeddings = small_model(replace(SMALL, tied=tied, softmax_bias=True)).embeddings
    assert sum(weight.shape == (17, 12) for weight in embeddings.parameters()) == matrices
    weight, softmax = embeddings.weight, embeddings.softmax_weight
    source = embeddings.source_weight
    assert (source is weight, weight is softmax) == (matrices < 2, matrices < 3)
    first, ids = sinusoids(1, 12), torch.tensor([[6]])
    assert embeddings.softmax_bias is not None
    torch.testing.assert_close(embeddings.embed_source(ids)[0], source[6] * 12**0.5 + first)
    torch.testing.assert_close(embeddings.embed_target(ids)[0], weight[6] * 12**0.5 + first)
    x = torch.randn(2, 3, 12)
    expected = x @ softmax.T + embeddings.softmax_bias
    torch.testing.assert_close(embeddings.project(x), expected)
