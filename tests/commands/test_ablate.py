"""`nmt ablate` on the tiny corpus: its results, its runs, the dry run, and what it refuses."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from nmt.runs.model_file import read_model
from nmt.runs.run_folder import RunFolder
from tests.commands.conftest import leftovers
from tests.conftest import Run
from tests.training.conftest import assert_same, read_metrics

NAMES = ["base", "model.d_ff=64", "train.label_smoothing=0.2"]
VARY = ("--vary", "model.d_ff=64")


def read_results(output: Path) -> dict[str, Any]:
    """Return the content of ablation.json."""
    found: dict[str, Any] = json.loads((output / "ablation.json").read_text(encoding="utf-8"))
    return found


def rows(table: str) -> list[list[str]]:
    """Return the cells of the first table, its head first."""
    lines = table[table.index("| variant") :].split("\n\n", maxsplit=1)[0].splitlines()
    return [line.strip("| ").split(" | ") for line in (lines[0], *lines[2:])]


def test_results_are_those_of_the_runs(ablation: Path) -> None:
    """What the table and the differences make of them is tested in tests/studio."""
    content = read_results(ablation)
    assert [variant["name"] for variant in content["variants"]] == NAMES
    losses: dict[str, list[float]] = {}
    for variant in content["variants"]:
        for run in variant["runs"]:
            lines = read_metrics(ablation / run["folder"])
            last, dev = lines[-1], [line for line in lines if line["kind"] == "dev"]
            assert (run["state"], last["kind"]) == ("finished", "average")
            shown = [run["average"][name] for name in ("loss", "perplexity", "score")]
            assert shown == [last[name] for name in ("loss", "perplexity", "bleu")]
            assert run["curves"]["loss"]["updates"] == [6, 12]
            assert run["curves"]["loss"]["values"] == pytest.approx(
                [line["loss"] for line in dev], rel=1e-5
            )
            assert run["minutes"] == last["seconds"] / 60
            losses.setdefault(variant["name"], []).append(last["loss"])
        assert losses[variant["name"]][0] != losses[variant["name"]][1]
        assert variant["summary"]["loss"]["mean"] == fmean(losses[variant["name"]])
        weights = read_model(ablation / variant["folder"] / "seed-1" / "model.safetensors").weights
        assert variant["parameters"] == sum(weight.size for weight in weights.values())
    table = (ablation / "ablation.md").read_text(encoding="utf-8")
    assert [row[0].partition(" ")[0].strip("`") for row in rows(table)[1:]] == NAMES
    assert "compare perplexity" in table  # because label smoothing varies
    assert "--vary model.d_ff=32,64" in table
    assert table.count("| finished |") == 6


def test_a_run_equals_that_of_train(nmt: Run, ablation: Path, tmp_path: Path) -> None:
    """The models are equal bit for bit, and all runs share one prepared corpus."""
    run, recipe = tmp_path / "run", ablation.parent / "tiny.toml"
    options = ["--data-dir", ablation.parent, "--run", run, "--set", "model.d_ff=64", "--seed", 2]
    assert nmt("train", recipe, *options).code == 0
    assert_same(run / "model.safetensors", ablation / NAMES[1] / "seed-2" / "model.safetensors")
    assert {path.name for path in run.iterdir()} == {
        path.name for path in (ablation / NAMES[1] / "seed-2").iterdir()
    }
    shards = [*ablation.glob("*/seed-*/prepared/train-0.ids")]
    assert len(shards) == 6
    assert len({path.stat().st_ino for path in shards}) == 1
    assert leftovers(ablation) == []


def test_dry_run_lists_the_runs(nmt: Run, tiny: Path) -> None:
    grid = ("--grid", "--vary", "model.d_ff=32,64", "--vary", "model.heads=1,2")
    listed = nmt("ablate", tiny, *grid, "--seeds", "5,6", "--output", "out", "--dry-run")
    assert (listed.code, listed.err) == (0, "")
    lines = [line.split("\t") for line in listed.out.splitlines()]
    assert len(lines) == 2 * 2 * 2
    assert lines[0] == ["out/base/seed-5", "base"]
    assert ["out/model.d_ff=64,model.heads=1/seed-6", "model.d_ff=64 model.heads=1"] in lines
    assert not Path("out").exists()
    listed = nmt("ablate", tiny, "--vary", "decode.beam_size=1,2", "--dry-run")
    assert (listed.code, listed.err.count("\n")) == (0, 1)
    assert "nmt evaluate SOURCE REFERENCE --set decode.beam_size=VALUE" in listed.err


def test_an_unsuitable_corpus_is_refused_before_any_training(nmt: Run, tiny: Path) -> None:
    refused = nmt("ablate", tiny, "--vary", "tokenizer.vocab_size=30000", "--output", "out")
    assert refused.code == 1
    assert "nmt: tokenizer.vocab_size=30000, seed 1: " in refused.err
    assert not [*Path("out").rglob("metrics.jsonl")]


def test_a_dry_run_of_started_runs_checks_their_settings(nmt: Run, ablation: Path) -> None:
    data = ablation.parent
    command = ["ablate", data / "tiny.toml", "--data-dir", data, "--output", ablation, "--dry-run"]
    assert nmt(*command, *VARY).code == 0
    for options, fact in (
        (("--set", "train.warmup_updates=99"), "name a new folder (--output)"),
        (("--max-updates", 2), "updates, more than train.max_updates=2; give --max-updates"),
    ):
        refused = nmt(*command, *VARY, *options)
        assert (refused.code, refused.out) == (1, "")
        assert fact in refused.err


def test_a_run_folder_a_busy_folder_and_torchrun_are_refused(
    nmt: Run, tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = nmt("ablate", tiny, *VARY, "--output", tiny_run)
    assert refused.code == 2
    assert "is a run folder" in refused.err
    with RunFolder(Path("out")).lock():
        refused = nmt("ablate", tiny, *VARY, "--output", "out")
    assert refused.code == 1
    assert "another nmt process is using out" in refused.err
    assert "--output" in refused.err
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused = nmt("ablate", tiny, *VARY)
    assert refused.code == 2
    assert "without torchrun" in refused.err
