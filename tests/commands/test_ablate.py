"""`nmt ablate` on the tiny corpus: its figures, its table and its runs."""

from pathlib import Path
from statistics import fmean

import pytest

from nmt.runs.model_file import read_model
from tests.commands.ablations import figures, rows
from tests.commands.conftest import leftovers
from tests.conftest import Run
from tests.training.conftest import assert_same, read_metrics

NAMES = ["base", "model.d_ff=64", "train.label_smoothing=0.2"]

FIGURES = ("loss", "perplexity", "bleu")


def averages(output: Path, variant: str, seed: int) -> list[float]:
    """Return the figures of a run's average by its metrics."""
    last = read_metrics(output / variant / f"seed-{seed}")[-1]
    assert last["kind"] == "average"
    return [last[name] for name in FIGURES]


def test_figures_are_those_of_the_runs(ablation: Path) -> None:
    content = figures(ablation)
    assert [each["name"] for each in content["variants"]] == NAMES
    for variant in content["variants"]:
        by_seed = {seed: averages(ablation, variant["folder"], seed) for seed in (1, 2)}
        assert by_seed[1] != by_seed[2]
        for run in variant["runs"]:
            assert run["state"] == "finished"
            shown = [run["average"][name] for name in ("loss", "perplexity", "score")]
            assert shown == by_seed[run["seed"]]
            lines = read_metrics(ablation / run["folder"])
            dev = [line for line in lines if line["kind"] == "dev"]
            assert run["curves"]["loss"]["updates"] == [6, 12]
            assert run["curves"]["loss"]["values"] == pytest.approx(
                [line["loss"] for line in dev], rel=1e-5
            )
            assert run["minutes"] == lines[-1]["seconds"] / 60
        losses = [by_seed[seed][0] for seed in (1, 2)]
        spread = variant["summary"]["loss"]
        assert spread == {"mean": fmean(losses), "lowest": min(losses), "highest": max(losses)}
        weights = read_model(ablation / variant["folder"] / "seed-1" / "model.safetensors").weights
        assert variant["parameters"] == sum(each.size for each in weights.values())


def test_differences_are_from_the_base(ablation: Path) -> None:
    base, other, _ = figures(ablation)["variants"]
    assert base["difference"] is None
    gaps = [
        averages(ablation, NAMES[1], seed)[1] - averages(ablation, "base", seed)[1]
        for seed in (1, 2)
    ]
    assert other["difference"]["perplexity"]["mean"] == pytest.approx(fmean(gaps))
    ranges = [[averages(ablation, name, seed)[1] for seed in (1, 2)] for name in ("base", NAMES[1])]
    apart = max(ranges[0]) < min(ranges[1]) or max(ranges[1]) < min(ranges[0])
    assert other["difference"]["perplexity"]["overlaps"] is not apart


def test_the_table_has_the_figures_of_the_json_file(ablation: Path) -> None:
    content = figures(ablation)
    table = (ablation / "ablation.md").read_text(encoding="utf-8")
    heads, *cells = rows(table)
    assert heads[:4] == ["variant", "parameters", "updates", "dev loss"]
    assert [row[0] for row in cells] == [
        "base",
        "`model.d_ff=64` (base `32`)",
        "`train.label_smoothing=0.2` (base `0.1`)",
    ]
    for variant, row in zip(content["variants"], cells, strict=True):
        loss = variant["summary"]["loss"]
        assert row[1:3] == [f"{variant['parameters']:,}", "12"]
        assert row[3] == f"{loss['mean']:.3f} ({loss['lowest']:.3f} to {loss['highest']:.3f})"
        assert row[4].startswith(f"{variant['summary']['perplexity']['mean']:.2f} (")
        assert row[5].startswith(f"{variant['summary']['score']['mean']:.2f}")
    difference = content["variants"][1]["difference"]["perplexity"]
    assert cells[1][7].startswith(f"{difference['mean']:+.2f}")
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
