"""R-Drop: by hand, the fast form against the reference, and a training with it."""

import math

import pytest
import torch

from nmt.kernels.loss import smoothed_loss
from nmt.kernels.r_drop import r_drop_loss, reference_r_drop
from tests.conftest import Run

PAD = 0


def test_by_hand() -> None:
    """One position, two tokens, no smoothing: P1 = (1/2, 1/2), P2 = (1/4, 3/4), correct token 1.

    KL(P1 || P2) = (ln 2 + ln 2/3) / 2, KL(P2 || P1) = ln(1/2) / 4 + 3 ln(3/2) / 4.
    """
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
    sums = reference_r_drop(logits, torch.tensor([1]), 0.0, PAD, alpha=2.0)
    plain = (math.log(2) - math.log(3 / 4)) / 2
    one = (math.log(2) + math.log(2 / 3)) / 2
    other = math.log(1 / 2) / 4 + 3 * math.log(3 / 2) / 4
    assert sums.plain.item() == pytest.approx(plain, rel=1e-6)
    assert sums.smoothed.item() == pytest.approx(plain + 2 / 4 * (one + other), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 5.0])
@pytest.mark.parametrize("positions", [1, 7, 400])
def test_the_fast_form_equals_the_reference(positions: int, alpha: float) -> None:
    """Sums and gradients agree over several chunks, with padding."""
    torch.manual_seed(1)
    V = 3000
    logits = 3 * torch.randn(2 * positions, V)
    labels = torch.randint(0, V, (positions,))
    labels[::5] = PAD
    found, expected = logits.clone().requires_grad_(), logits.clone().double().requires_grad_()
    fast = r_drop_loss(found * 1, labels, 0.1, PAD, alpha)
    plain = reference_r_drop(expected, labels, 0.1, PAD, alpha)
    assert fast.smoothed.item() == pytest.approx(plain.smoothed.item(), rel=1e-5)
    assert fast.plain.item() == pytest.approx(plain.plain.item(), rel=1e-5)
    (3 * fast.smoothed).backward()
    (3 * plain.smoothed).backward()
    assert found.grad is not None
    assert expected.grad is not None
    torch.testing.assert_close(found.grad.double(), expected.grad, atol=2e-6, rtol=1e-4)


def test_float64_logits_keep_float64() -> None:
    """Sums and gradients agree to more digits than float32 has."""
    torch.manual_seed(3)
    logits = torch.randn(18, 20, dtype=torch.float64).requires_grad_()
    labels = torch.randint(0, 20, (9,))
    fast = r_drop_loss(logits * 1, labels, 0.1, PAD, alpha=5.0)
    plain = reference_r_drop(logits, labels, 0.1, PAD, alpha=5.0)
    for found, wanted in zip(fast, plain, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-14, atol=0)
    gradients = [torch.autograd.grad(each.smoothed, logits)[0] for each in (fast, plain)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-14)


def test_two_equal_passes_give_the_loss_of_one() -> None:
    torch.manual_seed(2)
    logits, labels = torch.randn(9, 20), torch.randint(0, 20, (9,))
    twice = torch.cat([logits, logits]).requires_grad_()
    sums = r_drop_loss(twice * 1, labels, 0.1, PAD, alpha=5.0)
    once = smoothed_loss(logits, labels, 0.1, PAD)
    assert sums.smoothed.item() == pytest.approx(once.smoothed.item(), rel=1e-6)
    assert sums.plain.item() == pytest.approx(once.plain.item(), rel=1e-6)


def test_a_recipe_trains_with_r_drop(nmt: Run, tiny: object) -> None:
    ended = nmt("train", tiny, "--set", "train.r_drop=5.0", "--set", "model.dropout=0.2")
    assert ended.code == 0
    assert "average of" in ended.err
