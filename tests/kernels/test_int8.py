"""Products in 8 bits: near the plain ones, each row by itself."""

import math

import pytest
import torch
from torch.nn.functional import linear

from nmt.kernels import int8
from nmt.kernels.int8 import Int8Linear, has_int8, int8_if_large
from nmt.kernels.linear import PackedLinear

pytestmark = pytest.mark.skipif(not has_int8(torch.device("cpu")), reason="for x86 CPUs")


@pytest.fixture(autouse=True)
def single_precision() -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(1)


def test_by_hand() -> None:
    """Numbers that are whole steps of their rows are multiplied exactly."""
    weight = torch.tensor([[90.0, -45, 0, 1], [0.5, 0.25, -0.5, 0]])
    x = torch.tensor([[-180.0, 90, 2, 0], [0, 0, 0, 0]])
    bias = torch.tensor([1.0, 2.0])
    expected = torch.tensor([[-16200.0 - 4050 + 1, -90 + 22.5 - 1 + 2], [1, 2]])
    torch.testing.assert_close(Int8Linear(weight, bias)(x), expected)
    torch.testing.assert_close(Int8Linear(weight, bias, relu=True)(x), expected.relu())


@pytest.mark.parametrize("rows", [1, 4, 300])
@pytest.mark.parametrize("shape", [(24, 40), (3000, 96)])  # whole, in chunks of rows
def test_near_the_plain_product(shape: tuple[int, int], rows: int) -> None:
    weight, x = torch.randn(shape), torch.randn(rows, 1, shape[1])
    plain, found = linear(x, weight), Int8Linear(weight)(x)
    assert found.shape == plain.shape
    assert float((found - plain).norm() / plain.norm()) < 0.03


def test_the_largest_sums_do_not_overflow() -> None:
    weight = torch.full((16, 64), 3.0)
    torch.testing.assert_close(
        Int8Linear(weight)(torch.full((3, 64), 2.0)), linear(torch.full((3, 64), 2.0), weight)
    )
    torch.testing.assert_close(
        Int8Linear(-weight)(torch.full((3, 64), 2.0)), linear(torch.full((3, 64), -2.0), weight)
    )


def test_a_row_does_not_depend_on_others() -> None:
    weight, x = torch.randn(64, 32), torch.randn(40, 32) * torch.logspace(-3, 3, 40)[:, None]
    product = Int8Linear(weight)
    together = product(x)
    for row in range(40):
        assert torch.equal(product(x[row : row + 1])[0], together[row])


def test_no_rows_and_a_single_one() -> None:
    product = Int8Linear(torch.randn(5, 8))
    assert product(torch.zeros(0, 3, 8)).shape == (0, 3, 5)
    assert product(torch.zeros(1, 8)).shape == (1, 5)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_row_with_nan_does_not_affect_other_rows(wrong: float) -> None:
    x = torch.randn(3, 8)
    x[1, 2] = wrong
    found = Int8Linear(torch.randn(5, 8))(x)
    assert not found[1].isfinite().any()
    assert found[[0, 2]].isfinite().all()


def test_small_weights_stay_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "LARGE", 50)
    assert isinstance(int8_if_large(torch.randn(7, 7)), PackedLinear)
    assert isinstance(int8_if_large(torch.randn(5, 10)), Int8Linear)
    assert isinstance(int8_if_large(torch.randn(5, 10).double()), PackedLinear)


def test_other_processors_have_no_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_int8(torch.device("cpu"))
    assert not has_int8(torch.device("cuda"))
    monkeypatch.setattr(int8, "machine", lambda: "aarch64")
    assert not has_int8(torch.device("cpu"))
