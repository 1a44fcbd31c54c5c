"""`nmt ablate` on the tiny corpus: its runs, tables, resumption and errors."""

import json
import signal
import subprocess
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from nmt.artifacts.model_file import read_model
from nmt.artifacts.run_folder import RunFolder
from tests.commands.conftest import leftovers
from tests.conftest import Run
from tests.training.conftest import assert_same, read_metrics, start_process
from tests.waiting import wait_until

NAMES = ["base", "model.d_ff=64", "train.label_smoothing=0.2"]
FIGURES = ("loss", "perplexity", "bleu")


def figures(output: Path) -> dict[str, Any]:
    """Return the content of ablation.json."""
    found: dict[str, Any] = json.loads((output / "ablation.json").read_text(encoding="utf-8"))
    return found


def rows(table: str) -> list[list[str]]:
    """Return the cells of the first table, its head first."""
    lines = table[table.index("| variant") :].split("\n\n", maxsplit=1)[0].splitlines()
    return [line.strip("| ").split(" | ") for line in (lines[0], *lines[2:])]


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
        assert variant["parameters"] == sum(each.numel() for each in weights.values())


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


def test_the_same_command_skips_what_is_finished(nmt: Run, tiny: Path) -> None:
    command = ("ablate", tiny, "--vary", "model.d_ff=64", "--max-updates", 4, "--output", "out")
    first = nmt(*command)
    assert first.code == 0
    assert first.out == Path("out/ablation.md").read_text(encoding="utf-8")
    assert first.err.count("learning 40 BPE tokens") == 1
    kept = [
        *Path("out").glob("*/seed-1/*.safetensors"),
        *Path("out").glob("*/seed-1/metrics.jsonl"),
    ]
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert len(before) == 6
    again = nmt(*command)
    assert (again.code, again.out) == (0, first.out)
    assert again.err.count("finished before") == 2
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    more = nmt(*command, "--vary", "model.heads=4", "--seeds", "1")
    assert more.err.count("finished before") == 2
    assert [row[0] for row in rows(more.out)[1:]][2] == "`model.heads=4` (base `2`)"
    fewer = nmt("ablate", tiny, "--vary", "model.heads=4", "--max-updates", 4, "--output", "out")
    assert "model.d_ff=64/seed-1" in fewer.err
    assert nmt(*command[:-3], 6, "--output", "out").code == 0
    assert [
        run["updates"] for each in figures(Path("out"))["variants"] for run in each["runs"]
    ] == [
        6,
        6,
    ]


def test_a_stopped_ablation_resumes_with_the_same_command(nmt: Run, tiny: Path) -> None:
    options = ["--vary", "model.d_ff=64", "--output", "out", "--max-updates", "400"]
    options += ["--set", "train.checkpoint_updates=100", "--set", "train.validate_updates=400"]
    metrics = Path("out/model.d_ff=64/seed-1/metrics.jsonl")
    process = start_process("-m", "nmt", "ablate", tiny, *options, stdout=subprocess.PIPE)
    wait_until(lambda: metrics.is_file() and metrics.stat().st_size > 0, process)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert printed == b""
    assert b"the same command" in errors
    assert b"Traceback" not in errors
    base, other = figures(Path("out"))["variants"]
    assert base["runs"][0]["state"] == "finished"
    assert other["runs"][0]["state"] == "stopped"
    assert other["summary"]["loss"] is None
    assert "(0 of 1 runs)" in Path("out/ablation.md").read_text(encoding="utf-8")
    resumed = nmt("ablate", tiny, *options)
    assert resumed.code == 0
    assert "run 1 of 2: base, seed 1: finished before" in resumed.err
    assert "resumed at update" in resumed.err
    assert figures(Path("out"))["variants"][1]["runs"][0]["state"] == "finished"


