"""`nmt scale` on the tiny corpus: what is predicted, what is trained, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.conftest import SCALE, Run
from tests.training.conftest import read_lines

CHECK = Path("out/tiny-28/seed-1")


def read_results(output: Path) -> dict[str, Any]:
    """Return the content of scale.json."""
    found: dict[str, Any] = json.loads((output / "scale.json").read_text(encoding="utf-8"))
    return found


def test_the_larger_size_is_predicted_before_it_is_trained(nmt: Run, scaled: Path) -> None:
    """The other sizes are trained. A file where a folder must be keeps it from being trained."""
    shutil.copytree(scaled, "out", ignore=shutil.ignore_patterns("tiny-28", "scale.*"))
    CHECK.mkdir(parents=True)
    (CHECK / ".lock").touch()  # a run of an earlier command
    (CHECK / "checkpoints").write_text("")
    recipe = (scaled.parent / "tiny.toml", "--data-dir", scaled.parent)
    command = ("scale", *recipe, *SCALE, "--seeds", "1,2", "--output", "out")
    failed = nmt(*command)
    assert failed.code == 1, failed.err
    [before] = read_results(Path("out"))["predictions"]
    assert read_results(Path("out"))["checks"][0]["state"].startswith("failed: cannot write")
    (CHECK / "checkpoints").unlink()
    trained = nmt(*command)
    assert trained.code == 0, trained.err
    assert trained.err.count("finished before") == 10
    content = read_results(Path("out"))
    [after], [check] = content["predictions"], content["checks"]
    assert {**after, "written": ""} == {**before, "written": ""}
    assert check["state"] == "finished"
    assert (check["N"], check["D"]) == (after["N"], after["D"])
    assert after["loss"]["lowest"] <= after["loss"]["value"] <= after["loss"]["highest"]
    files = [*Path("out").glob("*/*/metrics.jsonl"), *Path("out").glob("*/*/*.safetensors")]
    times = {path: path.stat().st_mtime_ns for path in files}
    assert len(times) == 3 * 11
    again = nmt(*command)
    assert again.err.count("finished before") == 11
    assert read_results(Path("out")) == content
    assert {path: path.stat().st_mtime_ns for path in files} == times
    assert again.out == Path("out/scale.md").read_text(encoding="utf-8")


def test_results_are_those_of_the_runs(scaled: Path) -> None:
    content = read_results(scaled)
    losses = {}
    for row in content["runs"]:
        dev = read_lines("dev", scaled / row["folder"])
        assert row["loss"] == min(line["loss"] for line in dev)
        assert row["end"] == ("patience" if row["updates"] < 12 else "updates")
        losses[row["size"], row["D"], row["seed"]] = row["loss"]
    assert {D for _, D, _ in losses} == {120, 60, 30}
    assert {seed for size, _, seed in losses if size == 16} == {1, 2}
    assert len({*losses.values()}) == len(losses) == 10


def test_without_enough_runs_nothing_is_predicted(nmt: Run, tiny: Path) -> None:
    options = ("--alone", "--sizes", "8", "--output", "out")
    done = nmt("scale", tiny, *options, "--shares", "1/2", "--set", "train.max_updates=2")
    assert done.code == 0, done.err
    assert "tiny: no law is fitted: it needs 7 finished points, and there are 3" in done.out
    assert read_results(Path("out"))["predictions"] == []
    assert not CHECK.parent.parent.joinpath("tiny-32/seed-1/metrics.jsonl").exists()


def test_a_dry_run_lists_the_runs_and_their_operations(nmt: Run, tiny: Path) -> None:
    listed = nmt("scale", tiny, "--sizes", "8,12", "--alone", "--dry-run")
    assert listed.code == 0, listed.err
    lines = listed.out.splitlines()
    assert [line.partition("/seed")[0] for line in lines[:3]] == [
        f"runs/scale/tiny/tiny-{size}" for size in (8, 12, 16)
    ]
    assert lines[-1].startswith("total\tat most ")
    assert not Path("runs").exists()
