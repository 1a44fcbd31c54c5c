"""The data and the HTML of a report."""

import json
from pathlib import Path

import pytest

from nmt.artifacts.run_folder import RunFolder
from nmt.config import SECTIONS
from nmt.recipe import load_recipe
from nmt.studio.report.data import paper_data, run_data
from nmt.studio.report.page import distinct_names, render_report, try_write_report


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
        {"kind": "train", "update": 1, "loss": "low", "epoch": float("nan")},
        {"kind": "dev", "update": 99, "loss": float("inf"), "bleu": "high", "samples": [1]},
    ]
    with run.metrics.open("a") as stream:
        stream.write('{"kind": "dev", "upd\n')
        stream.writelines(json.dumps(line) + "\n" for line in strange)
    data = json.loads(json.dumps(run_data(run, "name", lambda _: None)))
    assert data["updates"] == 99
    assert data["epochs"] is None
    assert data["curves"]["train"]["loss"]["updates"][:2] == [1, 2]
    assert data["curves"]["train"]["loss"]["values"][0] is None
    assert len(data["samples"]) == 3
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
