"""Models are named with their languages, and translate in one process."""

from pathlib import Path

import pytest

from nmt.decoding.translator.load import load_models
from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.errors import UsageError
from nmt.serving.line_translator import LineTranslator, check_pairs, model_source


@pytest.mark.parametrize(
    ("given", "path", "languages"),
    [
        ("runs/a", "runs/a", None),
        ("en-de=runs/a", "runs/a", ("en", "de")),
        ("deu-eng=a=b", "a=b", ("deu", "eng")),
        ("runs/en-de=x", "runs/en-de=x", None),
        ("x=y", "x=y", None),
    ],
    ids=["path", "pair", "equals", "folder", "no-pair"],
)
def test_a_model_is_named_with_its_pair(
    given: str, path: str, languages: tuple[str, str] | None
) -> None:
    source = model_source(given, "cpu", [])
    assert (source.path, source.languages) == (Path(path), languages)


def test_a_pair_may_name_a_language_token() -> None:
    source = model_source("en-de:deu=a", "cpu", ["decode.beam_size=2"])
    assert source.languages == ("en", "de")
    assert source.overrides == ("decode.beam_size=2", 'decode.target_token="deu"')
    with pytest.raises(UsageError, match="qq is no ISO 639 code"):
        model_source("en-qq=a", "cpu", [])


@pytest.mark.parametrize("pair", ["EN-DE", "en-zh-Hans", "en_de", "en-pt-br", "en-DE:deu"])
def test_a_pair_of_other_codes_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="two codes of 2 or 3 small letters"):
        model_source(f"{pair}=runs/a", "cpu", [])


def test_each_pair_has_one_model() -> None:
    check_pairs([("en", "de"), ("de", "en")], ["a", "b"])
    with pytest.raises(UsageError, match="a and b are both for en-de"):
        check_pairs([("en", "de"), ("en", "de")], ["a", "b"])
    with pytest.raises(UsageError, match="a and b are both for en-zh-hans"):
        check_pairs([("en", "zh-Hans"), ("en", "zh-hans")], ["a", "b"])


@pytest.mark.parametrize(
    ("changes", "most"),
    [([], 4), (["decode.beam_size=1"], 1), (["decode.method=sample"], 1)],
    ids=["beam", "greedy", "sample"],
)
def test_there_are_as_many_candidates_as_the_beam_holds(
    tiny_run: Path, changes: list[str], most: int
) -> None:
    model, settings = load_models([tiny_run], "cpu", print, changes)
    translator = LineTranslator(model, settings, ("fr", "en"))
    assert (translator.ready.languages, translator.ready.most_candidates) == (("fr", "en"), most)
    found = translator.translate(["sun moon", "star"], most)
    assert [len(each) for each in found] == [most, most]
    assert translator.translate(["sun moon"], 1) == [found[0][:1]]


def test_lines_with_marks_keep_them_in_each_candidate(tiny_run: Path) -> None:
    model, settings = load_models([tiny_run], "cpu", print)
    translator = LineTranslator(model, settings)
    line = Marked("sun <b>moon</b>", (Mark(4, 7, Kind.OPEN), Mark(11, 15, Kind.CLOSE)))
    found = translator.translate(["sun moon", line, "star"], 3)
    assert found[0::2] == translator.translate(["sun moon", "star"], 3)
    assert 1 <= len(found[1]) <= 3
    for each in found[1]:
        assert isinstance(each, Marked)
        assert each.mark_texts() == ["<b>", "</b>"]
    assert translator.translate([line], 1) == [found[1][:1]]
