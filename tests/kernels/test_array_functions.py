"""Layers and functions on arrays agree with those of PyTorch and of the model."""

import numpy
import pytest
import torch
from torch.nn.functional import layer_norm, rms_norm

from nmt.kernels import array_functions
from nmt.kernels.array_functions import (
    ARRAY_ACTIVATIONS,
    ARRAY_GATES,
    COLUMNS,
    MOST_ROWS,
    ArrayLinear,
    ArrayNorm,
    in_blocks,
    rotations,
    softmax,
)
from nmt.model.feed_forward import ACTIVATIONS, GATES
from nmt.model.positions import rotation_table, sinusoids, sinusoids_in_halves

DRAW = numpy.random.default_rng(5)
X = (3 * DRAW.normal(size=(7, 12)) + 1).astype(numpy.float32)
WEIGHT, BIAS = DRAW.normal(size=(2, 12)).astype(numpy.float32)


def close(found: numpy.ndarray, expected: torch.Tensor) -> None:
    assert found.dtype == numpy.float32
    numpy.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [0, 1, 2, MOST_ROWS, MOST_ROWS + 1, 200])
@pytest.mark.parametrize("shape", [(1, 3), (COLUMNS, 8), (COLUMNS + 1, 16), (300, 40), (600, 400)])
@pytest.mark.parametrize("has_bias", [False, True])
def test_linear_layers(rows: int, shape: tuple[int, int], has_bias: bool) -> None:
    generator = numpy.random.default_rng(rows)
    weight = generator.normal(size=shape).astype(numpy.float32)
    bias = generator.normal(size=shape[0]).astype(numpy.float32) if has_bias else None
    x = generator.normal(size=(rows, shape[1])).astype(numpy.float32)
    layer = ArrayLinear(weight, bias)
    expected = x @ weight.T + (0 if bias is None else bias)
    for _ in range(2):  # the second call uses what the first one prepared
        product = layer(x)
        assert product.dtype == numpy.float32
        numpy.testing.assert_allclose(product, expected, atol=1e-3)
    product += 1  # the result belongs to the caller
    numpy.testing.assert_allclose(layer(x), expected, atol=1e-3)


def test_blocks_by_hand() -> None:
    """Column j of the transpose stands in block j // 64, at j % 64; the rest is zeros."""
    weight = numpy.arange(2 * (COLUMNS + 1), dtype=numpy.float32).reshape(-1, 2)
    blocks = in_blocks(weight)
    assert blocks.shape == (2, 2, COLUMNS)
    assert blocks[0, :, 3].tolist() == [6, 7]
    assert blocks[1, :, 0].tolist() == [128, 129]
    assert not blocks[1, :, 1:].any()


@pytest.mark.parametrize("epsilon", [1e-6, 1e-2])
def test_norms(epsilon: float) -> None:
    x, weight, bias = map(torch.from_numpy, (X, WEIGHT, BIAS))
    before = X.copy()
    close(ArrayNorm(WEIGHT, BIAS, epsilon)(X), layer_norm(x, (12,), weight, bias, epsilon))
    close(ArrayNorm(WEIGHT, None, epsilon)(X), rms_norm(x, (12,), weight, epsilon))
    assert (before == X).all()


def test_softmax_replaces_its_argument() -> None:
    x = X.copy()
    x[2, 3:] = -numpy.inf
    expected = torch.from_numpy(x.copy()).softmax(-1)
    assert softmax(x) is x
    close(x, expected)


@pytest.mark.parametrize("name", [*ARRAY_ACTIVATIONS, *ARRAY_GATES])
def test_activations_and_gates(name: str) -> None:
    """A gate leaves its argument, of which it reads two halves."""
    ours, theirs = {**ARRAY_ACTIVATIONS, **ARRAY_GATES}[name], {**ACTIVATIONS, **GATES}[name]
    x = X.copy()
    close(ours(x), theirs(torch.from_numpy(X)))
    assert name in ARRAY_ACTIVATIONS or (x == X).all()


def test_positions() -> None:
    for width in (4, 7):
        close(array_functions.sinusoids(50, width), sinusoids(50, width))
        close(array_functions.sinusoids_in_halves(50, width), sinusoids_in_halves(50, width))
    close(rotations(50, 8).view(numpy.float32), rotation_table(50, 8))
