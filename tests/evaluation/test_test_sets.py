"""Test sets: those of sacreBLEU by name, and warnings about texts that are not what was meant."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from sacrebleu.dataset import DATASETS

from nmt.evaluation import test_sets  # pytest would collect an imported TestSet
from nmt.evaluation.test_sets import output_warnings, reference_warnings
from tests.commands.conftest import write
from tests.conftest import Run


def a_set(sources: Sequence[str], *references: str) -> test_sets.TestSet:
    """Return a test set named "t" with one reference for each segment."""
    return test_sets.TestSet.of("t", sources, [(reference,) for reference in references])


def test_references_that_are_all_blank() -> None:
    test = a_set(["a", "b"], "", " \t")
    assert reference_warnings(test) == ["every reference of t is blank: the scores are meaningless"]
    assert output_warnings(test, "out", ["x", "y"]) == []


def test_a_second_reference_may_be_blank() -> None:
    test = test_sets.TestSet.of("t", [], [("a", ""), ("", "b")])
    assert reference_warnings(test) == []
    assert output_warnings(test, "out", ["x", "y"]) == []


def test_blank_lines_on_one_side_are_counted() -> None:
    test = a_set(["a", "", "", "b"], "A", "B", "C", " ")
    assert reference_warnings(test) == [
        "t: sources blank where the reference is not: 2 (first: line 2)",
        "t: references blank where the source is not: 1 (first: line 4)",
    ]
    # The blank translations of blank sources are right.
    assert output_warnings(test, "out", ["", "", "", "x"]) == [
        "t: translations of out blank where the reference is not: 1 (first: line 1)"
    ]


def test_blank_lines_without_sources() -> None:
    test = a_set([], "A", "", "C")
    assert reference_warnings(test) == []
    assert output_warnings(test, "out", ["x", "y", ""]) == [
        "t: references blank where the translation of out is not: 1 (first: line 2)",
        "t: translations of out blank where the reference is not: 1 (first: line 3)",
    ]


def test_blank_translations() -> None:
    test = a_set([], "A", "B")
    assert output_warnings(test, "out", ["", " "]) == ["t: every translation of out is blank"]


def test_texts_that_equal_the_sources() -> None:
    test = a_set(["a", "b"], "A", "b")
    assert reference_warnings(test) == []
    assert output_warnings(test, "out", ["a", "b"]) == [
        "t: every translation of out equals its source"
    ]
    assert output_warnings(test, "out", ["a", "B"]) == []
    same = a_set(["a", "b"], "a", "b")
    assert reference_warnings(same) == [
        "t: every reference equals its source: is the file of references the right one?"
    ]


SOURCES = ["The first line.", "A second one.", "And a third, the last."]


REFERENCES = ["Die erste Zeile.", "Eine zweite.", "Und eine dritte, die letzte."]


HYPOTHESES = ["Die erste Linie.", "Eine zweite.", "Und dritte, letzte."]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which sacreBLEU finds wmt14/full, as after a download."""
    sets = tmp_path / "sacrebleu"
    full = sets / "wmt14" / "full"
    (full / "raw").mkdir(parents=True)
    for field in ("src", "ref", "docid", "genre", "origlang"):
        lines = {"src": SOURCES, "ref": REFERENCES}.get(field, ["x"] * len(SOURCES))
        write(full / f"wmt14_full.en-de.{field}", *lines)
    write(tmp_path / "hyp", *HYPOTHESES)
    monkeypatch.setattr("sacrebleu.utils.SACREBLEU_DIR", str(sets))
    monkeypatch.setattr(DATASETS["wmt14/full"], "_outdir", str(full))
    monkeypatch.setattr(DATASETS["wmt14/full"], "_rawdir", str(full / "raw"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr("urllib.request._opener", None)  # it keeps the proxies of its first use
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_test_set_of_sacrebleu_is_that_of_its_files() -> None:
    test = test_sets.sacrebleu_test("wmt14/full", "en-de")
    assert (test.name, test.sources) == ("wmt14/full en-de", SOURCES)
    assert test.references == [(text,) for text in REFERENCES]


@pytest.mark.usefixtures("folder")
def test_the_default_language_pair_is_that_of_the_recipe(nmt: Run, skilled_run: Path) -> None:
    result = nmt("evaluate", "--model", skilled_run, "--test-set", "wmt14/full")
    assert result.code == 0, result.err
    assert "wmt14/full en-de (3 segments)\n" in result.out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("options", "code", "fact"),
    [
        (["wmt14/ful", "--language-pair", "en-de"], 2, "did you mean 'wmt14/full'?"),
        (["wmt14/full", "--language-pair", "en-xx"], 2, "not for 'en-xx'"),
        (["wmt14/full"], 2, "needs --language-pair"),
        (["wmt14/full", "--language-pair", "en-de", "ref"], 2, "REFERENCE"),
        (["wmt14/full", "--test-set", "wmt15"], 2, "name one --test-set"),
        (["wmt14/full", "--language-pair", "de-en"], 1, "check the network"),
    ],
)
def test_an_unavailable_test_set_gets_one_message(
    nmt: Run, options: list[str], code: int, fact: str
) -> None:
    result = nmt("evaluate", "--hypotheses", "hyp", "--test-set", *options)
    assert (result.code, result.out) == (code, "")
    assert fact in result.err
    assert result.err.startswith("nmt: ")
    assert result.err.count("\n") == 1


def test_an_incomplete_download_is_reported_with_its_folder(nmt: Run, folder: Path) -> None:
    full = folder / "sacrebleu" / "wmt14" / "full"
    write(full / "raw" / "wmt14_full.test-full.tgz", "junk")
    options = ["--test-set", "wmt14/full", "--language-pair", "de-en"]
    result = nmt("evaluate", "--hypotheses", "hyp", *options)
    assert (result.code, result.out) == (1, "")
    assert f"remove {full}" in result.err
