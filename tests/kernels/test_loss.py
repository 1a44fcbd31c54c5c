"""The label-smoothed loss: by hand, against PyTorch's, and the fast form against the reference."""

import math

import pytest
import torch

from nmt.kernels import loss
from nmt.kernels.loss import reference_loss, smoothed_loss

PAD = 0


def test_hand_worked_value() -> None:
    """V 3, probabilities 1/2, 1/4, 1/4, correct token 1, eps 0.3: targets 0.1, 0.8, 0.1."""
    logits = torch.tensor([[0.5, 0.25, 0.25]]).log()
    sums = reference_loss(logits, torch.tensor([1]), 0.3, PAD)
    expected = 0.1 * math.log(2) + 0.8 * math.log(4) + 0.1 * math.log(4)
    assert float(sums.smoothed) == pytest.approx(expected)
    assert float(sums.plain) == pytest.approx(math.log(4))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_equals_torchs_cross_entropy(smoothing: float) -> None:
    logits = torch.randn(50, 30, dtype=torch.float64)
    labels = torch.randint(0, 30, (50,))
    labels[::7] = PAD
    expected = torch.nn.functional.cross_entropy(
        logits, labels, ignore_index=PAD, reduction="sum", label_smoothing=smoothing
    )
    actual = reference_loss(logits, labels, smoothing, PAD).smoothed
    torch.testing.assert_close(actual, expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [1, 200, 1 << 20])
def test_the_fast_form_equals_the_reference(
    smoothing: float, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values and gradients agree for any size of the chunks."""
    monkeypatch.setattr(loss, "CPU_CHUNK_BYTES", chunk)
    torch.manual_seed(1)
    labels = torch.randint(0, 30, (50,))
    labels[::7] = PAD
    plain = (3 * torch.randn(50, 30)).requires_grad_()
    fast = plain.detach().clone().requires_grad_()
    expected = reference_loss(plain, labels, smoothing, PAD)
    expected.smoothed.backward()
    # As in training, the logits are not a leaf: the fast form overwrites them.
    actual = smoothed_loss(fast * 1, labels, smoothing, PAD)
    actual.smoothed.backward()
    torch.testing.assert_close(actual.smoothed, expected.smoothed, rtol=1e-5, atol=0)
    torch.testing.assert_close(actual.plain, expected.plain, rtol=1e-5, atol=0)
    torch.testing.assert_close(fast.grad, plain.grad, rtol=1e-4, atol=1e-6)


def test_float64_logits_keep_float64() -> None:
    """Sums and gradients agree to more digits than float32 has."""
    torch.manual_seed(1)
    logits = torch.randn(40, 30, dtype=torch.float64).requires_grad_()
    labels = torch.randint(0, 30, (40,))
    actual = smoothed_loss(logits * 1, labels, 0.1, PAD)
    expected = reference_loss(logits, labels, 0.1, PAD)
    for found, wanted in zip(actual, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-14, atol=0)
    gradients = [torch.autograd.grad(loss.smoothed, logits)[0] for loss in (actual, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-14)
