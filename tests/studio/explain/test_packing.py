"""A packed tensor comes back with a small rounding error."""

import base64

import pytest
import torch

from nmt.studio.explain.packing import LARGEST, pack, unpack


@pytest.mark.parametrize("shape", [(3,), (2, 5), (2, 3, 4), (0, 4)])
def test_a_tensor_comes_back(shape: tuple[int, ...]) -> None:
    torch.manual_seed(len(shape))
    tensor = 5 * torch.randn(shape)
    again = unpack(pack(tensor))
    assert again.shape == tensor.shape
    if tensor.numel():
        step = float(tensor.abs().max()) / LARGEST
        assert float((again - tensor).abs().max()) <= 0.51 * step


def test_zeros_stay_zeros() -> None:
    assert torch.equal(unpack(pack(torch.zeros(2, 2))), torch.zeros(2, 2))


def test_by_hand() -> None:
    packed = pack(torch.tensor([[0.5, -1.0, 0.0]]))
    assert packed["shape"] == [1, 3]
    assert packed["scale"] == pytest.approx(1 / 32767)
    assert base64.b64decode(packed["data"]) == b"\x00\x40" + b"\x01\x80" + b"\x00\x00"
