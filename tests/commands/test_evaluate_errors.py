"""`nmt evaluate` with data.metric=error_rate: tasks whose outputs are right or wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from nmt.runs.model_file import read_model
from tests.commands.conftest import write
from tests.conftest import Run
from tests.training.conftest import read_metrics


def scored(nmt: Run, *arguments: object) -> dict[str, Any]:
    """Return the scores on the only test set of an evaluation."""
    result = nmt("evaluate", *arguments, "--json")
    assert result.code == 0, result.err
    found: dict[str, Any]
    (found,) = json.loads(result.out)["results"]
    return found


def values(result: dict[str, Any]) -> list[float]:
    """Return the values of the scores."""
    return [each["value"] for each in result["scores"].values()]


def test_error_rates_of_files_by_hand(nmt: Run, tmp_path: Path) -> None:
    """Compared with the nearest references, 1 of 3, 0 of 4 and 2 of 2 tokens are wrong.

    A blank line in the second file is not a reference.
    """
    first = write(tmp_path / "first", "K AE T", "D AO G Z", "B IY")
    second = write(tmp_path / "second", "", "D AA G Z", "")
    outputs = write(tmp_path / "out", "K AE D", "D AA G Z", "EH L")
    options = ["--hypotheses", outputs, "--metric", "error_rate"]
    result = scored(nmt, *options, first, second)
    assert values(result) == pytest.approx([100 * 3 / 9, 100 * 2 / 3])
    assert result["references"] == 2
    signatures = [each["signature"] for each in result["scores"].values()]
    assert all(each.startswith("nrefs:var|") for each in signatures)
    assert values(scored(nmt, *options, first)) == pytest.approx([100 * 4 / 9, 100])
    text = nmt("evaluate", *options, first, second).out
    assert "  token error rate     33.33  nrefs:var|unit:token|ref:nearest|version:nmt-" in text
    better = scored(nmt, *options, first, second, "--compare", first)["compared"][0]
    assert better["scores"]["token error rate"]["difference"] == pytest.approx(-100 / 3)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hypotheses", "x", "x", "--metric", "error_rate", "--lowercase"],
        ["--hypotheses", "x", "x", "--metric", "wer"],
        ["--metric", "error_rate"],
    ],
)
def test_options_that_exclude_each_other_are_refused(
    nmt: Run, tmp_path: Path, arguments: list[str]
) -> None:
    write(tmp_path / "x", "A")
    refused = nmt("evaluate", *arguments)
    assert (refused.code, refused.out) == (2, "")


@pytest.fixture
def spelled(tiny: Path) -> Path:
    """Return a recipe of the tiny corpus as symbols, scored by error rates.

    Each dev source is there twice, the second time with a wrong target.
    """
    for name in ("train", "dev"):
        sides = [Path(f"{name}.{side}").read_text().splitlines() for side in ("src", "tgt")]
        rows = [f"{source}\t{target}" for source, target in zip(*sides, strict=True)]
        if name == "dev":
            rows += [f"{source}\tNONE" for source in sides[0]]
        write(Path(f"{name}.tsv"), *rows)
    text = tiny.read_text().replace("vocab_size = 40", 'kind = "word"\nvocab_size = 40')
    head, _, tail = text.partition("\n\n[tokenizer]")
    assert head.startswith("\n[data]")
    data = """[data]
