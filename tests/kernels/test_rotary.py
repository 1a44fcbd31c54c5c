"""Rotary positions: by hand, by their property, and the fast form against the reference."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nmt.kernels.rotary import apply_rotary, complex_rotary, reference_rotary
from nmt.model.positions import RotaryPositions

pytestmark = pytest.mark.usefixtures("double_precision")


Rotate = Callable[[Tensor, Tensor], Tensor]


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


@pytest.mark.parametrize("neighbours", [8, 7])  # with 7, pairs lie at odd places in memory
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
    queries, keys = (rotary(each.expand(30, -1)) for each in (query, key))
    products = queries @ keys.T
    for distance in range(-20, 20):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-12, rtol=0)
