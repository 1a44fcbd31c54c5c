"""Padded products equal `linear`: values and gradients, with each loss, in each precision."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from nmt.kernels import padded_product
from nmt.kernels.loss import r_drop, reference_loss, smoothed_loss
from nmt.kernels.padded_product import Linear, padded_linear

PAD = 0
B, T, WIDTH, V = 4, 5, 16, 70  # 70 tokens are padded to 128
LABELS = torch.randint(0, V, (B, T), generator=torch.Generator().manual_seed(1))
Product = Callable[[Tensor, Tensor, Tensor | None], Tensor]
Loss = Callable[[Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "fused": lambda z: smoothed_loss(z.flatten(0, 1), LABELS.flatten(), 0.1, PAD).smoothed,
    "R-Drop": lambda z: smoothed_loss(
        z.flatten(0, 1), LABELS[: B // 2].flatten(), 0.1, PAD, r_drop(5)
    )[0],
    "reference": lambda z: reference_loss(z.flatten(0, 1), LABELS.flatten(), 0.1, PAD).smoothed,
    "sum": lambda z: z.sum(),
    "a part": lambda z: z[1:3, ::2, :9].square().sum(),
}


@dataclass(frozen=True)
class Precision:
    """A precision of training and the distance that it allows."""

    kind: torch.dtype
    tolerance: float
    is_autocast: bool = False

    def context(self) -> AbstractContextManager[object]:
        """Return the context of the forward pass."""
        return torch.autocast("cpu", torch.bfloat16) if self.is_autocast else nullcontext()


PRECISIONS = {
    "float64": Precision(torch.float64, 1e-12),
    "float32": Precision(torch.float32, 1e-5),
    "bf16": Precision(torch.float32, 2e-2, is_autocast=True),
    "float64 under autocast": Precision(torch.float64, 1e-12, is_autocast=True),
}


@pytest.fixture(params=[*PRECISIONS])
def precision(request: pytest.FixtureRequest) -> Precision:
    return PRECISIONS[request.param]


def operands(kind: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return x (B, T, WIDTH), a weight (V, WIDTH) and a bias (V,) that want gradients."""
    draw = torch.Generator().manual_seed(2)
    shapes = (B, T, WIDTH), (V, WIDTH), (V,)
    x, weight, bias = (torch.randn(*shape, generator=draw).to(kind) / 4 for shape in shapes)
    return x.requires_grad_(), weight.requires_grad_(), bias.requires_grad_()


def results(
    product: Product, loss: Loss, precision: Precision, *, has_bias: bool = False
) -> list[Tensor]:
    """Return logits, loss and all gradients."""
    x, weight, bias = operands(precision.kind)
    with precision.context():
        logits = product(x, weight, bias if has_bias else None)
    before = logits.detach().clone()
    value = loss(logits)
    (3 * value).backward()
    gradients = [leaf.grad for leaf in (x, weight, bias) if leaf.grad is not None]
    assert len(gradients) == 2 + has_bias
    return [before, value.detach(), *gradients]


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("loss", [*LOSSES])
def test_values_and_gradients_are_those_of_linear(
    loss: str, precision: Precision, has_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backward multiplies by padding of zeros: the memory of the logits, if it was overwritten."""
    used = []
    with_padding = padded_product.with_padding

    def observed(gradient: Tensor, logits: Tensor) -> Tensor:
        whole = with_padding(gradient, logits)
        assert whole.shape == (B * T, 128)
        assert not whole[:, V:].any()
        assert torch.equal(whole[:, :V], gradient)
        used.append(whole.data_ptr() == logits.data_ptr())
        return whole

    monkeypatch.setattr(padded_product, "with_padding", observed)
    found = results(padded_linear, LOSSES[loss], precision, has_bias=has_bias)
    assert used == [loss in ("fused", "R-Drop")]
    expected = results(linear, LOSSES[loss], precision, has_bias=has_bias)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert float((ours - theirs).norm() / theirs.norm()) < precision.tolerance


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("large", [B * T * WIDTH * V, B * T * WIDTH * V + 1])
@pytest.mark.parametrize("group", [1, 6, B * T, 64])
def test_a_layer_with_padded_rows_is_linear(
    group: int, large: int, precision: Precision, has_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only small products in bf16 are padded, and that changes no more than rounding does."""
    sizes = []
    whole_groups = padded_product.whole_groups

    def observed(rows: Tensor, data_type: torch.dtype) -> Tensor:
        whole = whole_groups(rows, data_type)
        sizes.append(len(whole))
        return whole

    def multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        layer = Linear(WIDTH, V, bias=has_bias, dtype=precision.kind)
        leaves = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        product: Tensor = torch.func.functional_call(layer, leaves, (x,))
        return product

    monkeypatch.setattr(padded_product, "ROW_GROUP", group)
    monkeypatch.setattr(padded_product, "LARGE", large)
    monkeypatch.setattr(padded_product, "whole_groups", observed)
    is_padded = precision is PRECISIONS["bf16"] and large > B * T * WIDTH * V
    found = results(multiply, LOSSES["sum"], precision, has_bias=has_bias)
    assert sizes == 3 * is_padded * [-(-B * T // group) * group]
    expected = results(linear, LOSSES["sum"], precision, has_bias=has_bias)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert float((ours - theirs).norm() / theirs.norm()) < precision.tolerance


@pytest.mark.parametrize("shape", [(WIDTH,), (1, WIDTH), (1, 1, WIDTH), (2, 3, 2, WIDTH)])
def test_any_shape_is_multiplied(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    _, weight, bias = operands(torch.float64)
    found, expected = padded_linear(x, weight, bias), linear(x, weight, bias)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(expected)
    leaves = x, weight, bias
    ours, theirs = (torch.autograd.grad(output, leaves, upstream) for output in (found, expected))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("multiple", [7, 10, 64, 128])
def test_the_memory_has_whole_tiles_and_the_view_the_vocabulary(multiple: int) -> None:
    x, weight, _ = operands(torch.float32)
    logits = padded_linear(x, weight, multiple=multiple)
    assert logits.shape[-1] == V
    assert logits.stride(-2) == -(-V // multiple) * multiple
    assert logits.is_contiguous() == (V % multiple == 0)  # then it is the plain product
