"""The loss made block by block equals the product and the plain loss, in value and gradient."""

import pytest
import torch
from torch import Tensor

from nmt.kernels import loss, padded_product
from nmt.kernels.loss import Agreement, r_drop, reference_projected_loss, simcut

PAD = 0
V = 30
LABELS = torch.tensor([5, PAD, 3, 7, PAD, 29, 1, 4, 4, PAD, 8])


def inputs(dtype: torch.dtype = torch.float32, *, has_bias: bool = False) -> list[Tensor]:
    """Return hidden (11, 8), a weight (30, 8) and perhaps a bias (30,), the same at each call."""
    draws = torch.Generator().manual_seed(1)
    shapes = (len(LABELS), 8), (V, 8), (V,)
    made = [torch.randn(*shape, generator=draws, dtype=dtype) for shape in shapes]
    return [tensor.requires_grad_() for tensor in made[: 2 + has_bias]]


def fast(
    hidden: Tensor, weight: Tensor, bias: Tensor | None = None, *, smoothing: float = 0.1
) -> loss.LossSums:
    return loss.projected_loss(hidden, weight, LABELS, smoothing, PAD, bias)


def reference(
    hidden: Tensor, weight: Tensor, bias: Tensor | None = None, *, smoothing: float = 0.1
) -> loss.LossSums:
    return reference_projected_loss(hidden, weight, LABELS, smoothing, PAD, bias)


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("block", "chunk"), [(1, 1), (3, 200), (512, 1 << 20)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
def test_equals_the_reference(
    smoothing: float,
    has_bias: bool,
    block: int,
    chunk: int,
    dtype: torch.dtype,
    tolerance: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Values and gradients agree for any size of blocks and of the chunks within a block."""
    monkeypatch.setattr(loss, "BLOCK_ROWS", block)
    monkeypatch.setattr(loss, "CPU_CHUNK_BYTES", chunk)
    of_found, of_expected = (inputs(dtype, has_bias=has_bias) for _ in range(2))
    found = fast(*of_found, smoothing=smoothing)
    expected = reference(*of_expected, smoothing=smoothing)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=0)
    assert not found.plain.requires_grad
    # The loss is part of a larger sum: its gradient is not 1.
    found_gradients = torch.autograd.grad(found.smoothed * 3, of_found)
    expected_gradients = torch.autograd.grad(expected.smoothed * 3, of_expected)
    torch.testing.assert_close(
        found_gradients, expected_gradients, rtol=tolerance, atol=10 * tolerance
    )


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("agreement", [None, r_drop(5.0)])
@pytest.mark.parametrize(("block", "group"), [(6, 3), (512, 64)])
def test_bf16_is_as_exact_as_separate_products(
    has_bias: bool,
    agreement: Agreement | None,
    block: int,
    group: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under autocast, the error to float64 is at most a little larger than the reference's.

    The last block has rows of zeros, which fill its group.
    """
    monkeypatch.setattr(loss, "BLOCK_ROWS", block)
    monkeypatch.setattr(padded_product, "ROW_GROUP", group)

    def results(function: object, dtype: torch.dtype, *, rounds: bool) -> list[Tensor]:
        leaves = inputs(has_bias=has_bias)
        hidden, weight, *bias = (leaf.to(dtype) for leaf in leaves)
        if agreement:
            hidden = torch.cat([hidden, hidden.flip(0)])
        shift = bias[0] if has_bias else None
        with torch.autocast("cpu", torch.bfloat16, enabled=rounds, cache_enabled=False):
            sums: loss.LossSums = function(  # type: ignore[operator] # one of the two
                hidden, weight, LABELS, 0.1, PAD, shift, agreement
            )
        assert sums.smoothed.dtype == dtype
        return [sums.smoothed.detach(), sums.plain, *torch.autograd.grad(sums.smoothed, leaves)]

    exact = results(reference_projected_loss, torch.float64, rounds=False)
    rounded = results(reference_projected_loss, torch.float32, rounds=True)
    fast = results(loss.projected_loss, torch.float32, rounds=True)
    for found, other, expected in zip(fast, rounded, exact, strict=True):
        error, allowed = ((tensor - expected).norm() for tensor in (found, other))
        assert error <= 1.5 * allowed + 1e-3 * expected.norm()


@pytest.mark.parametrize("agreement", [r_drop(5.0), simcut(3.0)])
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize(("block", "chunk"), [(1, 1), (3, 200), (4, 300), (512, 1 << 20)])
def test_two_passes_equal_the_reference(
    agreement: Agreement, has_bias: bool, block: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "BLOCK_ROWS", block)
    monkeypatch.setattr(loss, "CPU_CHUNK_BYTES", chunk)
    found: list[Tensor] = []
    expected: list[Tensor] = []
    for function, results in (
        (loss.projected_loss, found),
        (reference_projected_loss, expected),
    ):
        hidden, *others = leaves = inputs(torch.float64, has_bias=has_bias)
        twice = torch.cat([hidden, hidden.flip(0)])
        bias = others[1] if has_bias else None
        sums = function(twice, others[0], LABELS, 0.1, PAD, bias, agreement)
        gradients = torch.autograd.grad(sums.smoothed * 3, leaves)
        results += [sums.smoothed.detach(), sums.plain, *gradients]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [0, 4])
@pytest.mark.parametrize("agreement", [None, simcut(3.0)])
def test_a_batch_without_labels_has_no_loss(count: int, agreement: Agreement | None) -> None:
    """A thread may get no pair at all."""
    rows = 2 * count if agreement else count
    hidden, weight = torch.randn(rows, 8, requires_grad=True), inputs()[1]
    labels = torch.full((count,), PAD)
    sums = loss.projected_loss(hidden, weight, labels, 0.1, PAD, None, agreement)
    assert sums.smoothed.item() == sums.plain.item() == 0
    for gradient in torch.autograd.grad(sums.smoothed, [hidden, weight]):
        assert (gradient == 0).all()


def test_a_label_of_no_probability_has_a_finite_loss() -> None:
    """Probabilities below e^-104 are 0 in float32, their logarithms are not infinite."""
    hidden, weight = torch.ones(1, 1, requires_grad=True), torch.tensor([[0.0], [500.0], [0.0]])
    sums = loss.projected_loss(hidden, weight.requires_grad_(), torch.tensor([2]), 0.0, PAD)
    assert sums.smoothed.item() == sums.plain.item() == 500


def test_a_weight_that_is_not_a_number_gives_no_number() -> None:
    hidden, weight = inputs()
    with torch.no_grad():
        weight[3, 3] = torch.nan
    assert fast(hidden, weight).smoothed.isnan()
