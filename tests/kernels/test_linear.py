"""Packed linear layers agree with torch's own; in 8 bits they are near, each row by itself."""

import math

import pytest
import torch
from torch.nn.functional import linear

from nmt.kernels import linear as kernel
from nmt.kernels.eight_bits import EightBits, quantise
from nmt.kernels.linear import Int8Linear, PackedLinear, has_int8, int8_if_large

in_8_bits = pytest.mark.skipif(not has_int8(torch.device("cpu")), reason="for x86 CPUs")


def rounded(weight: torch.Tensor, bias: torch.Tensor | None = None, **relu: bool) -> Int8Linear:
    """Return the layer of a weight that is rounded to 8 bits."""
    return Int8Linear(quantise(weight.numpy()), bias, **relu)


@pytest.fixture(autouse=True)
def single_precision() -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(1)


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


@in_8_bits
def test_8_bits_by_hand() -> None:
    """Numbers that are whole steps of their rows are multiplied exactly."""
    weight = torch.tensor([[90.0, -45, 0, 1], [0.5, 0.25, -0.5, 0]])
    x = torch.tensor([[-180.0, 90, 2, 0], [0, 0, 0, 0]])
    bias = torch.tensor([1.0, 2.0])
    expected = torch.tensor([[-16200.0 - 4050 + 1, -90 + 22.5 - 1 + 2], [1, 2]])
    torch.testing.assert_close(rounded(weight, bias)(x), expected)
    torch.testing.assert_close(rounded(weight, bias, relu=True)(x), expected.relu())


@in_8_bits
@pytest.mark.parametrize("rows", [0, 1, 4, 300])
@pytest.mark.parametrize("shape", [(24, 40), (3000, 96)])  # whole, in chunks of rows
def test_8_bits_are_near_the_plain_product(shape: tuple[int, int], rows: int) -> None:
    weight, x = torch.randn(shape), torch.randn(rows, 1, shape[1])
    plain, found = linear(x, weight), rounded(weight)(x)
    assert found.shape == plain.shape
    assert float((found - plain).norm()) <= 0.03 * float(plain.norm())


@in_8_bits
def test_the_largest_sums_do_not_overflow() -> None:
    weight = torch.full((16, 64), 3.0)
    torch.testing.assert_close(
        rounded(weight)(torch.full((3, 64), 2.0)), linear(torch.full((3, 64), 2.0), weight)
    )
    torch.testing.assert_close(
        rounded(-weight)(torch.full((3, 64), 2.0)), linear(torch.full((3, 64), -2.0), weight)
    )


@in_8_bits
def test_a_row_does_not_depend_on_others() -> None:
    weight, x = torch.randn(64, 32), torch.randn(40, 32) * torch.logspace(-3, 3, 40)[:, None]
    product = rounded(weight)
    together = product(x)
    for row in range(40):
        assert torch.equal(product(x[row : row + 1])[0], together[row])


@in_8_bits
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_row_with_nan_does_not_affect_other_rows(wrong: float) -> None:
    x = torch.randn(3, 8)
    x[1, 2] = wrong
    found = rounded(torch.randn(5, 8))(x)
    assert not found[1].isfinite().any()
    assert found[[0, 2]].isfinite().all()


@in_8_bits
def test_small_weights_stay_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "INT8_ELEMENTS", 50)
    assert isinstance(int8_if_large(torch.randn(7, 7)), torch.Tensor)
    assert isinstance(int8_if_large(torch.randn(5, 10)), EightBits)
    assert isinstance(int8_if_large(torch.randn(5, 10).double()), torch.Tensor)


@in_8_bits
def test_other_processors_have_no_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_int8(torch.device("cpu"))
    assert not has_int8(torch.device("cuda"))
    monkeypatch.setattr(kernel, "machine", lambda: "aarch64")
    assert not has_int8(torch.device("cpu"))
