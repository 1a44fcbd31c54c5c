"""R-Drop and SimCut: by hand, and the fast form against the reference."""

import math

import pytest
import torch

from nmt.kernels.loss import Agreement, r_drop, reference_agreement, simcut, smoothed_loss

PAD = 0
# P1 = (1/2, 1/2) and P2 = (1/4, 3/4), of one position and two tokens
LOGITS = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
ONE = (math.log(2) + math.log(2 / 3)) / 2  # KL(P1 || P2)
OTHER = math.log(1 / 2) / 4 + 3 * math.log(3 / 2) / 4  # KL(P2 || P1)
WEIGHTS = [r_drop(0.0), r_drop(5.0), simcut(3.0), Agreement((0.2, 0.8), (0.5, 2.0))]


def test_r_drop_by_hand() -> None:
    """The correct token is 1, and nothing is smoothed."""
    sums = reference_agreement(LOGITS, torch.tensor([1]), 0.0, PAD, r_drop(2.0))
    plain = (math.log(2) - math.log(3 / 4)) / 2
    assert sums.plain.item() == pytest.approx(plain, rel=1e-6)
    assert sums.smoothed.item() == pytest.approx(plain + 2 / 4 * (ONE + OTHER), rel=1e-6)


def test_simcut_by_hand() -> None:
    """Only the first pass learns from the label; the second one must agree with it."""
    sums = reference_agreement(LOGITS, torch.tensor([1]), 0.0, PAD, simcut(3.0))
    assert sums.plain.item() == pytest.approx(math.log(2), rel=1e-6)
    assert sums.smoothed.item() == pytest.approx(math.log(2) + 3 * ONE, rel=1e-6)


def test_the_divergence_of_simcut_trains_both_passes() -> None:
    """Without it, the second pass would have no gradient."""
    logits = LOGITS.clone().requires_grad_()
    reference_agreement(logits, torch.tensor([1]), 0.0, PAD, simcut(3.0)).smoothed.backward()
    # P1 - q + 3 P1 (ln(P1 / P2) - KL(P1 || P2)) and 3 (P2 - P1)
    half = (math.log(2) - math.log(2 / 3)) / 2
    expected = [[0.5 + 1.5 * half, -0.5 - 1.5 * half], [-0.75, 0.75]]
    torch.testing.assert_close(logits.grad, torch.tensor(expected))


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("positions", [1, 7, 400])
def test_the_fast_form_equals_the_reference(positions: int, weights: Agreement) -> None:
    """Sums and gradients agree over several chunks, with padding."""
    torch.manual_seed(1)
    V = 3000
    logits = 3 * torch.randn(2 * positions, V)
    labels = torch.randint(0, V, (positions,))
    labels[::5] = PAD
    found, expected = logits.clone().requires_grad_(), logits.clone().double().requires_grad_()
    fast = smoothed_loss(found * 1, labels, 0.1, PAD, weights)
    plain = reference_agreement(expected, labels, 0.1, PAD, weights)
    assert fast.smoothed.item() == pytest.approx(plain.smoothed.item(), rel=1e-5)
    assert fast.plain.item() == pytest.approx(plain.plain.item(), rel=1e-5)
    (3 * fast.smoothed).backward()
    (3 * plain.smoothed).backward()
    assert found.grad is not None
    assert expected.grad is not None
    torch.testing.assert_close(found.grad.double(), expected.grad, atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_float64_logits_keep_float64(weights: Agreement) -> None:
    """Sums and gradients agree to more digits than float32 has."""
    torch.manual_seed(3)
    logits = torch.randn(18, 20, dtype=torch.float64).requires_grad_()
    labels = torch.randint(0, 20, (9,))
    fast = smoothed_loss(logits * 1, labels, 0.1, PAD, weights)
    plain = reference_agreement(logits, labels, 0.1, PAD, weights)
    for found, wanted in zip(fast, plain, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-14, atol=0)
    gradients = [torch.autograd.grad(loss.smoothed, logits)[0] for loss in (fast, plain)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-14)
