"""Models are named with their languages, and translate in processes."""

import multiprocessing
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from nmt.decoding.translator.load import load_models
from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.decoding.translator.translator import Translator
from nmt.errors import UsageError
from nmt.serving.texts import START_METHOD
from nmt.serving.worker import (
    LineTranslator,
    ModelSource,
    Process,
    check_pairs,
    model_source,
    start_workers,
    work,
)


@pytest.mark.parametrize(
    ("given", "path", "languages"),
    [
        ("runs/a", "runs/a", None),
        ("en-de=runs/a", "runs/a", ("en", "de")),
        ("deu-eng=a=b", "a=b", ("deu", "eng")),
        ("runs/en-de=x", "runs/en-de=x", None),
        ("x=y", "x=y", None),
    ],
)
def test_a_model_is_named_with_its_pair(
    given: str, path: str, languages: tuple[str, str] | None
) -> None:
    source = model_source(given, "cpu", [])
    assert (source.path, source.languages) == (Path(path), languages)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        *((f"{x}=a", "two codes of 2 or 3 small") for x in ("EN-DE", "en_de", "en-DE:deu")),
        ("en-qq=a", "qq is no ISO 639 code"),
        ("en-de=", "names no path"),
    ],
)
def test_a_pair_of_other_codes_is_refused(given: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        model_source(given, "cpu", [])


def test_each_pair_has_one_model() -> None:
    check_pairs([("a", [("en", "de")]), ("b", [("de", "en")])])
    with pytest.raises(UsageError, match="a and b are both for en-zh-hans"):
        check_pairs([("a", [("en", "de"), ("en", "zh-Hans")]), ("b", [("en", "zh-hans")])])


@pytest.mark.parametrize(
    ("changes", "most"),
    [([], 4), (["decode.beam_size=1"], 1), (["decode.method=sample"], 1)],
)
def test_there_are_as_many_candidates_as_the_beam_holds(
    tiny_run: Path, changes: list[str], most: int
) -> None:
    model, settings = load_models([tiny_run], "cpu", print, changes)
    translator = LineTranslator(model, settings, ("fr", "en"))
    assert (translator.ready.directions, translator.ready.most_candidates) == (
        (("fr", "en"),),
        most,
    )
    found = translator.translate(["sun moon", "star"], most)
    assert [len(texts) for texts in found] == [most, most]
    assert translator.translate(["sun moon"], 1) == [found[0][:1]]


def test_lines_with_marks_keep_them_in_each_candidate(tiny_run: Path) -> None:
    translator = LineTranslator(*load_models([tiny_run], "cpu", print))
    line = Marked("sun <b>moon</b>", (Mark(4, 7, Kind.OPEN), Mark(11, 15, Kind.CLOSE)))
    found = translator.translate(["sun moon", line, "star"], 3)
    assert found[0::2] == translator.translate(["sun moon", "star"], 3)
    assert 1 <= len(found[1]) <= 3
    for text in found[1]:
        assert isinstance(text, Marked)
        assert text.mark_texts() == ["<b>", "</b>"]
    assert translator.translate([line], 1) == [found[1][:1]]


def test_an_engine_translates_as_it_does_for_nmt_translate(tiny_run: Path) -> None:
    pytest.importorskip("ctranslate2")
    model, settings = load_models([tiny_run], "cpu", print, engine="ctranslate2")
    lines = ["sun moon", "star rain tree", "leaf"]
    expected = [found.text for found in Translator(model, settings, print).translate(lines)]
    assert LineTranslator(model, settings).translate(lines, 1) == [[text] for text in expected]


def test_a_new_process_loads_the_model(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a GPU and for an engine; other processes are copies of the server."""
    monkeypatch.setattr(ModelSource, "can_share", False)
    with ExitStack() as stack:
        (worker,), ready = start_workers(model_source(str(tiny_run), "cpu", []), 4, stack)
        assert ready.directions == (("en", "de"),)
        worker.connection.send((["sun moon", "star"], 2, ["de", "de"]))
        found = worker.connection.recv()
        assert [len(texts) for texts in found] == [2, 2]
    assert not [x for x in multiprocessing.active_children() if x.pid == worker.process_id]


def test_a_model_that_cannot_be_loaded_is_told_to_the_server() -> None:
    process = Process(START_METHOD, work, model_source("none", "cpu", []))
    assert str(process.connection.recv()).startswith("the model none does not exist")
    process.end()


@dataclass
class Late:
    """Stands for a model that is loaded only when the server has ended."""

    has_ended: Event

    @property
    def ready(self) -> str:
        self.has_ended.wait(60)
        return "ready"


def test_a_process_that_is_ready_after_the_end_of_the_server_ends_without_an_error() -> None:
    has_ended = multiprocessing.get_context(START_METHOD).Event()
    process = Process(START_METHOD, work, Late(has_ended))
    process.connection.close()
    has_ended.set()
    process._process.join(60)
    assert process._process.exitcode == 0
