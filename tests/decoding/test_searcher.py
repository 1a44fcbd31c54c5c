"""The search decodes with arrays where it can; loops and runaways are searched again."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.config import DecodeSettings
from nmt.decoding.files.resumable import Resumption, Task, digest_job
from nmt.decoding.files.translate_file import translate_file
from nmt.decoding.models.arrays import ArrayDecoder
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.terms.glossary import read_glossary
from nmt.decoding.translator import searcher as searching
from nmt.decoding.translator.load import device_settings
from nmt.decoding.translator.repetition import is_degenerate, limited, most_repeats
from nmt.decoding.translator.searcher import Found, Searcher, uses_arrays
from nmt.decoding.translator.segments import SubSegment
from nmt.decoding.translator.translation import OutputOptions, Request, Translation
from nmt.decoding.translator.translator import Translator
from nmt.runs.trained_model import TrainedModel, load_ensemble
from nmt.system.pools import Pool, ProcessPool
from tests.conftest import WORDS
from tests.decoding.conftest import assert_alike

N_BEST = 3


def uses_arrays_now(translator: Translator) -> bool:
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
    ("asks", "changes"),
    [
        ("nothing", {}),
        ("prefixes", {"beam_size": 3, "length_penalty": 0.0}),
        ("terms", {"stopping": "beam_finished", "batch_tokens": 40}),
        ("prefixes", {"no_repeat_ngram": 1, "min_length": 4}),
        ("terms", {"max_length": 4, "search_again": True}),
        ("nothing", {"mbr": "chrf"}),
    ],
)
def test_arrays_and_pytorch_write_the_same(
    model: TrainedModel, asks: str, changes: dict[str, Any]
) -> None:
    settings = replace(model.recipe.decode, **changes)
    options: dict[str, Any] = {}
    if asks == "terms":
        options["glossary"] = read_glossary({"moon": "ROOT", "star": ["SEED", "LEAF"]})
    found = []
    for tested in (model, without_weights(model)):
        prefixes = ["SUN" if segment and segment[0] in "sm" else "" for segment in segments()]
        asked = prefixes if asks == "prefixes" else None
        found.append(translate(tested, settings, asked, **options))
    assert_alike(*found)


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
    width = model.recipe.model.d_model
    monkeypatch.setattr(searching, "FEWEST_PARTS", 9)
    every = [segment for segment in segments() if "\u2603" not in segment]
    few, many = every[:8], every[8:]
    texts = {}
    for large, work in ((width, 1e30), (width + 1, 1.0), (width, 1.0)):
        monkeypatch.setattr(searching, "LARGE_WIDTH", large)
        monkeypatch.setattr(searching, "MUCH_WORK", work)
        settings = replace(model.recipe.decode, batch_tokens=20)
        pool = ProcessPool(2)
        translator = Translator(model, settings, lambda _: None, pool=pool)
        first = [*translator.chunks([[*map(Request, few)]])]
        assert uses_arrays_now(translator)  # much work, but in few parts
        second = [*translator.chunks([[*map(Request, many)]])]
        assert uses_arrays_now(translator) == (work > 1 or large > width)
        texts[large, work] = [
            translation.text for chunk in (*first, *second) for translation in chunk
        ]
        pool.close()
    assert texts[width, 1.0] == texts[width, 1e30]


def test_a_job_that_is_continued_keeps_one_backend(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A large model uses PyTorch from the first line on, whatever the amount of work."""
    monkeypatch.setattr(searching, "LARGE_WIDTH", model.recipe.model.d_model)
    source, output = tmp_path / "in", tmp_path / "out"
    source.write_text("".join(f"{segment}\n" for segment in segments()[:9]), encoding="utf-8")
    job = digest_job(model, model.recipe.decode, {})
    for task in (Task(None), Resumption(output, job)):
        translator = Translator(model, model.recipe.decode, lambda _: None, pool=ProcessPool(1))
        translate_file(translator, source, task, lambda translation, _: f"{translation.text}\n")
        assert uses_arrays_now(translator) == (task.output is None)


@pytest.mark.parametrize(
    ("ids", "times"),
    [
        ([], 1),
        ([5, 5, 5], 3),
        ([5, 6, 5, 6, 5], 2),
        ([1, 5, 6, 7, 5, 6, 7, 5, 6, 7, 2], 3),
        ([1, 2, 3, 4] * 5, 5),
        ([1, 2, 3, 4, 5] * 5, 1),  # a unit of five tokens
        ([5, 6, 5, 7, 5, 8, 5], 1),
    ],
)
def test_repeats_are_counted(ids: list[int], times: int) -> None:
    assert most_repeats(ids) == times


def test_what_runs_away() -> None:
    source = [*range(10, 20)]
    assert not is_degenerate(source, [*range(100, 130)])  # 30 = 2.5 * 10 + 5
    assert is_degenerate(source, [*range(100, 131)])
    assert not is_degenerate(source, [7, 8, 9, 9, 9])
    assert is_degenerate(source, [7, 8, 9, 9, 9, 9])
    assert is_degenerate(source, [7, 8, 9, 8, 9, 8, 9, 8, 9])
    # The source repeats itself too.
    assert not is_degenerate([3, 3, 3], [9, 9, 9, 9, 9])
    assert is_degenerate([3, 3, 3], [9, 9, 9, 9, 9, 9])


def test_limits_of_the_second_search() -> None:
    assert limited(DecodeSettings(max_extra_tokens=50)) == DecodeSettings(
        max_extra_tokens=5, no_repeat_ngram=2
    )
    given = DecodeSettings(max_extra_tokens=3, no_repeat_ngram=4)
    assert limited(given) == given


@pytest.mark.parametrize(
    ("changes", "is_replaced"),
    [
        ({}, True),
        ({"beam_size": 1}, True),
        ({"method": "sample"}, False),
        ({"odd_input": "as_is"}, False),
        ({"odd_input": "as_is", "search_again": True}, True),
    ],
)
def test_any_source_is_searched_again(changes: dict[str, Any], is_replaced: bool) -> None:
    """The source is an ordinary one: of many tokens, all different."""
    loop, other = (Hypothesis(ids, 0.0, 0.0) for ids in ((7, 7, 7, 7), (7, 8)))

    class Looping(Searcher):
        settings = DecodeSettings(**changes)

        def find_all(self, parts: Sequence[SubSegment], settings: DecodeSettings) -> Found:
            return [[loop if settings == self.settings else other] for _ in parts]

        def make_pool(self) -> Pool:
            raise NotImplementedError

        def align(
            self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[int]]
        ) -> list[list[int]]:
            raise NotImplementedError

    found = Looping().search([SubSegment([*range(10, 20)])])
    assert found == [[other if is_replaced else loop]]
