"""Each segment has one translation, which does not depend on how segments are batched."""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from nmt.config import DecodeSettings
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.load import device_settings
from nmt.decoding.translator.segments import SubSegment
from nmt.decoding.translator.translation import OutputOptions, Translation
from nmt.decoding.translator.translator import Translator
from nmt.runs.trained_model import TrainedModel, load_model
from tests.conftest import WORDS

SEGMENTS = [" ".join(WORDS[i % 10] for i in range(n)) for n in (3, 1, 7, 0, 12, 2, 5, 1, 30)]


@pytest.fixture
def trained(tiny_run: Path) -> TrainedModel:
    """Load the tiny model."""
    return load_model(tiny_run, "cpu")


def translate(model: TrainedModel, segments: list[str], **settings: Any) -> list[Translation]:
    """Translate with some decode settings changed."""
    changed = replace(model.recipe.decode, **settings)
    return list(
        Translator(model, changed, lambda _: None, OutputOptions(n_best=2)).translate(segments)
    )


def test_order_and_chunks_do_not_change_translations(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = [each.text for each in translate(trained, SEGMENTS)]
    backward = [each.text for each in translate(trained, SEGMENTS[::-1])]
    assert backward[::-1] == forward
    for module in ("translator.translator", "stream"):
        monkeypatch.setattr(f"nmt.decoding.{module}.CHUNK_SEGMENTS", 2)
    assert [each.text for each in translate(trained, SEGMENTS)] == forward


def test_little_of_an_endless_stream_is_read_ahead(trained: TrainedModel) -> None:
    """At most one chunk of 2,000 segments is read."""
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            yield "" if read % 1000 else "sun"
            read += 1

    translator = Translator(trained, trained.recipe.decode, lambda _: None)
    for given, found in enumerate(islice(translator.translate(endless()), 7000)):
        assert (found.candidates[0].log_prob == 0) == bool(given % 1000)
        assert read - given <= 2000


def test_weights_are_not_kept_twice(tiny_run: Path) -> None:
    """A translator packs the weights of PyTorch's layers, which can be freed."""
    model = load_model(tiny_run, "cpu")
    settings = replace(model.recipe.decode, method="sample")
    translator = Translator(model, settings, lambda _: None)
    layers = [ref(layer) for layer in (*model.network.encoder, *model.network.decoder)]
    del model
    gc.collect()
    assert [each() for each in layers] == [None] * len(layers)
    assert next(translator.translate(["sun"])).candidates


def test_blank_segments_stay_blank(trained: TrainedModel) -> None:
    texts = [each.text for each in translate(trained, ["", "  ", "\t", "\u3000"])]
    assert texts == ["", "", "", ""]


def test_output_is_bounded_by_input_and_extra_tokens(trained: TrainedModel) -> None:
    """At most input + max_extra_tokens; the output counts its EOS, the input does not."""
    ids = trained.tokenizer.source.encode(["sun"])[0]
    translator = Translator(
        trained, replace(trained.recipe.decode, max_extra_tokens=1), lambda _: None
    )
    assert len(translator.search([ids])[0][0].ids) + 1 <= len(ids) + 1


def test_a_long_segment_is_split_reported_and_joined(trained: TrainedModel) -> None:
    notes: list[str] = []
    settings = replace(trained.recipe.decode, max_segment_tokens=12)
    segments = ["sun", " ".join(["moon star"] * 30)]
    found = list(Translator(trained, settings, notes.append).translate(segments))
    assert len(found) == 2
    (note,) = notes
    assert note.startswith("line 2: ")
    assert "decode.max_segment_tokens=12" in note


@pytest.mark.parametrize(
    ("device", "has_bf16", "batch_tokens", "precision"),
    [
        ("cpu", True, 1024, "float32"),
        ("mps", False, 1024, "float32"),
        ("cuda", True, 32_768, "bf16"),
        ("cuda:1", False, 32_768, "float32"),
    ],
)
def test_defaults_depend_on_the_device(
    device: str, has_bf16: bool, batch_tokens: int, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that is given stays as it is."""
    monkeypatch.setattr("nmt.decoding.translator.load.has_bf16", lambda device: has_bf16)
    found = device_settings(DecodeSettings(beam_size=7), device)
    assert (found.batch_tokens, found.precision, found.beam_size) == (batch_tokens, precision, 7)
    wide = DecodeSettings(beam_size=100)
    assert device_settings(wide, device, 1).batch_tokens == batch_tokens * 8 // 100
    assert device_settings(wide, device).batch_tokens == batch_tokens  # scores need no beam
    given = DecodeSettings(batch_tokens=5, precision="float32" if precision == "bf16" else "bf16")
    assert device_settings(given, device) == given


def test_a_batch_that_does_not_fit_into_a_gpu_is_halved(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU the error is reported."""
    model = TrainedModel.from_network(trained.network, trained.tokenizer, trained.recipe)
    searcher = Translator(model, trained.recipe.decode, lambda _: None).searcher
    sources = trained.tokenizer.source.encode([" ".join(WORDS[:n]) for n in range(1, 8)])
    parts = [*map(SubSegment, sources)]
    expected = searcher.search(parts)
    find_all = searcher.find_all

    def tight(sources: Sequence[SubSegment], settings: DecodeSettings) -> list[list[Hypothesis]]:
        if len(sources) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return find_all(sources, settings)

    monkeypatch.setattr(searcher, "find_all", tight)
    with pytest.raises(RuntimeError, match="out of memory"):
        searcher.search(parts)
    monkeypatch.setattr(searcher, "_is_gpu", True)
    found = searcher.search(parts)
    assert [each[0].ids for each in found] == [each[0].ids for each in expected]
