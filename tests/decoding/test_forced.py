"""Forced decoding gives the probabilities of the search, and those of the model itself."""

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch

from nmt.decoding.models.forced import TokenLogProbs, forced_log_probs
from nmt.decoding.models.pytorch import make_decoder
from nmt.decoding.translator.translation import OutputOptions
from nmt.decoding.translator.translator import Translator
from nmt.kernels.linear import has_int8
from nmt.runs.trained_model import TrainedModel, load_ensemble
from nmt.text.subwords.tokenizer import BOS, EOS, UNK
from tests.conftest import WORDS

N_BEST = 4


def make_sources(model: TrainedModel, count: int = 20) -> list[list[int]]:
    draw = random.Random(3)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(count)]
    return model.tokenizer.source.encode(texts)


def reference(model: TrainedModel, source: list[int], output: list[int]) -> list[float]:
    """Return the log-probabilities by the network itself, one output alone."""
    with torch.no_grad():
        logits = model.network(torch.tensor([[*source, EOS]]), torch.tensor([[BOS, *output]]))
    log_probs = logits[0].double().log_softmax(-1)
    return [float(log_probs[position, token]) for position, token in enumerate([*output, EOS])]


def forced(
    model: TrainedModel,
    sources: list[list[int]],
    outputs: list[list[list[int]]],
    max_tokens: int = 1000,
) -> list[list[TokenLogProbs]]:
    decoders = [make_decoder(member.network) for member in (model, *model.ensemble)]
    return forced_log_probs(decoders, sources, outputs, max_tokens)


@pytest.mark.parametrize("max_tokens", [1, 30, 1000])
def test_tokens_have_the_probabilities_of_the_network(model: TrainedModel, max_tokens: int) -> None:
    """Whatever the batch: no output, an empty one, several, with unknown tokens."""
    draw = random.Random(1)
    sources = [*make_sources(model, 7), []]
    outputs = [
        [[draw.choice([UNK, *range(4, 40)]) for _ in range(draw.randrange(12))] for _ in range(n)]
        for n in (1, 0, 3, 2, 1, 4, 1, 2)
    ]
    found = forced(model, sources, outputs, max_tokens)
    assert [*map(len, found)] == [1, 0, 3, 2, 1, 4, 1, 2]
    for source, given, log_probs in zip(sources, outputs, found, strict=True):
        for output, values in zip(given, log_probs, strict=True):
            assert values == pytest.approx(reference(model, source, output), abs=2e-5)


@pytest.mark.parametrize("precision", ["float32", "bf16", "int8"])
def test_the_sum_is_the_log_probability_of_the_search(model: TrainedModel, precision: str) -> None:
    """For each of the n best; bf16 rounds otherwise where positions are computed one by one."""
    if precision == "int8" and not has_int8(torch.device("cpu")):
        pytest.skip("no int8 on this processor")
    translator = Translator(
        model, replace(model.recipe.decode, precision=precision), print, OutputOptions(N_BEST)
    )
    sources = make_sources(model)
    found = translator.search(sources)
    outputs = [[hypothesis.ids for hypothesis in hypotheses] for hypotheses in found]
    decoders = [make_decoder(model.network, precision)]
    scored = forced_log_probs(decoders, sources, outputs, 100)
    for hypotheses, log_probs in zip(found, scored, strict=True):
        sums = [math.fsum(values) for values in log_probs]
        expected = [hypothesis.log_prob for hypothesis in hypotheses]
        assert sums == pytest.approx(expected, abs=0.3 if precision == "bf16" else 1e-4)


def test_an_ensemble_averages_probabilities(skilled_run: Path) -> None:
    checkpoint = min((skilled_run / "checkpoints").glob("*.safetensors"))
    model = load_ensemble([skilled_run, checkpoint], "cpu")
    sources = make_sources(model, 8)
    outputs = [[source[::-1], []] for source in sources]
    for source, given, log_probs in zip(
        sources, outputs, forced(model, sources, outputs), strict=True
    ):
        for output, found in zip(given, log_probs, strict=True):
            models = [reference(one, source, output) for one in (model, *model.ensemble)]
            mean = numpy.exp(models).mean(0)
            assert numpy.exp(found) == pytest.approx(mean, abs=1e-5)
