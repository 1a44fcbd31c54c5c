"""Loss and gradients of a device equal those of the CPU in float64."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from nmt.config import ModelSettings, Recipe
from nmt.kernels.loss import LossSums, reference_loss
from nmt.model import attention
from nmt.model.transformer import Transformer
from nmt.text.batches import Batch, make_batch
from nmt.text.subwords.tokenizer import PAD
from nmt.training.parallel.workers import Workers
from nmt.training.updates import Updater
from tests.gpu.conftest import (
    NEEDS_GPU,
    Place,
    parameters_with_gradients,
    worst_share,
)
from tests.model.conftest import VARIANTS

VOCABULARY = 101  # not a multiple of what a GPU likes
MODEL = ModelSettings(
    encoder_layers=2, decoder_layers=2, d_model=32, d_ff=64, heads=4, d_k=8, d_v=8, dropout=0.0
)
MODELS = {"paper": MODEL} | {
    name: replace(VARIANTS[name], attention_dropout=0.0, d_model=32, heads=4, d_k=8, d_v=12)
    for name in ("Marian", "all at once")
}
# Greatest distance of a gradient from float64's, as a share of its norm.
TOLERANCES = {"float32": 1e-4, "tf32": 0.02, "bf16": 0.1}


@pytest.fixture(params=[*MODELS])
def model(request: pytest.FixtureRequest) -> ModelSettings:
    return MODELS[request.param]


@pytest.fixture(autouse=True)
def _matmul_precision() -> Iterator[None]:
    """Restore the precision of matrix products, which tf32 changes for the whole process."""
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def batch() -> Batch:
    """Return pairs of different lengths."""
    draw = torch.Generator().manual_seed(3)
    pairs = []
    for source, target in ((3, 5), (9, 2), (1, 1), (12, 17), (7, 7)):
        sides = (
            torch.randint(4, VOCABULARY, (length,), generator=draw).tolist()
            for length in (source, target)
        )
        pairs.append((next(sides), next(sides)))
    return make_batch(pairs)


def network(model: ModelSettings) -> Transformer:
    torch.manual_seed(1)
    return Transformer(model, VOCABULARY, PAD)


def exact(model: ModelSettings, smoothing: float) -> tuple[LossSums, list[Tensor]]:
    """Return the loss and the gradients of the CPU in float64."""
    reference = network(model).double()
    given = batch()
    logits = reference(given.source, given.target_input)
    sums = reference_loss(logits.flatten(0, 1), given.labels.flatten(), smoothing, PAD)
    sums.smoothed.backward()
    return sums, parameters_with_gradients(reference)


def updater(model: ModelSettings, place: Place, precision: str) -> tuple[Updater, Transformer]:
    recipe = Recipe("gpu", model=model)
    # Adam divides by the gradient's size: with the paper's epsilon of 1e-9, a gradient that is zero
    # up to rounding would move its weight by a whole step, in either direction.
    train = replace(recipe.train, precision=precision, adam_epsilon=1e-3)
    recipe = replace(recipe, train=train)
    moved = place.move(network(model))
    made = Updater(recipe, moved, Workers(), place.device)
    made.set_up()
    return made, moved


@pytest.mark.parametrize("precision", ["float32", "bf16", pytest.param("tf32", marks=NEEDS_GPU)])
def test_loss_and_gradients_are_those_of_float64(
    place: Place, model: ModelSettings, precision: str
) -> None:
    if precision == "tf32" and place.device.type == "cpu":
        pytest.skip("a CPU has no tf32")
    smoothing = Recipe("gpu").train.label_smoothing
    sums, gradients = exact(model, smoothing)
    made, moved = updater(model, place, precision)
    smoothed, plain = made.backward([batch().to(place.device)])
    tolerance = TOLERANCES[precision]
    assert float(smoothed) == pytest.approx(float(sums.smoothed.detach()), rel=tolerance)
    assert float(plain) == pytest.approx(float(sums.plain), rel=tolerance)
    assert worst_share(parameters_with_gradients(moved), gradients) < tolerance


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_the_projection_is_linear_in_float64(place: Place, kind: torch.dtype) -> None:
    """Logits and gradients; bf16 by autocast, as in training. A GPU pads 1,001 tokens to 1,024."""
    embeddings = Transformer(MODEL, 1001, PAD).embeddings
    hidden, weight = torch.randn(6, 7, 32), embeddings.weight.detach().double().requires_grad_()
    embeddings = place.move(Transformer(MODEL, 1001, PAD)).embeddings
    embeddings.weight.data.copy_(weight.detach())
    x, exact = hidden.clone().to(place.device).requires_grad_(), hidden.double().requires_grad_()
    with torch.autocast(place.device.type, torch.bfloat16, enabled=kind == torch.bfloat16):
        logits = embeddings.project(x)
    assert (logits.shape, logits.dtype) == ((6, 7, 1001), kind)
    if place.device.type == "cuda" and place.is_real:
        assert logits.stride() == (7 * 1024, 1024, 1)
    expected = linear(exact, weight)
    found, known = [logits.detach().clone()], [expected.detach().clone()]
    for value in (logits, expected):
        value.square().sum().backward()
    for values, leaves in ((found, (x, embeddings.weight)), (known, (exact, weight))):
        values += [each.grad for each in leaves if each.grad is not None]
    assert worst_share(found, known) < (1e-5 if kind == torch.float32 else 2e-2)


@contextmanager
def plain_attention(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use the formula and not PyTorch's kernel within a `with` block."""
    with patch.context() as context:
        context.setattr(attention, "has_fused_attention", lambda query, value: False)
        yield


