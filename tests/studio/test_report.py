"""What a report says of a run: its history, its training text, and what is missing or damaged."""

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from nmt.config import SECTIONS, TextFiles
from nmt.errors import NmtError
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from nmt.runs.runs import distinct_names
from nmt.studio.report import (
    LONGEST,
    read_corpora,
    recipe_data,
    render_report,
    run_data,
    stored_parameters,
    try_write_report,
)
from nmt.text.subwords.tokenizer import load_tokenizer
from tests.conftest import Run


def test_data_has_the_documented_form(run: RunFolder) -> None:
    """Programs read the data of pages, so that names and types must stay."""
    (run.path / "card.json").write_text('{"evaluation_card": 1, "date": "2026-11-25"}')
    data = json.loads(json.dumps(run_data(run, "name")))
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    average = lines[-1]
    kinds = {kind: [line for line in lines if line["kind"] == kind] for kind in ("train", "dev")}
    assert {key: data[key] for key in ("name", "recipe", "measure", "languages")} == {
        "name": "name",
        "recipe": "tiny",
        "measure": "BLEU",
        "languages": ["en", "de"],
    }
    assert (data["updates"], data["epochs"], data["skipped"]) == (12, average["epoch"], 0)
    assert data["seconds"] == average["seconds"]
    assert data["average"] == {
        "update": 12,
        "loss": average["loss"],
        "perplexity": average["perplexity"],
        "score": average["bleu"],
    }
    assert data["best"].keys() == data["average"].keys()
    assert data["best"]["score"] == max(line["bleu"] for line in kinds["dev"])
    assert {kind: [*figures] for kind, figures in data["curves"].items()} == {
        "train": ["loss", "perplexity", "learning_rate", "tokens_per_second", "gradient_norm"],
        "dev": ["loss", "perplexity", "score"],
        "directions": [],
    }
    for kind, found in data["curves"].items():
        for figure, curve in found.items():
            values = [line["bleu" if figure == "score" else figure] for line in kinds[kind]]
            assert curve["updates"] == [line["update"] for line in kinds[kind]]
            assert curve["values"] == pytest.approx(values, rel=1e-5)
    assert data["findings"] == []
    assert data["samples"] == [
        {"update": line["update"], "kind": line["kind"], "samples": line["samples"]}
        for line in [*kinds["dev"], average]
    ]
    assert data["paper"].keys() == {"row", "deviations"}
    assert data["settings"].keys() == SECTIONS.keys()
    assert data["settings"]["model"]["d_ff"] == "32"
    (corpus,) = data["corpus"]
    assert corpus.keys() == {
        *("files", "kept", "dropped", "source_tokens", "target_tokens"),
        *("source_lengths", "target_lengths", "languages"),
    }
    assert data["cards"] == [{"file": "card.json", "evaluation_card": 1, "date": "2026-11-25"}]


def test_findings_are_those_of_the_diagnosis(run: RunFolder) -> None:
    """The training loss falls, and the dev loss rises, after ever worse scores."""
    lines: list[dict[str, object]] = [
        {"kind": "train", "update": update, "perplexity": math.exp(6 - update / 250)}
        for update in range(50, 1001, 50)
    ]
    lines += [
        {"kind": "dev", "update": x, "epoch": 20, "loss": 1, "perplexity": x, "bleu": 20 - x}
        for x in (200, 400, 600)
    ]
    run.metrics.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    findings = run_data(run, "name")["findings"]
    assert [found["kind"] for found in findings if found["severity"] == "warning"] == [
        "overfitting"
    ]


def test_deviations_from_the_paper_have_section_and_meaning() -> None:
    assert recipe_data(load_recipe("wmt14_en_de_base"))["paper"]["deviations"] == []
    changed = load_recipe("wmt14_en_de_base", ["model.heads=4", "train.r_drop=5"])
    heads, drop = recipe_data(changed)["paper"]["deviations"]
    assert heads.keys() == {"setting", "value", "paper", "source", "meaning"}
    assert (heads["setting"], heads["value"], heads["source"]) == (
        *("model.heads", "4", "section 3.2.2"),
    )
    assert "section 3.2.2" in heads["meaning"]
    assert drop["source"] is None


def test_parameters_are_those_of_the_model(run: RunFolder) -> None:
    attention, feed_forward, norm = 4 * 16 * 16, 2 * 16 * 32 + 32 + 16, 2 * 16
    encoder = attention + feed_forward + 2 * norm
    decoder = 2 * attention + feed_forward + 3 * norm
    assert stored_parameters(run) == 40 * 16 + encoder + decoder
    for name in ("model", "best"):
        (run.path / f"{name}.safetensors").unlink()
    assert stored_parameters(run) is None


def test_damaged_lines_and_cards_are_noted_and_left_out(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.path / "other.json").write_text('{"a": 1}')  # no card
    before = run_data(run, "name")
    with run.metrics.open("a") as stream:
        stream.write('{"kind": "dev", "upd\n')
    broken = ["{", "[1]"]
    for number, text in enumerate(broken):
        (run.path / f"broken{number}.json").write_text(text)
    assert run_data(run, "name") == before
    notes = capsys.readouterr().err.splitlines()
    assert notes[0] == f"{run.metrics}: damaged lines left out: 1"
    assert [f"broken{number}.json" in note for number, note in enumerate(notes[1:])] == [
        True for _ in broken
    ]
    assert all(len(note) < 400 for note in notes)
    render_report([run])


