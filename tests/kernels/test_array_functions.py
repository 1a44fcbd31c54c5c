"""The functions on arrays agree with those of PyTorch and of the model."""

import numpy
import pytest
import torch
from torch.nn.functional import layer_norm, rms_norm

from nmt.config import ModelSettings
from nmt.kernels import array_functions
from nmt.kernels.array_functions import ARRAY_GATES, NORM_EPSILON, ArrayNorm, rotations, softmax
from nmt.model.feed_forward import GATES
from nmt.model.positions import RotaryTable, sinusoids
from nmt.model.residual import make_norm

DRAW = numpy.random.default_rng(5)
X = (3 * DRAW.normal(size=(7, 12)) + 1).astype(numpy.float32)
WEIGHT, BIAS = DRAW.normal(size=(2, 12)).astype(numpy.float32)


def close(found: numpy.ndarray, expected: torch.Tensor) -> None:
    assert found.dtype == numpy.float32
    numpy.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_norms() -> None:
    x, weight, bias = map(torch.from_numpy, (X, WEIGHT, BIAS))
    before = X.copy()
    close(ArrayNorm(WEIGHT, BIAS)(X), layer_norm(x, (12,), weight, bias, NORM_EPSILON))
    close(ArrayNorm(WEIGHT, None)(X), rms_norm(x, (12,), weight, NORM_EPSILON))
    assert (before == X).all()
    assert make_norm(ModelSettings()).eps == NORM_EPSILON


def test_softmax_replaces_its_argument() -> None:
    x = X.copy()
    x[2, 3:] = -numpy.inf
    expected = torch.from_numpy(x.copy()).softmax(-1)
    assert softmax(x) is x
    close(x, expected)


@pytest.mark.parametrize("name", ARRAY_GATES)
def test_gates(name: str) -> None:
    before = X.copy()
    close(ARRAY_GATES[name](X), GATES[name](torch.from_numpy(X)))
    assert (before == X).all()


@pytest.mark.parametrize("width", [4, 7])
def test_positions(width: int) -> None:
    close(array_functions.sinusoids(50, width), sinusoids(50, width))


def test_rotations() -> None:
    close(rotations(50, 8).view(numpy.float32), RotaryTable(8).make_table(50))