@pytest.mark.parametrize("queries", [1, 5])
def test_fused_attention_is_the_formula(
    place: Place, queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward and backward, with hidden keys."""
    draw = torch.Generator().manual_seed(2)
    tensors = [torch.randn(3, 4, n, 8, generator=draw) for n in (queries, 16, 16)]
    hidden = torch.zeros(3, 16, dtype=torch.bool)
    hidden[0, 9:] = hidden[2, 1:] = True

    def run() -> list[Tensor]:
        inputs = [each.clone().to(place.device).requires_grad_() for each in tensors]
        mask = attention.padding_mask(hidden.to(place.device), torch.float32)
        query, key, value = inputs
        found = attention.attention(query, key, value, mask)
        found.square().sum().backward()
        return [found, *(each.grad for each in inputs if each.grad is not None)]

    fused = run()
    with plain_attention(monkeypatch):
        formula = run()
    for ours, theirs in zip(fused, formula, strict=True):
        assert torch.allclose(ours.cpu(), theirs.cpu(), rtol=1e-4, atol=1e-5)


def test_an_update_changes_the_weights_as_on_the_cpu(place: Place) -> None:
    """Three updates with fused Adam; the loss of each and the norm of its gradient."""
    ours, moved = updater(MODEL, place, "float32")
    here = Place(torch.device("cpu"))
    theirs, reference = updater(MODEL, here, "float32")
    for number in (1, 2, 3):
        found = ours.start([batch().to(place.device)], number, True, None).result()
        expected = theirs.start([batch()], number, True, None).result()
        assert found.smoothed_loss == pytest.approx(expected.smoothed_loss, rel=1e-4)
        assert found.gradient_norm == pytest.approx(expected.gradient_norm, rel=1e-3)
    weights = [each.detach() for each in reference.parameters()]
    assert worst_share([*moved.parameters()], weights) < 1e-4


def test_an_update_that_is_not_finite_changes_no_weight(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, moved = updater(MODEL, place, "float32")
    made.start([batch().to(place.device)], 1, counts=True, stop=None)
    before = copy.deepcopy([each.detach().cpu() for each in moved.parameters()])
    backward = made.backward

    def spoiled(share: Sequence[Batch], weight: float = 1.0) -> tuple[Tensor, Tensor]:
        smoothed, plain = backward(share, weight)
        return smoothed * float("nan"), plain

    monkeypatch.setattr(made, "backward", spoiled)
    found = made.start([batch().to(place.device)], 2, True, None).result()
    assert not found.is_finite
    for weight, old in zip(moved.parameters(), before, strict=True):
        assert torch.equal(weight.detach().cpu(), old)