def test_an_unreadable_card_is_named_and_a_pipe_is_no_card(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(run.path / "pipe.json")
    (run.path / "folder.json").mkdir()
    memory = Path("/proc/self/mem")
    if memory.exists():
        (run.path / "memory.json").symlink_to(memory)
    assert run_data(run, "name")["cards"] == []
    notes = capsys.readouterr().err.splitlines()
    assert all("memory.json: Input/output error" in note for note in notes)
    assert len(notes) == memory.exists()


def test_a_folder_that_is_not_a_run_is_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"not a run folder.*recipe\.toml"):
        run_data(RunFolder(tmp_path), "name")
    run.metrics.write_text("")
    with pytest.raises(NmtError, match=r"metrics\.jsonl.*nmt train"):
        run_data(run, "name")


def test_pairs_tokens_and_lengths_are_counted(run: RunFolder, tiny_run: Path) -> None:
    (corpus,), problems = read_corpora(run.load_recipe(), run)
    tokenizer = load_tokenizer(run.tokenizer)
    for side, name in (("src", "source"), ("tgt", "target")):
        lines = (tiny_run.parents[1] / f"train.{side}").read_text().splitlines()
        encoded = tokenizer.source.encode(lines)
        lengths = corpus[f"{name}_lengths"]
        assert corpus[f"{name}_tokens"] == sum(map(len, encoded))
        assert len(lengths) == LONGEST + 1
        assert lengths[5] == sum(len(ids) == 5 for ids in encoded)
    assert (corpus["files"], corpus["kept"]) == ("train.src + train.tgt", 120)
    assert corpus["dropped"] == {"empty": 0, "too_long": 0, "ratio": 0}
    assert problems == []


def test_the_tokenizer_may_be_much_smaller_than_vocab_size(nmt: Run, tiny: Path) -> None:
    """Shards with fewer than 65,537 tokens have 16-bit ids, whatever the recipe allows."""
    settings = ("--set", "tokenizer.kind=word", "--set", "tokenizer.vocab_size=70000")
    assert nmt("prepare", tiny, *settings).code == 0
    run = RunFolder(Path("runs/tiny"))
    (corpus,), problems = read_corpora(run.load_recipe(), run)
    assert problems == []
    assert corpus["source_tokens"] == len(Path("train.src").read_text().split())


@pytest.mark.parametrize("damage", ["missing", "decreasing"])
def test_a_damaged_shard_is_named(run: RunFolder, damage: str) -> None:
    ids, offsets = (run.prepared / f"train-0.{ending}" for ending in ("ids", "offsets"))
    if damage == "missing":
        ids.unlink()
    else:
        numbers = numpy.fromfile(offsets, "<i8")
        numbers[1:-1] = numbers[1:-1][::-1].copy()
        numbers.tofile(offsets)
    corpora, (problem,) = read_corpora(run.load_recipe(), run)
    assert corpora == []
    assert "train.src + train.tgt" in problem
    assert str(run.prepared / "train-0") in problem


def test_other_corpora_are_counted_when_one_is_missing(run: RunFolder) -> None:
    recipe = run.load_recipe()
    two = replace(recipe.data, train=(*recipe.data.train, TextFiles(tsv="more.tsv")))
    corpora, (problem,) = read_corpora(replace(recipe, data=two), run)
    assert [corpus["files"] for corpus in corpora] == ["train.src + train.tgt"]
    assert "more.tsv" in problem


def test_without_prepared_text_there_is_a_note(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(run.prepared)
    run.tokenizer.unlink()
    data = run_data(run, "name")
    notes = capsys.readouterr().err.splitlines()
    assert data["corpus"] == []
    assert data["corpus_problems"] == notes
    assert [str(run.tokenizer) in note for note in notes] == [True]


def test_a_page_of_several_runs_names_all(run: RunFolder, tiny_run: Path) -> None:
    page = render_report([run, RunFolder(tiny_run)])
    assert "<title>Report of copy and tiny</title>" in page
    assert "Report of 2 runs" in page
    assert distinct_names([Path("a/run")]) == ["run"]
    assert distinct_names([Path("a/run"), Path("b/run"), Path("b/other")]) == [
        *("a/run", "b/run", "b/other"),
    ]
    assert distinct_names([Path("a/run"), Path("a/b/../run")]) == ["run", "run"]


@pytest.mark.parametrize("error", [RecursionError("deep"), ValueError("a\nb"), None])
def test_a_report_that_fails_is_a_note(
    run: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception | None,
) -> None:
    """The training that asks for it has succeeded."""

    def fail(*arguments: object) -> None:
        assert error
        raise error

    run.report.unlink()
    if error:
        monkeypatch.setattr("nmt.studio.report.run_data", fail)
    else:
        run.report.mkdir()
    try_write_report(run)
    (line,) = capsys.readouterr().err.splitlines()
    assert "no report was written" in line
    assert (type(error).__name__ if error else str(run.report)) in line
    if not error:
        run.report.rmdir()
        try_write_report(run)
        assert run.report.read_text(encoding="utf-8").startswith("<!doctype html>")
