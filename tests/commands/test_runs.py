"""`nmt runs`: a line for each run, the reason for each that cannot be read, and the default."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from nmt.recipe.files import load_recipe
from nmt.runs.history import read_metrics
from nmt.runs.run_folder import RunFolder
from tests.commands.conftest import json_of
from tests.conftest import Run


@pytest.fixture
def runs(tiny: Path, tiny_run: Path) -> Path:
    """Return a folder of runs: one finished, one stopped, one prepared."""
    folder = Path("runs")
    shutil.copytree(tiny_run, folder / "done")
    shutil.copytree(tiny_run, folder / "paper/cut")
    cut = RunFolder(folder / "paper/cut")
    cut.model.unlink()
    lines = cut.metrics.read_text().splitlines(keepends=True)
    cut.metrics.write_text("".join(lines[:5]))  # up to update 8
    for path in cut.checkpoints.glob("update-00000012.*"):
        path.unlink()
    RunFolder(folder / "new").save_recipe(load_recipe(str(tiny)))
    for seconds, name in ((300, "new"), (200, "paper/cut"), (100, "done")):
        for path in (folder / name).glob("*.*"):
            os.utime(path, (seconds, seconds))
    return folder


def listed(nmt: Run, *arguments: object) -> list[dict[str, Any]]:
    """Return the list of `nmt runs --json`."""
    found: list[dict[str, Any]] = json_of(nmt, "runs", *arguments)
    return found


def test_runs_are_listed_newest_first(nmt: Run, runs: Path) -> None:
    new, cut, done = listed(nmt)
    keys = ("name", "state", "updates", "max_updates", "is_default", "problem")
    assert [tuple(run[key] for key in keys) for run in (new, cut, done)] == [
        ("new", "prepared", 0, 12, False, None),
        ("paper/cut", "stopped", 8, 12, False, None),
        ("done", "finished", 12, 12, True, None),
    ]
    size = sum(path.stat().st_size for path in (runs / "done").rglob("*") if path.is_file())
    assert done["size"] == size
    lines = read_metrics(RunFolder(runs / "done").metrics)
    (average,) = [line for line in lines if line["kind"] == "average"]
    assert (done["measure"], done["score"]) == ("BLEU", average["bleu"])
    (validation,) = [line for line in lines if line["kind"] == "dev" and line["update"] == 6]
    assert cut["score"] == validation["bleu"]  # of the best model, because there is no average
    with RunFolder(runs / "done").lock():
        assert listed(nmt, runs / "done")[0]["state"] == "running"


def test_runs_of_an_ablation_are_listed(nmt: Run, runs: Path) -> None:
    """They lie at OUTPUT/VARIANT/seed-N; a model among them is not used by default."""
    seed = runs / "ablation/tiny/model.heads=1/seed-1"
    deep = runs / "ablation/paper/base/base/seed-2"
    for path in (seed, deep):
        shutil.copytree(runs / "done", path)
    shutil.copytree(runs / "new", seed / "nested")  # within a run
    shutil.copytree(runs / "new", deep.parents[4] / "a/b/c/d/e/too-deep")
    (runs / "ablation/tiny/loop").symlink_to("..")
    (runs / "ablation/tiny/linked").symlink_to(deep.parent.absolute())
    found = {run["name"] for run in listed(nmt, runs / "ablation")}
    assert found == {*("tiny/model.heads=1/seed-1", "paper/base/base/seed-2", "tiny/linked/seed-2")}
    every = listed(nmt)
    assert {run["name"] for run in every} == {
        *("new", "paper/cut", "done"),
        *(f"ablation/{name}" for name in found),
    }
    assert [run["name"] for run in every if run["is_default"]] == ["done"]


def test_a_checkpoint_may_be_newer_than_the_metrics(nmt: Run, runs: Path) -> None:
    """As after Ctrl-C between two lines of the metrics."""
    cut = RunFolder(runs / "paper/cut")
    for suffix in ("json", "safetensors", "state.pt"):
        shutil.copy(
            cut.checkpoints / f"update-00000008.{suffix}",
            cut.checkpoints / f"update-00000009.{suffix}",
        )
    assert listed(nmt)[1]["updates"] == 9


def test_the_table_names_the_model_that_is_used(nmt: Run, runs: Path) -> None:
    result = nmt("runs")
    assert (result.code, result.err) == (0, "")
    heading, *rows, why = result.out.splitlines()
    assert heading.split() == ["run", "dev", "score", "updates", "state", "size", "age"]
    assert [row.startswith("*") for row in rows] == [False, False, True]
    assert " 12 of 12 " in rows[-1]
    assert why == (
        "* `nmt translate` uses runs/done/model.safetensors, the newest finished of 2 runs"
    )
    translated = nmt("translate", "dev.src")
    assert translated.err.startswith(
        "model: runs/done/model.safetensors (tiny), the newest finished of 2 runs; --model names"
    )


def test_what_cannot_be_read_is_listed_with_the_reason(nmt: Run, runs: Path) -> None:
    (runs / "new/recipe.toml").write_text("{")
    (runs / "paper/cut/best.safetensors").write_bytes(b"\x08")
    with (runs / "done/metrics.jsonl").open("a") as stream:
        stream.write("{\n")
    (runs / "loop").symlink_to("loop")  # cannot be read, not even by root
    (runs / "notes").mkdir()  # no run
    (runs / "none.txt").touch()
    found = {run["name"]: run for run in listed(nmt)}
    assert set(found) == {"new", "paper/cut", "done", "loop"}
    assert {run["state"] for run in found.values()} == {"damaged", "unreadable"}
    for name, reason in (
        ("new", "is not valid TOML"),
        ("paper/cut", "best.safetensors"),
        ("done", "damaged lines left out: 1"),
        ("loop", "Too many levels of symbolic links"),
    ):
        assert reason in found[name]["problem"]
        assert "\n" not in found[name]["problem"]
    table = nmt("runs")
    assert table.code == 0
    assert all(f"({run['problem']})" in table.out for run in found.values())


def test_names_that_are_not_utf_8_are_shown(nmt: Run, runs: Path) -> None:
    odd = (runs / "new").rename(runs / os.fsdecode(b"caf\xe9"))
    (odd / "recipe.toml").write_text("{")
    result = nmt("runs")
    assert result.code == 0
    assert "caf?" in result.out
    result.out.encode()  # raises an error for what is not UTF-8


def test_folders_that_are_no_folders_of_runs(nmt: Run, tiny: Path) -> None:
    empty = nmt("runs")
    assert (empty.code, empty.out) == (0, "")
    assert "`nmt train` starts one" in empty.err
    assert listed(nmt) == []
    assert "there is no folder nowhere" in nmt("runs", "nowhere").err
    assert "tiny.toml is a file, not a run folder" in nmt("runs", tiny).err
    Path("loop").symlink_to("loop")
    result = nmt("runs", "loop")
    assert (result.code, result.out) == (1, "")
    assert "Too many levels of symbolic links" in result.err