train = [{ tsv = "train.tsv" }]
dev = [{ tsv = "dev.tsv" }]
test.spelled = { tsv = "dev.tsv" }
metric = "error_rate"
"""
    tail = tail.replace("[train]", '[train]\nearly_stopping_metric = "error_rate"')
    tiny.write_text(f"{data}\n[tokenizer]{tail}")
    return tiny


def test_evaluation_and_validation_give_the_same_rate(nmt: Run, spelled: Path) -> None:
    """The best model has the lowest rate, and its dev score is what evaluate prints."""
    settings = ["train.validate_updates=20", "model.dropout=0", "train.warmup_updates=40"]
    settings += ["train.learning_rate_scale=2"]
    options = [part for setting in settings for part in ("--set", setting)]
    trained = nmt("train", spelled, "--max-updates", 100, *options)
    assert trained.code == 0, trained.err
    lines = read_metrics(Path("runs/tiny"))
    dev = [line for line in lines if line["kind"] == "dev"]
    rates = [line["token_error_rate"] for line in dev]
    assert len({*rates}) > 1
    best = min(dev, key=lambda line: line["token_error_rate"])
    assert read_model(Path("runs/tiny/best.safetensors")).updates == (best["update"],)
    assert f"dev token error rate {best['token_error_rate']:.2f} at update" in trained.err
    result = scored(nmt, "--model", "runs/tiny/best.safetensors")
    assert values(result)[0] == best["token_error_rate"]
    distinct = {*Path("dev.src").read_text().splitlines()}
    assert (result["segments"], result["lines"]) == (len(distinct), 20)
    assert result["references"] >= 2


def test_a_compared_file_has_a_line_for_each_line_of_the_test_set(nmt: Run, spelled: Path) -> None:
    """Sources that occur twice are scored once, but files have a line for each occurrence."""
    assert nmt("train", spelled).code == 0
    sources = [line.split("\t")[0] for line in Path("dev.tsv").read_text().splitlines()]
    targets = [line.split("\t")[1] for line in Path("dev.tsv").read_text().splitlines()]
    write(Path("sources"), *sources)
    assert nmt("translate", "sources", "--output", "own").code == 0
    write(Path("right"), *targets)
    result = scored(nmt, "--compare", "own", "--compare", "right")
    own, right = result["compared"]
    assert values(own) == values(result)
    assert [each["p_value"] for each in own["scores"].values()] == [1, 1]
    assert values(right) == [0, 0]


def test_settings_that_contradict_each_other_are_refused(nmt: Run, spelled: Path) -> None:
    refused = nmt("train", spelled, "--set", "train.early_stopping_metric=bleu")
    assert refused.code == 1
    assert "train.early_stopping_metric to error_rate or loss" in refused.err
    refused = nmt("prepare", spelled, "--set", "train.bpe_dropout=0.1")
    assert refused.code == 1
    assert "train.bpe_dropout needs tokenizer.kind=bpe" in refused.err
    assert "tokenizer.kind=word" in refused.err
    assert nmt("prepare", spelled, "--set", "train.early_stopping_metric=loss").code == 0
    assert not Path("runs/tiny/recipe.toml.partial").exists()


def test_fine_tuning_needs_the_tokenizer_of_the_initial_model(nmt: Run, spelled: Path) -> None:
    """Its vocabulary of 24 symbols may be smaller than the 40 that the recipe allows."""
    assert nmt("train", spelled, "--max-updates", 2).code == 0
    again = ["--init-from", "runs/tiny", "--run", "again", "--max-updates", 2]
    assert nmt("train", spelled, *again).code == 0
    refused = nmt("train", spelled, *again[:2], "--run", "x", "--set", "tokenizer.vocab_size=20")
    assert refused.code == 1
    assert "it has tokenizer.vocab_size=24, the recipe tokenizer.vocab_size=20" in refused.err
    refused = nmt("train", spelled, *again[:2], "--run", "x", "--set", "tokenizer.kind=char")
    assert refused.code == 1
    assert "it has tokenizer.kind=word, the recipe tokenizer.kind=char" in refused.err


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        (["--hypotheses", "x", "x", "--device", "cpu"], "--device needs a model"),
        (["--hypotheses", "x", "x", "--engine", "ctranslate2"], "--engine needs a model"),
        (["--hypotheses", "x", "x", "--data-dir", "."], "--data-dir is the folder of the recipe"),
        (["x", "x", "--data-dir", "."], "--data-dir is the folder of the recipe"),
        (["--test-set", "wmt14", "--data-dir", "."], "--data-dir is the folder of the recipe"),
    ],
)
def test_options_without_an_effect_are_refused(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], fact: str
) -> None:
    write(Path("x"), "a")
    monkeypatch.setenv("NMT_DATA_DIR", str(tmp_path))
    refused = nmt("evaluate", *options)
    assert (refused.code, refused.out) == (2, "")
    assert fact in refused.err
    assert nmt("evaluate", "--hypotheses", "x", "x").code == 0
