"""The functions on arrays agree with those of PyTorch and of the model."""

import numpy
import pytest
import torch
from torch.nn.functional import layer_norm, rms_norm

from nmt.kernels import array_functions
from nmt.kernels.array_functions import (
    ARRAY_ACTIVATIONS,
    ARRAY_GATES,
    ArrayNorm,
    rotations,
    softmax,
)
from nmt.model.feed_forward import ACTIVATIONS, GATES
from nmt.model.positions import RotaryTable, sinusoids, sinusoids_in_halves

DRAW = numpy.random.default_rng(5)
X = (3 * DRAW.normal(size=(7, 12)) + 1).astype(numpy.float32)
WEIGHT, BIAS = DRAW.normal(size=(2, 12)).astype(numpy.float32)


def close(found: numpy.ndarray, expected: torch.Tensor) -> None:
    assert found.dtype == numpy.float32
    numpy.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6)


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


@pytest.mark.parametrize("name", ARRAY_ACTIVATIONS)
def test_activations(name: str) -> None:
    close(ARRAY_ACTIVATIONS[name](X.copy()), ACTIVATIONS[name](torch.from_numpy(X)))


@pytest.mark.parametrize("name", ARRAY_GATES)
def test_gates(name: str) -> None:
    before = X.copy()
    close(ARRAY_GATES[name](X), GATES[name](torch.from_numpy(X)))
    assert (before == X).all()


@pytest.mark.parametrize("width", [4, 7])
def test_positions(width: int) -> None:
    close(array_functions.sinusoids(50, width), sinusoids(50, width))
    close(array_functions.sinusoids_in_halves(50, width), sinusoids_in_halves(50, width))


def test_rotations() -> None:
    close(rotations(50, 8).view(numpy.float32), RotaryTable(8).make_table(50))
