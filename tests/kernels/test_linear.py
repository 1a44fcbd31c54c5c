"""Packed linear layers agree with torch's own."""

import pytest
import torch
from torch.nn.functional import linear

from nmt.kernels import linear as kernel
from nmt.kernels.linear import PackedLinear


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("rows", [1, 4, 300])  # below and above what makes packing worthwhile
@pytest.mark.parametrize("shape", [(80, 128), (700, 800)])  # small: both layouts kept; large: one
@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])  # small weights packed with AVX-512 only
def test_packed_equals_plain(
    shape: tuple[int, int],
    rows: int,
    dtype: torch.dtype,
    with_bias: bool,
    relu: bool,
    capability: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    torch.manual_seed(rows)
    weight = torch.randn(shape, dtype=dtype)
    bias = torch.randn(shape[0], dtype=dtype) if with_bias else None
    x = torch.randn(rows, 1, shape[1], dtype=dtype)
    plain = linear(x.double(), weight.double(), None if bias is None else bias.double())
    if relu:
        plain = plain.relu()
    found = PackedLinear(weight, bias, relu=relu)(x)
    assert found.dtype == dtype
    epsilon = {torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float64: 1e-13}[dtype]
    largest = float(plain.abs().max())
    torch.testing.assert_close(found.double(), plain, atol=epsilon * largest, rtol=0)


def test_without_onednn_the_weight_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "can_pack", lambda weight: False)
    weight, x = torch.randn(700, 800), torch.randn(300, 800)
    assert torch.equal(PackedLinear(weight)(x), linear(x, weight))
