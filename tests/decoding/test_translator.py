"""A segment has one translation, whatever the batch, processes and neighbours."""

import gc
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from nmt.config import DataSettings, DecodeSettings, Recipe, TextFiles
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.load import (
    check_direction,
    decode_settings,
    device_settings,
    find_direction,
    load_models,
    only_target,
)
from nmt.decoding.translator.segments import SubSegment
from nmt.decoding.translator.translation import OutputOptions, Translation
from nmt.decoding.translator.translator import Translator
from nmt.errors import UsageError
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel, load_ensemble, load_model
from nmt.system.pools import ProcessPool
from tests.conftest import WORDS
from tests.decoding.conftest import assert_alike


def test_little_of_an_endless_stream_is_read_ahead(model: TrainedModel) -> None:
    """At most one chunk of 2,000 segments is read."""
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            yield "" if read % 1000 else "sun"
            read += 1

    translator = Translator(model, model.recipe.decode, lambda _: None)
    for given, found in enumerate(islice(translator.translate(endless()), 7000)):
        assert (found.candidates[0].log_prob == 0) == bool(given % 1000)
        assert read - given <= 2000


def test_weights_are_not_kept_twice(tiny_run: Path) -> None:
    """A translator packs the weights of PyTorch's layers, which can be freed."""
    model = load_model(tiny_run, "cpu")
    settings = replace(model.recipe.decode, method="sample")
    translator = Translator(model, settings, lambda _: None)
    assert isinstance(model.network, Transformer)
    layers = [ref(layer) for layer in (*model.network.encoder, *model.network.decoder)]
    del model
    gc.collect()
    assert [layer() for layer in layers] == [None] * len(layers)
    assert next(translator.translate(["sun"])).candidates