def test_other_runs_continue_when_one_diverges(nmt: Run, tiny: Path) -> None:
    vary = ("--vary", "train.learning_rate_scale=1e30", "--vary", "model.heads=4")
    command = ("ablate", tiny, *vary, "--max-updates", 8, "--output", "out")
    ended = nmt(*command)
    assert ended.code == 0
    states = [each["runs"][0]["state"] for each in figures(Path("out"))["variants"]]
    assert states == ["finished", "diverged", "finished"]
    row = rows(ended.out)[2]
    assert row[0].endswith("(0 of 1 runs)")
    assert row[2:6] == ["–"] * 4
    again = nmt(*command)
    assert "diverged before; remove out/train.learning_rate_scale=1e+30/seed-1" in again.err
    assert again.out == ended.out
    # The base has checkpoints, so that other settings need another folder.
    other = nmt(*command, "--output", "out", "--set", "train.warmup_updates=100000")
    assert other.code == 1
    assert "base, seed 1: the training in out/base/seed-1 started with other settings" in other.err
    assert "name a new folder with --output" in other.err


def test_a_failed_run_is_named_and_tried_again(nmt: Run, tiny: Path) -> None:
    blocked = Path("out/model.d_ff=64/seed-1/checkpoints")
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where a folder must be")
    command = ("ablate", tiny, "--vary", "model.d_ff=64,48", "--max-updates", 4, "--output", "out")
    ended = nmt(*command)
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert "model.d_ff=64, seed 1 failed: out/model.d_ff=64/seed-1" in ended.err
    assert "the same command" in ended.err
    states = [each["runs"][0]["state"] for each in figures(Path("out"))["variants"]]
    assert states[0] == states[2] == "finished"
    assert states[1].startswith("failed: out/model.d_ff=64/seed-1/checkpoints/update-")
    blocked.unlink()
    assert nmt(*command).code == 0


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        (["--vary", "model.d_ff=64", "--vary", "model.hedas=2"], "did you mean 'model.heads'?"),
        (["--vary", "model.d_ff=64,none"], "model.d_ff is 'none' but must be a whole number"),
        (["--vary", "model.d_ff=64", "--seeds", "1,1"], "names a seed twice"),
        (["--vary", "model.d_ff=64", "--seeds", "1,-1"], "train.seed is -1"),
        (["--vary", "model.d_ff=32"], "nothing varies"),
        ([], "nothing varies"),
        (["--vary", "tokenizer.kind=char train.bpe_dropout=0.1"], "needs tokenizer.kind=bpe"),
        (["--vary", "model.d_ff=64", "--set", "model.d_ff"], "--set takes section.key=value"),
    ],
)
def test_a_wrong_option_is_refused_before_any_run_starts(
    nmt: Run, tiny: Path, options: list[str], fact: str
) -> None:
    refused = nmt("ablate", tiny, *options)
    assert (refused.code, refused.out) == (2, "")
    assert fact in refused.err
    assert not Path("runs").exists()


def test_an_unsuitable_corpus_is_refused_before_any_training(nmt: Run, tiny: Path) -> None:
    refused = nmt("ablate", tiny, "--vary", "tokenizer.vocab_size=30000", "--output", "out")
    assert refused.code == 1
    assert "nmt: tokenizer.vocab_size=30000, seed 1: " in refused.err
    assert not [*Path("out").rglob("metrics.jsonl")]


def test_dry_run_lists_the_runs(nmt: Run, tiny: Path) -> None:
    options = (
        "--grid",
        "--vary",
        "model.d_ff=32,64",
        "--vary",
        "model.heads=1,2",
        "--seeds",
        "5,6",
    )
    listed = nmt("ablate", tiny, *options, "--output", "out", "--dry-run")
    assert listed.code == 0
    lines = [line.split("\t") for line in listed.out.splitlines()]
    assert len(lines) == 2 * 2 * 2
    assert lines[0] == ["out/base/seed-5", "base"]
    assert ["out/model.d_ff=64,model.heads=1/seed-6", "model.d_ff=64 model.heads=1"] in lines
    assert not Path("out").exists()


def test_a_run_folder_a_busy_folder_and_torchrun_are_refused(
    nmt: Run, tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = nmt("ablate", tiny, "--vary", "model.d_ff=64", "--output", tiny_run)
    assert refused.code == 2
    assert "is a run folder" in refused.err
    with RunFolder(Path("out")).lock():
        refused = nmt("ablate", tiny, "--vary", "model.d_ff=64", "--output", "out")
    assert refused.code == 1
    assert "another nmt process is using out" in refused.err
    assert "--output" in refused.err
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused = nmt("ablate", tiny, "--vary", "model.d_ff=64")
    assert refused.code == 2
    assert "without torchrun" in refused.err
