"""Devices of the tests of a GPU: a GPU, and the CPU, so that they are known to work.

`pretended` is the path of a GPU on tensors of the CPU (`benchmarks/pretend_device.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from benchmarks.pretend_device import OperatorCount, moved, pretended
from nmt.model.transformer import Transformer

HAS_GPU = torch.cuda.is_available()
NEEDS_GPU = pytest.mark.skipif(not HAS_GPU, reason="needs a CUDA GPU")
PRETENDED = pytest.mark.skipif(HAS_GPU, reason="a GPU is here: nothing is pretended")

CPU = pytest.param("cpu", id="cpu")
FAKE = pytest.param("pretended", id="pretended", marks=PRETENDED)
GPU = pytest.param("cuda", id="cuda", marks=NEEDS_GPU)


@dataclass(frozen=True)
class Place:
    """A device under test."""

    device: torch.device
    is_real: bool = True

    def move(self, network: Transformer) -> Transformer:
        """Move a network there."""
        if not self.is_real:
            moved(network)
            return network
        return network.to(self.device)


@pytest.fixture(params=[CPU, FAKE, GPU])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Return a device; the numbers of a test there are compared with the CPU's in float64."""
    if request.param == "pretended":
        with pretended(OperatorCount()) as device:
            yield Place(device, is_real=False)
    else:
        yield Place(torch.device(request.param))


@pytest.fixture(params=[CPU, GPU])
def real_device(request: pytest.FixtureRequest) -> torch.device:
    """Return a device that exists."""
    return torch.device(request.param)


@pytest.fixture(params=[pytest.param("cpu", id="cpu", marks=pytest.mark.slow), GPU])
def trained_device(request: pytest.FixtureRequest) -> torch.device:
    """Return a device for a test that starts processes; `tests/training` has such for the CPU."""
    return torch.device(request.param)


def worst_share(found: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    """Return the largest distance of a tensor from the expected one, in the latter's norm."""
    distances = []
    for ours, theirs in zip(found, expected, strict=True):
        norm = theirs.norm().clamp(min=1e-12)
        distances.append(float((ours.detach().cpu().double() - theirs.double()).norm() / norm))
    return max(distances)


def parameters_with_gradients(network: nn.Module) -> list[torch.Tensor]:
    """Return the gradients of a network, in the order of its parameters."""
    return [each.grad for each in network.parameters() if each.grad is not None]
