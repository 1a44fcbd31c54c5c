"""The search on a device finds what it finds on the CPU in float64, however it is batched."""

from dataclasses import replace

import pytest
import torch

from benchmarks.synthetic import newstest, tokenizer
from nmt.config import DecodeSettings, ModelSettings, Recipe
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.translation import OutputOptions
from nmt.decoding.translator.translator import Translator
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel
from nmt.system.pools import ProcessPool
from nmt.text.subwords.tokenizer import PAD
from tests.gpu.conftest import Place

VOCABULARY = 60
MODEL = ModelSettings(
    encoder_layers=1, decoder_layers=2, d_model=32, d_ff=48, heads=4, d_k=8, d_v=8
)
SETTINGS = replace(DecodeSettings(), max_extra_tokens=3, precision="float32", odd_input="as_is")
Outputs = list[list[Hypothesis]]


POOL = ProcessPool(1)  # no other process: what is pretended holds in this thread only


def network(kind: torch.dtype = torch.float32) -> Transformer:
    """Return a model whose outputs differ from source to source, and end at different lengths."""
    torch.manual_seed(5)
    made = Transformer(MODEL, VOCABULARY, PAD).eval()
    for parameter in made.parameters():
        if parameter.dim() > 1:
            parameter.data *= 2.5
    return made.to(kind)


def search(made: Transformer, settings: DecodeSettings, n_best: int = 1) -> Outputs:
    translator = Translator(
        TrainedModel.from_network(made, tokenizer(VOCABULARY), Recipe("", model=MODEL)),
        settings,
        lambda _: None,
        OutputOptions(n_best),
        pool=POOL,
    )
    return translator.search(newstest(40, VOCABULARY))


def ids(outputs: Outputs) -> list[list[tuple[int, ...]]]:
    return [[each.ids for each in sentence] for sentence in outputs]


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("stopping", ["safe", "beam_finished"])
def test_outputs_are_those_of_float64(place: Place, beam_size: int, stopping: str) -> None:
    settings = replace(SETTINGS, beam_size=beam_size, stopping=stopping)
    expected = search(network(torch.float64), settings)
    assert len({len(each[0].ids) for each in expected}) > 5
    found = search(place.move(network()), settings)
    assert ids(found) == ids(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[0].score == pytest.approx(theirs[0].score, rel=1e-4)


def test_outputs_do_not_depend_on_the_batch(place: Place) -> None:
    moved = place.move(network())
    alone, few, all_at_once = (
        ids(search(moved, replace(SETTINGS, batch_tokens=tokens), n_best=2))
        for tokens in (1, 200, 100_000)
    )
    assert alone == few == all_at_once
