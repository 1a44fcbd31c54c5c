"""The search decodes with arrays where it can, and writes what it writes with PyTorch."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.config import DecodeSettings
from nmt.decoding.files.resumable import Resumption, job_of
from nmt.decoding.files.translate_file import translate_file
from nmt.decoding.terms.glossary import read_glossary
from nmt.decoding.translator import search_method
from nmt.decoding.translator.device_settings import settings_for
from nmt.decoding.translator.model_forms import Models
from nmt.decoding.translator.requests import RequestsOf, plain, with_prefixes
from nmt.decoding.translator.search_method import uses_arrays
from nmt.decoding.translator.translation import Translation
from nmt.decoding.translator.translator import Translator
from nmt.decoding.translator.wanted import Wanted
from nmt.runs.trained_model import TrainedModel, load_ensemble, load_model
from nmt.system.pools import ProcessPool
from tests.conftest import WORDS

N_BEST = 3


@pytest.fixture(scope="module")
def model(skilled_run: Path) -> TrainedModel:
    return load_model(skilled_run, "cpu")


def uses_arrays_now(translator: Translator) -> bool:
    """Return whether a translator decodes with arrays, not with PyTorch."""
    assert isinstance(translator.method, search_method.SearchMethod)
    return translator.method.forms.are_arrays


def segments() -> list[str]:
    """Return plain segments, blank ones, and odd ones: capitals, numbers, unknown symbols."""
    draw = random.Random(3)
    every = [" ".join(draw.choices(WORDS, k=draw.randrange(9))) for _ in range(40)]
    return [*every, "SUN MOON", "12 34", "sun \u2603 moon", "sun\rmoon", " ".join(3 * WORDS)]


def translate(
    models: Models,
    model: TrainedModel,
    settings: DecodeSettings,
    requests_of: RequestsOf,
    **options: Any,
) -> list[Translation]:
    pool = ProcessPool(1)
    wanted = Wanted(N_BEST)
    translator = Translator(
        models, model.tokenizer, settings, lambda _: None, wanted, pool=pool, **options
    )
    return list(translator.translate(segments(), requests_of))


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
    arrays = Models.of(model)
    # Both align with what the training chose; networks alone do not say what that is.
    networks = replace(Models.of_networks([model.network]), attentions=arrays.attentions)
    for models in (arrays, networks):
        prefixes = ["SUN" if each and each[0] in "sm" else "" for each in segments()]
        requests = with_prefixes(prefixes) if asks == "prefixes" else plain
        found.append(translate(models, model, settings, requests, **options))
    for one, other in zip(*found, strict=True):
        assert [each.text for each in one.candidates] == [each.text for each in other.candidates]
        assert [each.log_prob for each in one.candidates] == pytest.approx(
            [each.log_prob for each in other.candidates], rel=2e-6, abs=2e-5
        )


def test_arrays_serve_beam_search_with_one_model_on_a_cpu(
    model: TrainedModel, tiny_run: Path, skilled_run: Path
) -> None:
    settings = settings_for(DecodeSettings(), "cpu")
    one = Models.of(model)
    assert uses_arrays(one, settings)
    assert not uses_arrays(replace(one, device="cuda"), settings)
    assert not uses_arrays(one, replace(settings, precision="bf16"))
    assert not uses_arrays(one, replace(settings, method="sample"))
    assert not uses_arrays(Models.of_networks([model.network]), settings)
    assert not uses_arrays(Models.of(load_ensemble([skilled_run, tiny_run], "cpu")), settings)
    gelu = replace(model.recipe.model, activation="geglu")  # NumPy has no erf
    assert not uses_arrays(replace(one, settings=(gelu,)), settings)


def test_a_large_model_with_much_work_changes_to_pytorch(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins in arrays; copies of the process made before follow; texts stay the same."""
    monkeypatch.setattr(search_method, "LARGE_WIDTH", model.recipe.model.d_model)
    monkeypatch.setattr(search_method, "FEWEST_PARTS", 9)
    every = [each for each in segments() if "\u2603" not in each] * 4
    few, many = every[:8], every[8:]
    texts = {}
    for work in (1e30, 1.0):
        monkeypatch.setattr(search_method, "MUCH_WORK", work)
        settings = replace(model.recipe.decode, batch_tokens=20)
        pool = ProcessPool(2)
        translator = Translator.of(model, settings, lambda _: None, pool=pool)
        first = [*translator.chunks([plain(few)])]
        assert uses_arrays_now(translator)  # much work, but in few parts
        second = [*translator.chunks([plain(many)])]
        assert uses_arrays_now(translator) == (work > 1)
        texts[work] = [each.text for chunk in (*first, *second) for each in chunk]
        pool.close()
    assert texts[1.0] == texts[1e30]


def test_a_small_model_stays_in_arrays(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_method, "MUCH_WORK", 1.0)
    monkeypatch.setattr(search_method, "FEWEST_PARTS", 1)
    translator = Translator.of(model, model.recipe.decode, lambda _: None, pool=ProcessPool(1))
    assert len(list(translator.translate(segments()))) == len(segments())
    assert uses_arrays_now(translator)


def test_a_job_that_is_continued_keeps_one_form(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A large model uses PyTorch from the first line on, whatever the amount of work."""
    monkeypatch.setattr(search_method, "LARGE_WIDTH", model.recipe.model.d_model)
    source, output = tmp_path / "in", tmp_path / "out"
    source.write_text("".join(f"{each}\n" for each in segments()[:9]), encoding="utf-8")
    job = job_of([model.path], model.recipe.decode, {})
    for resumption in (None, Resumption(output, job)):
        translator = Translator.of(model, model.recipe.decode, lambda _: None, pool=ProcessPool(1))
        translate_file(
            translator,
            source,
            output if resumption else None,
            lambda each, _: f"{each.text}\n",
            resumption=resumption,
        )
        assert uses_arrays_now(translator) == (resumption is None)
