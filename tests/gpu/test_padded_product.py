"""The projection to the softmax on a device: the values of `linear`, in memory of whole tiles."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from nmt.config import ModelSettings
from nmt.kernels.agreement import agreement_loss, r_drop
from nmt.kernels.loss import smoothed_loss
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import PAD
from tests.gpu.conftest import Place, worst_share

VOCABULARY = 1001  # padded to 1024
B, T, WIDTH = 6, 7, 64
MODEL = ModelSettings(
    encoder_layers=1, decoder_layers=1, d_model=WIDTH, d_ff=64, heads=4, d_k=16, d_v=16
)
# As shares of the norm of float64's.
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


def loss(logits: Tensor, name: str) -> Tensor:
    """Return a fused loss, which overwrites the logits."""
    labels = torch.randint(0, VOCABULARY, (B * T,), generator=torch.Generator().manual_seed(1))
    flat, labels = logits.flatten(0, 1), labels.to(logits.device)
    if name == "R-Drop":
        return agreement_loss(flat, labels[: B * T // 2], 0.1, PAD, r_drop(5)).smoothed
    return smoothed_loss(flat, labels, 0.1, PAD).smoothed


@pytest.mark.parametrize("name", ["smoothed", "R-Drop"])
@pytest.mark.parametrize("kind", [*TOLERANCES])
def test_it_is_linear_in_float64(place: Place, kind: torch.dtype, name: str) -> None:
    """Logits, loss and gradients; bf16 by autocast, as in training."""
    is_bf16 = kind == torch.bfloat16
    torch.manual_seed(4)
    embeddings = place.move(Transformer(MODEL, VOCABULARY, PAD)).embeddings
    hidden = torch.randn(B, T, WIDTH)
    x = hidden.clone().to(place.device).requires_grad_()
    with torch.autocast(place.device.type, torch.bfloat16, enabled=is_bf16):
        logits = embeddings.project(x)
    assert logits.shape == (B, T, VOCABULARY)
    assert logits.dtype == kind
    if place.device.type == "cuda":
        assert logits.stride() == (T * 1024, 1024, 1)
    found = [logits.detach().clone()]
    value = loss(logits, name)
    value.backward()
    assert x.grad is not None
    assert embeddings.weight.grad is not None
    found += [value, x.grad, embeddings.weight.grad]

    exact = hidden.double().requires_grad_()
    weight = embeddings.weight.detach().cpu().double().requires_grad_()
    logits = linear(exact, weight)
    expected = [logits.detach().clone()]
    value = loss(logits, name)
    value.backward()
    assert exact.grad is not None
    assert weight.grad is not None
    expected += [value.detach(), exact.grad, weight.grad]
    assert worst_share(found, expected) < TOLERANCES[kind]
