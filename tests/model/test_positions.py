"""Positional encodings: sinusoids (section 3.5), learned ones (table 3, row E), rotations."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nmt.model.positions import (
    LearnedPositions,
    RotaryPositions,
    apply_rotary,
    complex_rotary,
    make_positions,
    reference_rotary,
    sinusoids,
    sinusoids_in_halves,
)
from nmt.model.transformer import Transformer
from tests.model.conftest import SMALL, small_model

Rotate = Callable[[Tensor, Tensor], Tensor]


def test_hand_worked_interleaved_values() -> None:
    """d_model 4: angles pos and pos / 100, sine and cosine side by side."""
    table = sinusoids(3, 4)
    assert table.shape == (3, 4)
    assert table[0].tolist() == [0.0, 1.0, 0.0, 1.0]
    expected = [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)]
    assert table[2].tolist() == pytest.approx(expected, abs=1e-7)


def test_odd_width_ends_in_a_sine() -> None:
    table = sinusoids(2, 3)
    assert table[1].tolist() == pytest.approx(
        [math.sin(1), math.cos(1), math.sin(10_000 ** (-2 / 3))], abs=1e-7
    )


def test_hand_worked_halves() -> None:
    """Check all sines, then all cosines, of equal angles; an odd width has one more sine."""
    expected = [math.sin(2), math.sin(0.02), math.cos(2), math.cos(0.02)]
    assert sinusoids_in_halves(3, 4)[2].tolist() == pytest.approx(expected, abs=1e-7)
    last = 10_000 ** (-2 / 3)
    expected = [math.sin(1), math.sin(last), math.cos(1)]
    assert sinusoids_in_halves(2, 3)[1].tolist() == pytest.approx(expected, abs=1e-7)


def learned_model() -> Transformer:
    """Return a small model with 20 learned positions."""
    return small_model(replace(SMALL, positions="learned", max_positions=20))


def test_source_and_target_learn_their_own_positions() -> None:
    """They are added to the scaled embeddings; only positions that were read get a gradient."""
    model = learned_model()
    source, target = torch.tensor([[5, 9, 3]]), torch.tensor([[2, 6]])
    model(source, target).square().sum().backward()
    tables = {name: table for name, table in model.named_parameters() if "positions" in name}
    for side, length in (("source", 3), ("target", 2)):
        table = tables[f"embeddings.{side}_positions.table"]
        assert table.shape == (20, 12)
        assert isinstance(table.grad, torch.Tensor)
        assert table.grad[:length].abs().sum(1).all()
        assert not table.grad[length:].any()
    embedded = model.embeddings.embed_source(source)
    expected = (
        model.embeddings.weight[source] * 12**0.5 + tables["embeddings.source_positions.table"][:3]
    )
    torch.testing.assert_close(embedded, expected)


def test_an_unknown_encoding_is_an_error() -> None:
    """A choice that `make_positions` forgets must not become another encoding."""
    with pytest.raises(ValueError, match=r"model\.positions=halves"):
        make_positions(replace(SMALL, positions="halves"))


def test_learned_positions_are_initialised_like_embeddings() -> None:
    positions = LearnedPositions(500, 64)
    positions.reset_parameters()
    assert float(positions.table.detach().std()) == pytest.approx(64**-0.5, rel=0.02)


def test_more_positions_than_learned_are_an_error() -> None:
    model = learned_model()
    assert model.encode(torch.full((1, 20), 5))[0].shape == (1, 20, 12)
    with pytest.raises(ValueError, match="21 positions requested, but 20 were learned"):
        model.encode(torch.full((1, 21), 5))


def test_rotation_by_hand() -> None:
    """The first pair rotates by its position in radians, the second by a hundredth of that."""
    x = torch.tensor([[1.0, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 1]])
    one, two = torch.tensor([1.0, 0.01]), torch.tensor([2.0, 0.02])
    expected = torch.stack(
        [
            torch.tensor([1.0, 0, 1, 0]),
            torch.stack([one.cos(), one.sin()], -1).flatten(),
            torch.stack([-two.sin(), two.cos()], -1).flatten(),
        ]
    )
    torch.testing.assert_close(RotaryPositions(4)(x), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(RotaryPositions(4)(x[1:], first=1), expected[1:], atol=1e-12, rtol=0)


@pytest.mark.parametrize("neighbours", [8, 7])  # with 7, pairs lie at odd positions in memory
def test_complex_rotation_equals_the_reference(neighbours: int) -> None:
    """Values and gradients agree for heads that lie between other numbers in memory."""
    wide = torch.randn(3, 5, 8 + neighbours, requires_grad=True)
    table = RotaryPositions(4).rotary_table(5)
    found = []
    for rotate in (reference_rotary, complex_rotary, apply_rotary):
        heads = wide[:, :, :8].unflatten(-1, (2, 4)).transpose(1, 2)
        out = rotate(heads, table)
        (gradient,) = torch.autograd.grad(out.square().sin().sum(), wide)
        found.append((out, gradient))
    for other in found[1:]:
        torch.testing.assert_close(found[0], other, atol=1e-14, rtol=1e-12)


@pytest.mark.parametrize("rotate", [reference_rotary, complex_rotary])
def test_rotation_in_bf16_equals_float32_rounded(rotate: Rotate) -> None:
    x, table = torch.randn(2, 6, 8).bfloat16(), RotaryPositions(8).rotary_table(6).bfloat16()
    expected = reference_rotary(x.float(), table.float())
    torch.testing.assert_close(rotate(x, table).float(), expected, atol=0.04, rtol=0.02)


def test_products_of_rotated_vectors_depend_only_on_distance() -> None:
    query, key = torch.randn(2, 8)
    rotary = RotaryPositions(8)
    queries, keys = (rotary(vector.expand(30, -1)) for vector in (query, key))
    products = queries @ keys.T
    for distance in range(-20, 20):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-12, rtol=0)
