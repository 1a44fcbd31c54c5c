"""What settings have in the place of the paper's parts, each against its own formula."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, sigmoid, silu

from nmt.config import ModelSettings
from nmt.model.attention import MultiHeadAttention, attention
from nmt.model.layers import AddNorm, EncoderLayer, FeedForward
from nmt.model.positions import Rotary, apply_rotary, apply_rotary_complex
from nmt.model.transformer import Transformer
from nmt.training.cost import count_parameters
from tests.model.conftest import PAD, SMALL, VARIANTS, small_model

SOURCE, TARGET = torch.tensor([[5, 9, 4, 3]]), torch.tensor([[2, 6, 8]])


@pytest.mark.parametrize("name", VARIANTS)
def test_every_weight_learns(name: str) -> None:
    model = Transformer(VARIANTS[name], vocab_size=17, pad_id=PAD).train()
    model(SOURCE, TARGET).square().sum().backward()
    for weight_name, weight in model.named_parameters():
        assert weight.grad is not None, weight_name
        assert weight.grad.abs().sum() > 0, weight_name


def test_pre_norm_adds_to_what_was_not_normed() -> None:
    """x + Sublayer(LayerNorm(x)), twice."""
    layer = EncoderLayer(replace(SMALL, norm="pre"))
    x = torch.randn(2, 3, 12) * 5 + 1
    norms = layer.self_attention_norm.norm, layer.feed_forward_norm.norm
    total = x + layer.self_attention(norms[0](x), None, None)
    expected = total + layer.feed_forward(norms[1](total))
    torch.testing.assert_close(layer(x, None), expected, atol=1e-12, rtol=0)


def test_pre_norm_ends_each_stack_with_a_norm() -> None:
    """Gain 1 and bias 0 at first: encoder and decoder give numbers of mean 0 and variance 1."""
    model = small_model(replace(SMALL, norm="pre"))
    memory, bias = model.encode(SOURCE)
    for out in (memory, model.decode(TARGET, memory, bias)):
        torch.testing.assert_close(out.mean(-1), torch.zeros(out.shape[:2]), atol=1e-12, rtol=0)
        ones = torch.ones(out.shape[:2])
        torch.testing.assert_close(out.var(-1, correction=0), ones, atol=1e-4, rtol=0)


def test_rms_norm_by_hand() -> None:
    """Of 3 and 4 the root of the mean square is sqrt(12.5); the mean stays, a gain scales."""
    norm = AddNorm(replace(SMALL, d_model=2, norm_kind="rms"))
    norm.norm.get_parameter("weight").data.copy_(torch.tensor([1.0, 10.0]))
    out = norm(torch.tensor([[[1.0, 4.0]]]), torch.tensor([[[2.0, 0.0]]]))
    expected = torch.tensor([[[3 / 12.5**0.5, 40 / 12.5**0.5]]])
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("activation", "function"),
    [("glu", sigmoid), ("reglu", torch.relu), ("geglu", gelu), ("swiglu", silu)],
)
def test_gated_feed_forward_by_its_formula(activation: str, function: object) -> None:
    """(f(x W + b) * (x V + c)) W_2 + b_2, W above V."""
    assert callable(function)
    layer = FeedForward(replace(SMALL, activation=activation, d_ff=30))
    for parameter in layer.parameters():
        parameter.data.normal_()
    x = torch.randn(2, 3, 12)
    W, V = layer.inner.weight[:20], layer.inner.weight[20:]
    b, c = layer.inner.bias[:20], layer.inner.bias[20:]
    expected = (function(x @ W.T + b) * (x @ V.T + c)) @ layer.outer.weight.T + layer.outer.bias
    torch.testing.assert_close(layer(x), expected, atol=1e-12, rtol=0)


def test_a_gate_keeps_the_number_of_parameters() -> None:
    base = ModelSettings()
    gated = count_parameters(replace(base, activation="swiglu"), 37_000)
    assert gated == pytest.approx(count_parameters(base, 37_000), rel=0.001)


Turn = Callable[[Tensor, Tensor], Tensor]


def test_rotation_by_hand() -> None:
    """The first pair turns by its position in radians, the second by a hundredth of it."""
    x = torch.tensor([[1.0, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 1]])
    one, two = torch.tensor([1.0, 0.01]), torch.tensor([2.0, 0.02])
    expected = torch.stack(
        [
            torch.tensor([1.0, 0, 1, 0]),
            torch.stack([one.cos(), one.sin()], -1).flatten(),
            torch.stack([-two.sin(), two.cos()], -1).flatten(),
        ]
    )
    torch.testing.assert_close(Rotary(4)(x), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(Rotary(4)(x[1:], first=1), expected[1:], atol=1e-12, rtol=0)


@pytest.mark.parametrize("heads_beside", [8, 7])  # an odd row's pairs lie at odd places
def test_rotation_as_complex_numbers_is_the_plain_one(heads_beside: int) -> None:
    """Of heads that lie between others, with their gradients."""
    wide = torch.randn(3, 5, 8 + heads_beside, requires_grad=True)
    turns = Rotary(4).turns(5)
    found = []
    for turn in (apply_rotary, apply_rotary_complex):
        heads = wide[:, :, :8].unflatten(-1, (2, 4)).transpose(1, 2)
        out = turn(heads, turns)
        (gradient,) = torch.autograd.grad(out.square().sin().sum(), wide)
        found.append((out, gradient))
    torch.testing.assert_close(found[0], found[1], atol=1e-14, rtol=1e-12)


@pytest.mark.parametrize("turn", [apply_rotary, apply_rotary_complex])
def test_rotation_of_bf16_is_that_of_float32_rounded(turn: Turn) -> None:
    x, turns = torch.randn(2, 6, 8).bfloat16(), Rotary(8).turns(6).bfloat16()
    expected = apply_rotary(x.float(), turns.float())
    torch.testing.assert_close(turn(x, turns).float(), expected, atol=0.04, rtol=0.02)


def test_rotated_products_depend_on_distance_alone() -> None:
    query, key = torch.randn(2, 8)
    rotary = Rotary(8)
    queries, keys = (rotary(each.expand(30, -1)) for each in (query, key))
    products = queries @ keys.T
    for distance in range(-20, 20):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-12, rtol=0)


def test_all_tables_of_positions_grow_at_once() -> None:
    """None is made anew afterwards, in the midst of training."""
    for kind in ("sinusoidal", "rotary"):
        model = small_model(replace(SMALL, positions=kind))
        model.grow_positions(600)
        tables = [each for name, each in model.named_buffers() if name.endswith("table")]
        assert len(tables) == {"sinusoidal": 1, "rotary": SMALL.encoder_layers * 2}[kind]
        assert all(len(each) >= 600 for each in tables)
        model(torch.ones(1, 600, dtype=torch.long), torch.ones(1, 600, dtype=torch.long))
        after = [each for name, each in model.named_buffers() if name.endswith("table")]
        assert all(one is other for one, other in zip(tables, after, strict=True))


def test_rotary_positions_turn_self_attention_alone() -> None:
    """Nothing is added to the embeddings, and the memory's order tells attention to it nothing."""
    settings = replace(SMALL, positions="rotary")
    model = small_model(settings)
    torch.testing.assert_close(model.embed_source(SOURCE), model.embedding[SOURCE] * 12**0.5)
    cross = MultiHeadAttention(settings, is_cross=True)
    cross.reset_parameters()
    x, memory = torch.randn(1, 2, 12), torch.randn(1, 4, 12)
    torch.testing.assert_close(cross(x, memory, None), cross(x, memory.flip(1), None))
    assert not torch.allclose(model(SOURCE, TARGET), model(SOURCE.flip(1), TARGET))


