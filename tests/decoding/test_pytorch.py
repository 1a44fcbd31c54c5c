"""Models in PyTorch: a packed copy computes what its model does, an ensemble the mean of several.

A packed copy leaves its model alone.
"""

import math
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import pytest
import torch
from torch import nn

from nmt.config import ModelSettings
from nmt.decoding.models.pytorch import Ensemble, call_directly, packed_copy
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.translation import OutputOptions, Translation
from nmt.decoding.translator.translator import Translator
from nmt.kernels import linear
from nmt.model.positions import PositionTable
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel, load_ensemble
from tests.conftest import WORDS
from tests.decoding.test_beam import IDS, VOCABULARY, Table, beam_search, exhaustive, same

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


ALPHA = 0.6
SEGMENTS = [" ".join(WORDS[i % 10] for i in range(n)) for n in (3, 1, 7, 12, 2)]


class Mean(Table):
    """The reference: the mean of the probabilities of several tables, in double precision."""

    def __init__(self, *tables: Table) -> None:
        super().__init__(0)
        self.tables = tables

    def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
        rows = [torch.tensor(each.logits(sentence, prefix)).double() for each in self.tables]
        mean = torch.stack([row.softmax(-1) for row in rows]).mean(0)
        return [math.log(each) for each in mean.tolist()]


def search(tables: list[Table], lengths: list[int], width: int) -> list[list[Hypothesis]]:
    """Search sentences 0, 1, ... with an ensemble of fake models."""
    source = torch.arange(len(lengths))[:, None]
    model = Ensemble(tables)
    return beam_search(
        model, source, lengths, IDS, beam_size=width, alpha=ALPHA, n_best=min(7, width)
    )


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_full_width_equals_exhaustive_search_of_the_mean(seed: int, count: int) -> None:
    tables = [Table(10 * seed + number, 2.0) for number in range(count)]
    lengths = [5, 4, 1]
    found = search(tables, lengths, width=108)
    for sentence, max_length in enumerate(lengths):
        expected = exhaustive(Mean(*tables), sentence, max_length, ALPHA)[:7]
        assert same(found[sentence], expected)


def test_mean_of_two_by_hand() -> None:
    """The mean of 0.9 and 0.3 is 0.6; an offset of a model's logits does not matter."""

    class Fixed(Table):
        def __init__(self, offset: float, *odds: float) -> None:
            super().__init__(0)
            self.row = [offset + math.log(each) for each in odds]

        def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
            return self.row

    one, other = Fixed(5.0, 0.02, 0.9, 0.02, 0.03, 0.03), Fixed(-9.0, 0.1, 0.3, 0.4, 0.1, 0.1)
    model = Ensemble([one, other])
    logits, _ = model.step(torch.zeros(1, 1, dtype=torch.long), model.encode(torch.zeros(1, 1)))
    assert logits.exp().flatten().tolist() == pytest.approx([0.06, 0.6, 0.21, 0.065, 0.065])


def test_nan_of_one_model_gives_no_output() -> None:
    class Diverged(Table):
        def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
            return [math.nan] * VOCABULARY

    assert search([Table(1), Diverged(2)], [4, 2], 3) == [[], []]


def test_result_does_not_depend_on_order_or_repetition() -> None:
    tables, lengths = [Table(1), Table(2)], [7, 3, 9]
    found = search(tables, lengths, 7)
    for others in (tables[::-1], tables * 2):
        for left, right in zip(search(others, lengths, 7), found, strict=True):
            assert same(left, right)


def load(*runs: Path) -> TrainedModel:
    return load_ensemble(runs, "cpu")


def translate(model: TrainedModel, segments: list[str]) -> list[Translation]:
    """Translate with the settings of the recipe."""
    translator = Translator(model, model.recipe.decode, lambda _: None, OutputOptions(n_best=3))
    return list(translator.translate(segments))


def alike(found: list[Translation], expected: list[Translation]) -> bool:
    """Return True if the texts are equal, and the scores up to float32's rounding."""
    ours = [each for one in found for each in one.candidates]
    theirs = [each for one in expected for each in one.candidates]
    return [each.text for each in ours] == [each.text for each in theirs] and [
        each.log_prob for each in ours
    ] == pytest.approx([each.log_prob for each in theirs], abs=1e-4)


def test_a_model_and_its_copy_translate_as_the_model(tiny_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copyfile(tiny_run / "model.safetensors", copy)
    twice = translate(load(tiny_run, copy), SEGMENTS)
    assert alike(twice, translate(load(tiny_run), SEGMENTS))


def test_models_of_different_shapes_do_not_depend_on_the_batch(
    tiny_run: Path, skilled_run: Path
) -> None:
    """The ensemble translates segments one by one as together, and unlike each model alone."""
    model = load(skilled_run, tiny_run)
    together = translate(model, SEGMENTS)
    assert alike([each for one in SEGMENTS for each in translate(model, [one])], together)
    for alone in (load(skilled_run), load(tiny_run)):
        assert not alike(translate(alone, SEGMENTS), together)
