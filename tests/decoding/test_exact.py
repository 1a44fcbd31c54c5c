"""Translations do not depend on batches, processes or neighbours, and scores are the model's."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.decoding.translator import searcher
from nmt.decoding.translator.translation import OutputOptions, Translation
from nmt.decoding.translator.translator import Translator
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.system.pools import ProcessPool
from nmt.text.batches import source_batch
from nmt.text.tokenizer import BOS, EOS
from tests.conftest import WORDS

N_BEST = 3


@pytest.fixture(scope="module")
def model(skilled_run: Path) -> TrainedModel:
    return load_model(skilled_run, "cpu")


@pytest.fixture(scope="module")
def segments() -> list[str]:
    """Return segments of up to 12 words (training showed at most 5); some are blank."""
    draw = random.Random(5)
    return [" ".join(draw.choices(WORDS, k=draw.randrange(13))) for _ in range(100)]


@pytest.fixture(scope="module")
def alone(model: TrainedModel, segments: list[str]) -> list[Translation]:
    """Translate each segment alone, in this process and one thread."""
    return [found for each in segments for found in translate(model, [each])]


def translate(
    model: TrainedModel, segments: Sequence[str], processes: int = 1, **settings: Any
) -> list[Translation]:
    """Translate with some decode settings changed."""
    changed = replace(model.recipe.decode, precision="float32", **settings)
    pool = ProcessPool(processes)
    translator = Translator(model, changed, print, OutputOptions(N_BEST), pool=pool)
    return list(translator.translate(segments))


def assert_same(found: Sequence[Translation], expected: Sequence[Translation]) -> None:
    """Compare the n best of every segment, and every score to some 16 roundings of float32."""
    for one, other in zip(found, expected, strict=True):
        assert [each.text for each in one.candidates] == [each.text for each in other.candidates]
        for name in ("score", "log_prob"):
            assert [getattr(each, name) for each in one.candidates] == pytest.approx(
                [getattr(each, name) for each in other.candidates], rel=2**-19, abs=1e-5
            )


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_batches_by_number_of_sentences(
    model: TrainedModel,
    segments: list[str],
    alone: list[Translation],
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    processes: int,
) -> None:
    """Batches in the file's order pad short and long segments together."""

    def by_count(lengths: Sequence[int], tokens: int, workers: int) -> list[list[int]]:
        every = range(len(lengths))
        return [[*every[begin : begin + batch]] for begin in every[::batch]]

    monkeypatch.setattr(searcher, "batches_for_workers", by_count)
    assert_same(translate(model, segments, processes), alone)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("tokens", [20, 64, 1024])
def test_batches_by_number_of_tokens(
    model: TrainedModel,
    segments: list[str],
    alone: list[Translation],
    tokens: int,
    processes: int,
) -> None:
    assert_same(translate(model, segments, processes, batch_tokens=tokens), alone)


def test_two_threads_in_each_operation(
    model: TrainedModel, segments: list[str], alone: list[Translation]
) -> None:
    torch.set_num_threads(2)
    try:
        assert_same(translate(model, segments), alone)
    finally:
        torch.set_num_threads(1)


def test_other_sentences_in_the_batch(
    model: TrainedModel, segments: list[str], alone: list[Translation]
) -> None:
    """Neighbours, longer ones among them, and another place in the batch change nothing."""
    draw = random.Random(6)
    others = [" ".join(draw.choices(WORDS, k=20)) for _ in segments]
    mixed = [each for pair in zip(others, segments, strict=True) for each in pair]
    assert_same(translate(model, mixed)[1::2], alone)
    assert_same(translate(model, segments[::-1])[::-1], alone)


@pytest.mark.parametrize("stopping", ["safe", "beam_finished"])
def test_scores_equal_those_of_the_uncached_model(
    model: TrainedModel, segments: list[str], stopping: str
) -> None:
    """Score every output of a batch again with the network as it is trained, without a cache."""
    sources = [ids for ids in model.tokenizer.source.encode(segments) if ids]
    settings = replace(model.recipe.decode, stopping=stopping)
    searched = Translator(model, settings, print, OutputOptions(N_BEST)).search(sources)
    for source, hypotheses in zip(sources, searched, strict=True):
        for found in hypotheses:
            with torch.inference_mode():
                logits = model.network(source_batch([source]), torch.tensor([[BOS, *found.ids]]))
            outputs = torch.tensor([*found.ids, EOS])
            chosen = logits[0].double().log_softmax(-1).gather(1, outputs[:, None])
            assert found.log_prob == pytest.approx(float(chosen.sum()), abs=1e-4)
            penalty = ((5 + len(outputs)) / 6) ** settings.length_penalty
            assert found.score == pytest.approx(found.log_prob / penalty, abs=1e-6)
