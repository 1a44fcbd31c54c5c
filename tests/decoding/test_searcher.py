"""The search decodes with arrays where it can, and writes what it writes with PyTorch."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.config import DecodeSettings
from nmt.decoding.files.resumable import Resumption, Task, digest_job
from nmt.decoding.files.translate_file import translate_file
from nmt.decoding.models.arrays import ArrayDecoder
from nmt.decoding.terms.glossary import read_glossary
from nmt.decoding.translator import searcher as searching
from nmt.decoding.translator.load import device_settings
from nmt.decoding.translator.searcher import uses_arrays
from nmt.decoding.translator.translation import OutputOptions, Request, Translation
from nmt.decoding.translator.translator import Translator
from nmt.runs.trained_model import TrainedModel, load_ensemble, load_model
from nmt.system.pools import ProcessPool
from tests.conftest import WORDS

N_BEST = 3


@pytest.fixture(scope="module")
def model(skilled_run: Path) -> TrainedModel:
    return load_model(skilled_run, "cpu")


def uses_arrays_now(translator: Translator) -> bool:
    """Return whether a translator decodes with arrays, not with PyTorch."""
    assert isinstance(translator.searcher, searching.ModelSearcher)
    return isinstance(translator.searcher.search_model, ArrayDecoder)


def without_weights(model: TrainedModel) -> TrainedModel:
    """Return a model that PyTorch decodes; it aligns with what the training chose."""
    network = TrainedModel.from_network(model.network, model.tokenizer, model.recipe)
    found = replace(network, alignment=model.alignment)
    vars(found)["network"] = model.network
    return found


def segments() -> list[str]:
    """Return plain segments, blank ones, and odd ones: capitals, numbers, unknown symbols."""
    draw = random.Random(3)
    every = [" ".join(draw.choices(WORDS, k=draw.randrange(9))) for _ in range(40)]
    return [*every, "SUN MOON", "12 34", "sun \u2603 moon", "sun\rmoon", " ".join(3 * WORDS)]


def translate(
    model: TrainedModel, settings: DecodeSettings, prefixes: list[str] | None, **options: Any
) -> list[Translation]:
    pool, asked = ProcessPool(1), OutputOptions(N_BEST)
    translator = Translator(model, settings, lambda _: None, asked, pool=pool, **options)
    return list(translator.translate(segments(), prefixes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"beam_size": 3, "length_penalty": 0.0},
        {"stopping": "beam_finished", "batch_tokens": 40},
        {"no_repeat_ngram": 1, "min_length": 4},
        {"max_length": 4, "search_again": True},
        {"mbr": "chrf"},
    ],
)
@pytest.mark.parametrize("asks", ["nothing", "prefixes", "terms"])
def test_arrays_and_pytorch_write_the_same(
    model: TrainedModel, changes: dict[str, Any], asks: str
) -> None:
    settings = replace(model.recipe.decode, **changes)
    options: dict[str, Any] = {}
    if asks == "terms":
        options["glossary"] = read_glossary({"moon": "ROOT", "star": ["SEED", "LEAF"]})
    found = []
    for form in (model, without_weights(model)):
        prefixes = ["SUN" if each and each[0] in "sm" else "" for each in segments()]
        asked = prefixes if asks == "prefixes" else None
        found.append(translate(form, settings, asked, **options))
    for one, other in zip(*found, strict=True):
        assert [each.text for each in one.candidates] == [each.text for each in other.candidates]
        assert [each.log_prob for each in one.candidates] == pytest.approx(
            [each.log_prob for each in other.candidates], rel=2e-6, abs=2e-5
        )


def test_arrays_serve_beam_search_with_one_model_on_a_cpu(
    model: TrainedModel, tiny_run: Path, skilled_run: Path
) -> None:
    settings = device_settings(DecodeSettings(), "cpu")
    assert uses_arrays(model, settings)
    assert not uses_arrays(replace(model, device="cuda"), settings)
    assert not uses_arrays(model, replace(settings, precision="bf16"))
    assert not uses_arrays(model, replace(settings, method="sample"))
    assert not uses_arrays(without_weights(model), settings)
    assert not uses_arrays(load_ensemble([skilled_run, tiny_run], "cpu"), settings)
    gelu = replace(model.recipe.model, activation="geglu")  # NumPy has no erf
    assert not uses_arrays(replace(model, recipe=replace(model.recipe, model=gelu)), settings)


def test_a_large_model_with_much_work_changes_to_pytorch(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins in arrays; copies of the process made before follow; texts stay the same."""
    monkeypatch.setattr(searching, "LARGE_WIDTH", model.recipe.model.d_model)
    monkeypatch.setattr(searching, "FEWEST_PARTS", 9)
    every = [each for each in segments() if "\u2603" not in each] * 4
    few, many = every[:8], every[8:]
    texts = {}
    for work in (1e30, 1.0):
        monkeypatch.setattr(searching, "MUCH_WORK", work)
        settings = replace(model.recipe.decode, batch_tokens=20)
        pool = ProcessPool(2)
        translator = Translator(model, settings, lambda _: None, pool=pool)
        first = [*translator.chunks([[*map(Request, few)]])]
        assert uses_arrays_now(translator)  # much work, but in few parts
        second = [*translator.chunks([[*map(Request, many)]])]
        assert uses_arrays_now(translator) == (work > 1)
        texts[work] = [each.text for chunk in (*first, *second) for each in chunk]
        pool.close()
    assert texts[1.0] == texts[1e30]


def test_a_small_model_stays_in_arrays(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MUCH_WORK", 1.0)
    monkeypatch.setattr(searching, "FEWEST_PARTS", 1)
    translator = Translator(model, model.recipe.decode, lambda _: None, pool=ProcessPool(1))
    assert len(list(translator.translate(segments()))) == len(segments())
    assert uses_arrays_now(translator)


def test_a_job_that_is_continued_keeps_one_form(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A large model uses PyTorch from the first line on, whatever the amount of work."""
    monkeypatch.setattr(searching, "LARGE_WIDTH", model.recipe.model.d_model)
    source, output = tmp_path / "in", tmp_path / "out"
    source.write_text("".join(f"{each}\n" for each in segments()[:9]), encoding="utf-8")
    job = digest_job(model, model.recipe.decode, {})
    for task in (Task(None), Resumption(output, job)):
        translator = Translator(model, model.recipe.decode, lambda _: None, pool=ProcessPool(1))
        translate_file(translator, source, task, lambda each, _: f"{each.text}\n")
        assert uses_arrays_now(translator) == (task.output is None)