def test_output_is_bounded_by_input_and_extra_tokens(model: TrainedModel) -> None:
    """At most input + max_extra_tokens; the output counts its EOS, the input does not."""
    ids = model.tokenizer.source.encode(["sun"])[0]
    translator = Translator(model, replace(model.recipe.decode, max_extra_tokens=1), lambda _: None)
    assert len(translator.search([ids])[0][0].ids) + 1 <= len(ids) + 1


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
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU the error is reported."""
    trained = TrainedModel.from_network(model.network, model.tokenizer, model.recipe)
    searcher = Translator(trained, model.recipe.decode, lambda _: None).searcher
    sources = model.tokenizer.source.encode([" ".join(WORDS[:n]) for n in range(1, 8)])
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
    assert [hypotheses[0].ids for hypotheses in found] == [
        hypotheses[0].ids for hypotheses in expected
    ]


N_BEST = 3


@pytest.fixture(scope="module")
def segments() -> list[str]:
    """Return segments of up to 12 words (training showed at most 5); some are blank."""
    draw = random.Random(5)
    return [" ".join(draw.choices(WORDS, k=draw.randrange(13))) for _ in range(40)]


@pytest.fixture(scope="module")
def alone(model: TrainedModel, segments: list[str]) -> list[Translation]:
    """Translate each segment alone, in this process and one thread."""
    return [found for segment in segments for found in exact(model, [segment])]


def exact(
    model: TrainedModel, segments: Sequence[str], processes: int = 1, **settings: Any
) -> list[Translation]:
    changed = replace(model.recipe.decode, precision="float32", **settings)
    pool = ProcessPool(processes)
    translator = Translator(model, changed, print, OutputOptions(N_BEST), pool=pool)
    return list(translator.translate(segments))


@pytest.mark.parametrize(
    ("tokens", "processes", "chunk"), [(20, 1, 2), (64, 2, 2000), (9999, 1, 2000)]
)
def test_neither_batches_nor_processes_nor_chunks_change_a_translation(
    model: TrainedModel,
    segments: list[str],
    alone: list[Translation],
    monkeypatch: pytest.MonkeyPatch,
    tokens: int,
    processes: int,
    chunk: int,
) -> None:
    """The largest batch pads the shortest segments as long as the longest one."""
    for module in ("translator.translator", "stream"):
        monkeypatch.setattr(f"nmt.decoding.{module}.CHUNK_SEGMENTS", chunk)
    assert_alike(exact(model, segments, processes, batch_tokens=tokens), alone)


def test_an_ensemble_of_different_shapes_does_not_depend_on_the_batch(
    tiny_run: Path, skilled_run: Path, segments: list[str]
) -> None:
    """Nor does it translate as each model alone."""
    together, one, other = (
        exact(load_ensemble(runs, "cpu"), segments[:9])
        for runs in ([skilled_run, tiny_run], [skilled_run], [tiny_run])
    )
    model = load_ensemble([skilled_run, tiny_run], "cpu")
    assert_alike(
        [translation for text in segments[:9] for translation in exact(model, [text])], together
    )
    assert together not in (one, other)


def test_the_names_of_the_models_are_printed(tiny_run: Path, skilled_run: Path) -> None:
    notes: list[str] = []
    model, _ = load_models([tiny_run, skilled_run], "cpu", notes.append)
    assert [member.path.parent for member in (model, *model.ensemble)] == [tiny_run, skilled_run]
    (note,) = notes
    assert note.startswith("ensemble: ")
    assert str(model.path) in note


def test_decode_settings_are_the_recipes_with_changes() -> None:
    recipe = Recipe("x")
    assert decode_settings(recipe) == recipe.decode
    changed = decode_settings(recipe, ["decode.beam_size=7", "decode.beam_size = 8"])
    assert (changed.beam_size, changed.length_penalty) == (8, recipe.decode.length_penalty)


@pytest.mark.parametrize("override", ["model.heads=2", "train.seed=3", "decode.beam=3"])
def test_only_decode_settings_can_be_changed(override: str) -> None:
    with pytest.raises(UsageError, match=override.partition("=")[0]):
        decode_settings(Recipe("x"), [override])


@pytest.mark.parametrize(
    ("written", "read", "direction"),
    [
        ("de", "", ("", "de")),
        ("deu", "en", ("en", "de")),
        ("en", "", ("", "en")),
        ("en", "fra", ("fr", "en")),
        ("en", "en", ("", "en")),
        ("en", "es", ("", "en")),
        ("fr", "de", ("de", "fr")),
    ],
)
def test_a_text_is_in_no_language_if_several_may_be_read(
    written: str, read: str, direction: tuple[str, str]
) -> None:
    """From German to French, there is no training text."""
    settings = DecodeSettings(target_language=written)
    assert find_direction(of_three_languages(), settings, read) == direction


def of_three_languages() -> Recipe:
    pairs = ("en", "de"), ("en", "fr"), ("de", "en"), ("fr", "en")
    train = [TextFiles("a", "b", source_language=s, target_language=t) for s, t in pairs]
    return Recipe("x", DataSettings(train=(*train,)))


def test_a_text_has_a_target_if_the_model_learned_one_direction_from_its_language() -> None:
    found = {
        read: only_target(of_three_languages(), read) for read in ("de", "fra", "en", "es", "")
    }
    assert found == {"de": "en", "fra": "en", "en": "", "es": "", "": ""}


def test_a_file_in_the_language_to_write_is_refused() -> None:
    """Not if the model learned to write one form of a language from another."""
    recipe, settings = of_three_languages(), DecodeSettings(target_language=">>de<<")
    for name, read, told in (
        ("a.de", "de", "a.de is in de by its name, .* into de; .*, or rename it$"),
        ("a.xlf", "deu", r"a.xlf is in deu, so .*; choose another language \(--to\)$"),
    ):
        with pytest.raises(UsageError, match=told):
            check_direction(recipe, Path(name), read, settings)
    for read in ("", "en", "es"):
        check_direction(recipe, Path("a"), read, settings)
    forms = TextFiles("a", "b", source_language="en-GB", target_language="en-US")
    american = DecodeSettings(target_language="en-US")
    check_direction(Recipe("x", DataSettings(train=(forms,))), Path("a.en-GB"), "en", american)
