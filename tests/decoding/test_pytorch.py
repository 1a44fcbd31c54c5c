"""Models in PyTorch: a packed copy computes what its model does, an ensemble the mean of several.

A packed copy leaves its model alone.
"""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from nmt.decoding.models.pytorch import Ensemble, call_directly, packed_copy
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.kernels import linear
from nmt.model.positions import PositionTable
from nmt.model.transformer import Transformer
from tests.decoding.test_beam import IDS, VOCABULARY, Table, beam_search, exhaustive, same
from tests.model.conftest import VARIANTS as SMALL_VARIANTS

WIDTHS: dict[str, Any] = {"d_model": 64, "d_ff": 96, "heads": 4, "d_k": 16}
VARIANTS = {
    name: replace(variant, **WIDTHS, d_v=7 if variant.tied == "none" else 16)
    for name, variant in SMALL_VARIANTS.items()
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
    """Embeddings exist once in memory; every linear layer is packed, the softmax's once."""
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    kinds = [type(module) for module in model.modules()]
    packed_logits(model, precision, directly=True)
    assert model.training
    assert [type(module) for module in model.modules()] == kinds
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])
    copied, _ = packed_copy(model, "float32")
    assert copied.embeddings.weight is model.embeddings.weight
    assert copied.embeddings.own_softmax_weight is None
    assert not any(isinstance(module, nn.Linear) for module in copied.modules())


@pytest.mark.parametrize("name", ["paper", "rotary", "Marian"])
def test_a_packed_copy_keeps_a_table_of_positions_that_has_grown(name: str) -> None:
    """A longer table is made once, not again at each step."""
    copied, _ = packed_copy(Transformer(VARIANTS[name], 50, 0).eval(), "float32")
    call_directly(copied)
    with torch.no_grad():
        copied.encode(torch.full((1, 300), 5))
    tables = [module for module in copied.modules() if isinstance(module, PositionTable)]
    encoding = [table for table in tables if len(table.get_buffer("table")) >= 300]
    assert encoding
    before = [table.get_buffer("table") for table in encoding]
    with torch.no_grad():
        copied.encode(torch.full((1, 300), 5))
    assert all(a.get_buffer("table") is b for a, b in zip(encoding, before, strict=True))


class Mean(Table):
    """The reference: the mean of the probabilities of several tables, in double precision."""

    def __init__(self, *tables: Table) -> None:
        super().__init__(0)
        self.tables = tables

    def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
        rows = [torch.tensor(table.logits(sentence, prefix)).double() for table in self.tables]
        mean = torch.stack([row.softmax(-1) for row in rows]).mean(0)
        return [math.log(probability) for probability in mean.tolist()]


def search(tables: list[Table], lengths: list[int], width: int) -> list[list[Hypothesis]]:
    """Search sentences 0, 1, ... with an ensemble of fake models."""
    source = torch.arange(len(lengths))[:, None]
    model = Ensemble(tables)
    return beam_search(
        model, source, lengths, IDS, beam_size=width, alpha=0.6, n_best=min(7, width)
    )


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_full_width_equals_exhaustive_search_of_the_mean(seed: int, count: int) -> None:
    tables = [Table(10 * seed + number, 2.0) for number in range(count)]
    lengths = [5, 4, 1]
    found = search(tables, lengths, width=108)
    for sentence, max_length in enumerate(lengths):
        expected = exhaustive(Mean(*tables), sentence, max_length, 0.6)[:7]
        assert same(found[sentence], expected)


def test_nan_of_one_model_gives_no_output() -> None:
    class Diverged(Table):
        def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
            return [math.nan] * VOCABULARY

    assert search([Table(1), Diverged(2)], [4, 2], 3) == [[], []]
