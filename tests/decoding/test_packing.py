"""A packed copy computes what the model computes, and leaves the model alone."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from nmt.config import ModelSettings
from nmt.decoding.models.packing import call_directly, packed_copy
from nmt.kernels import linear
from nmt.model.positions import PositionTable
from nmt.model.transformer import Transformer

SETTINGS = ModelSettings(
    encoder_layers=2, decoder_layers=2, d_model=64, d_ff=96, heads=4, d_k=16, d_v=16
)
VARIANTS = {
    "paper": SETTINGS,
    "pre-norm, rotary, gated": replace(
        SETTINGS, norm="pre", positions="rotary", activation="swiglu"
    ),
    "untied, RMS": replace(SETTINGS, tied="none", norm_kind="rms"),
    "Marian": replace(
        SETTINGS,
        activation="silu",
        positions="sinusoidal_halves",
        attention_bias=True,
        softmax_bias=True,
        norm_epsilon=1e-5,
    ),
    "GELU, biases, odd heads": replace(
        SETTINGS, activation="gelu", attention_bias=True, softmax_bias=True, tied="none", d_v=7
    ),
}
SOURCE = torch.tensor([[5, 9, 4, 3], [7, 3, 0, 0]])
TARGET = torch.tensor([[2, 6, 8], [2, 12, 5]])


@pytest.fixture(params=VARIANTS)
def model(request: pytest.FixtureRequest) -> Transformer:
    torch.manual_seed(1)
    made = Transformer(VARIANTS[request.param], vocab_size=50, pad_id=0).eval()
    for name, parameter in made.named_parameters():
        if name.endswith("bias"):  # zeros would hide mistakes
            nn.init.normal_(parameter, std=0.2)
    return made


def packed_logits(model: Transformer, precision: str, *, directly: bool) -> torch.Tensor:
    """Return the logits of a packed copy for all target positions."""
    copied, project = packed_copy(model, precision)
    if directly:
        call_directly(copied)
    with torch.no_grad():
        memory, mask = copied.encode(SOURCE)
        logits: torch.Tensor = project(copied.decode(TARGET, memory, mask))
    return logits.float()


@pytest.mark.parametrize("directly", [False, True])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bf16", 0.05)])
def test_a_packed_copy_agrees_with_the_model(
    model: Transformer, precision: str, tolerance: float, directly: bool
) -> None:
    with torch.no_grad():
        expected = model(SOURCE, TARGET)
    found = packed_logits(model, precision, directly=directly)
    largest = float(expected.abs().max())
    torch.testing.assert_close(found, expected, atol=tolerance * largest, rtol=0)


@pytest.mark.skipif(not linear.has_int8("cpu"), reason="this processor has no products in 8 bits")
def test_a_copy_in_8_bits_is_close_to_the_model(
    model: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Biases of queries are scaled with their weights, those of logits are added."""
    monkeypatch.setattr(linear, "INT8_ELEMENTS", 0)
    with torch.no_grad():
        expected = model(SOURCE, TARGET)
    found = packed_logits(model, "int8", directly=True)
    assert (found - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_packing_leaves_the_model_as_it_was(model: Transformer, precision: str) -> None:
    """Weights, types, modules and hooks of the model are those of before."""
    model.train()
    before = {name: each.clone() for name, each in model.state_dict().items()}
    kinds = [type(module) for module in model.modules()]
    packed_logits(model, precision, directly=True)
    assert model.training
    assert [type(module) for module in model.modules()] == kinds
    assert {name: each.dtype for name, each in model.state_dict().items()} == {
        name: each.dtype for name, each in before.items()
    }
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    called = []
    model.encoder[0].register_forward_hook(lambda *_: called.append(True))
    model(SOURCE, TARGET)
    assert called == [True]


def test_an_untied_softmax_is_kept_once() -> None:
    """Its matrix does not embed, so only the packed one stays."""
    copied, _ = packed_copy(Transformer(VARIANTS["untied, RMS"], 50, 0), "float32")
    assert copied.embeddings.own_softmax_weight is None


def test_a_packed_copy_shares_what_is_not_packed(model: Transformer) -> None:
    """Embeddings exist once in memory; every linear layer is packed."""
    copied, _ = packed_copy(model, "float32")
    assert copied.embeddings.weight is model.embeddings.weight
    assert not any(isinstance(module, nn.Linear) for module in copied.modules())


def test_a_packed_copy_keeps_a_table_of_positions_that_has_grown(model: Transformer) -> None:
    """A longer table is made once, not again at each step."""
    copied, _ = packed_copy(model, "float32")
    call_directly(copied)
    with torch.no_grad():
        copied.encode(torch.full((1, 300), 5))
    tables = [each for each in copied.modules() if isinstance(each, PositionTable)]
    encoding = [each for each in tables if len(each.get_buffer("table")) >= 300]
    assert encoding
    before = [each.get_buffer("table") for each in encoding]
    with torch.no_grad():
        copied.encode(torch.full((1, 300), 5))
    assert all(a.get_buffer("table") is b for a, b in zip(encoding, before, strict=True))
