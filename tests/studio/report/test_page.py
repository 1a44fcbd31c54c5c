"""The data and the HTML of a report."""

import json
from pathlib import Path

import pytest

from nmt.config import SECTIONS
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from nmt.studio.report.data import paper_data, run_data
from nmt.studio.report.page import distinct_names, render_report, try_write_report
from tests.conftest import Run


def test_data_has_the_documented_form(run: RunFolder) -> None:
    """Programs read the data of pages, so that names and types must stay."""
    (run.path / "card.json").write_text('{"evaluation_card": 1, "date": "2026-11-25"}')
    data = json.loads(json.dumps(run_data(run, "name")))
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    average = lines[-1]
    dev = [line for line in lines if line["kind"] == "dev"]
    assert {key: data[key] for key in ("name", "recipe", "measure", "languages")} == {
        "name": "name",
        "recipe": "tiny",
        "measure": "BLEU",
        "languages": ["en", "de"],
    }
    assert (data["updates"], data["epochs"], data["skipped"]) == (12, average["epoch"], 0)
    assert data["seconds"] == average["seconds"]
    assert isinstance(data["parameters"], int)
    assert data["average"] == {
        "update": 12,
        "loss": average["loss"],
        "perplexity": average["perplexity"],
        "score": average["bleu"],
    }
    assert data["best"].keys() == data["average"].keys()
    assert {kind: [*figures] for kind, figures in data["curves"].items()} == {
        "train": ["loss", "perplexity", "learning_rate", "tokens_per_second", "gradient_norm"],
        "dev": ["loss", "perplexity", "score"],
    }
    assert data["curves"]["dev"]["loss"]["updates"] == [6, 12]
    assert data["curves"]["dev"]["loss"]["values"] == pytest.approx(
        [line["loss"] for line in dev], rel=1e-5
    )
    assert data["findings"] == []
    assert data["samples"] == [
        {"update": line["update"], "kind": line["kind"], "samples": line["samples"]}
        for line in lines
        if line["kind"] != "train"
    ]
    assert data["paper"].keys() == {"row", "deviations"}
    assert data["paper"]["deviations"][0].keys() == {
        *("setting", "value", "paper", "source", "meaning")
    }
    assert data["settings"].keys() == SECTIONS.keys()
    assert data["settings"]["model"]["d_ff"] == "32"
    (corpus,) = data["corpus"]
    assert corpus.keys() == {
        *("files", "kept", "dropped", "source_tokens", "target_tokens"),
        *("source_lengths", "target_lengths"),
    }
    assert data["cards"] == [{"file": "card.json", "evaluation_card": 1, "date": "2026-11-25"}]


def test_damaged_metrics_still_make_a_page(run: RunFolder) -> None:
    strange = [
        {"kind": "train", "update": 1, "loss": "low", "epoch": "first"},
        {"kind": "dev", "update": 99, "loss": [], "bleu": "high", "samples": [1]},
    ]
    before = run_data(run, "name")
    with run.metrics.open("a") as stream:
        stream.write('{"kind": "dev", "upd\n')
        stream.writelines(json.dumps(line) + "\n" for line in strange)
    notes: list[str] = []
    assert run_data(run, "name", notes.append) == before
    assert notes == [
        f"{run.metrics}: damaged lines left out: 1",
        f"{run.metrics}: lines with wrong values left out: 2",
    ]
    render_report([run])


DEEP = '{"evaluation_card": 1, "kind": "dev", "update": 3, "x": ' + "[" * 900 + "]" * 900 + "}"


def test_deeply_nested_json_in_a_run_folder_is_left_out(run: RunFolder) -> None:
    """Walking through it would exceed Python's recursion limit."""
    before = run_data(run, "name")
    with run.metrics.open("a") as stream:
        stream.write(f"{DEEP}\n")
    for name, text in (("deep", DEEP), ("deeper", "[" * 100_000), ("bare", "[" * 500 + "]" * 500)):
        (run.path / f"{name}.json").write_text(text)
    notes: list[str] = []
    assert run_data(run, "name", notes.append) == before
    assert len(notes) == 4
    assert all("damaged" in note and "\n" not in note and len(note) < 400 for note in notes)
    render_report([run])


def test_deviations_from_the_paper_have_section_and_meaning() -> None:
    assert paper_data(load_recipe("wmt14_en_de_base"))["deviations"] == []
    found = paper_data(load_recipe("wmt14_en_de_base", ["model.heads=4", "train.r_drop=5"]))
    assert [(each["setting"], each["value"], each["source"]) for each in found["deviations"]] == [
        ("model.heads", "4", "section 3.2.2"),
        ("train.r_drop", "5.0", None),
    ]
    assert "section 3.2.2" in found["deviations"][0]["meaning"]


def test_markup_in_a_card_ends_no_script(run: RunFolder) -> None:
    card = {"evaluation_card": 1, "results": [{"test_set": "</script>"}]}
    before = render_report([run]).count("</script>")
    (run.path / "card.json").write_text(json.dumps(card))
    assert render_report([run]).count("</script>") == before


def test_a_page_of_two_runs_names_both(run: RunFolder, tiny_run: Path) -> None:
    page = render_report([run, RunFolder(tiny_run)])
    assert "<title>Report of copy and tiny</title>" in page
    assert "Report of 2 runs" in page


def test_runs_with_one_name_have_their_parent_folders_in_it() -> None:
    assert distinct_names([Path("a/run")]) == ["run"]
    assert distinct_names([Path("a/run"), Path("b/run"), Path("b/other")]) == [
        "a/run",
        "b/run",
        "b/other",
    ]
    assert distinct_names([Path("a/run"), Path("a/b/../run")]) == ["run", "run"]


def test_the_chart_library_has_its_licence(run: RunFolder) -> None:
    assert "Permission is hereby granted, free of charge" in render_report([run])


def test_a_report_that_cannot_be_written_is_a_note(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    run.report.unlink()
    run.report.mkdir()
    try_write_report(run)
    assert str(run.report) in capsys.readouterr().err
    run.report.rmdir()
    try_write_report(run)
    assert run.report.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("error", [RecursionError("deep"), ValueError("a\nb"), KeyError("x")])
def test_a_report_that_fails_never_fails_a_training(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("nmt.studio.report.page.run_data", fail)
    ended = nmt("train", tiny, "--max-updates", 2)
    assert ended.code == 0
    (line,) = [line for line in ended.err.splitlines() if "no report was written" in line]
    assert type(error).__name__ in line
    assert Path("runs/tiny/model.safetensors").exists()