def test_attention_dropout_drops_weights_in_training_alone() -> None:
    """Of equal weights over 1,000 keys of value 1, a share is left and scaled up."""
    module = MultiHeadAttention(replace(SMALL, attention_dropout=0.3))
    zeros, ones = torch.zeros(1, 1, 8, 4), torch.ones(1, 1, 1000, 1)
    keys = torch.zeros(1, 1, 1000, 4)
    out = attention(zeros, keys, ones, None, None, module.dropout)
    assert float(out.mean()) == pytest.approx(1, abs=0.03)
    assert float(out.std()) > 0
    module.eval()
    torch.testing.assert_close(
        attention(zeros, keys, ones, None, None, module.dropout), torch.ones(1, 1, 8, 1)
    )


@pytest.mark.parametrize(("tied", "matrices"), [("all", 1), ("target", 2), ("none", 3)])
def test_matrices_that_are_not_tied(tied: str, matrices: int) -> None:
    """Each is looked up where its name says; tied ones are the same."""
    model = small_model(replace(SMALL, tied=tied))
    assert sum(each.shape[0] == 17 for each in model.parameters()) == matrices
    source, target, softmax = model.source_embedding, model.embedding, model.softmax_weight
    assert (source is target, target is softmax) == (matrices < 2, matrices < 3)
    positions = model.source_positions(1)
    torch.testing.assert_close(
        model.embed_source(torch.tensor([[6]])), (source[6] * 12**0.5 + positions)[None]
    )
    torch.testing.assert_close(
        model.embed_target(torch.tensor([[6]])), (target[6] * 12**0.5 + positions)[None]
    )
    x = torch.randn(1, 1, 12)
    torch.testing.assert_close(model.project(x), x @ softmax.T)
