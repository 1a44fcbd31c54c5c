"""`nmt ablate`: the same command again, after its end, a stop, a failure or a divergence."""

import math
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from nmt.kernels.loss import LossSums, projected_loss
from tests.commands.test_ablate import read_results, rows
from tests.conftest import Run
from tests.training.conftest import start_process
from tests.waiting import wait_until


def test_the_same_command_skips_what_is_finished(nmt: Run, tiny: Path) -> None:
    command = ("ablate", tiny, "--vary", "model.d_ff=64", "--max-updates", 4, "--output", "out")
    first = nmt(*command)
    assert first.code == 0
    assert first.out == Path("out/ablation.md").read_text(encoding="utf-8")
    assert first.err.count("learning 40 BPE tokens") == 1
    more = nmt(*command, "--vary", "model.heads=4", "--seeds", "1")
    assert more.err.count("finished before") == 2
    assert [row[0] for row in rows(more.out)[1:]][2] == "`model.heads=4` (base `2`)"
    fewer = nmt("ablate", tiny, "--vary", "model.heads=4", "--max-updates", 4, "--output", "out")
    assert "model.d_ff=64/seed-1" in fewer.err
    assert nmt(*command[:-3], 6, "--output", "out").code == 0
    found = read_results(Path("out"))["variants"]
    assert [variant["runs"][0]["updates"] for variant in found] == [6, 6]
    for folder in Path("out").glob("*/*/checkpoints"):
        shutil.rmtree(folder)  # finished runs keep their metrics, also if a setting has changed
    lines = {path: path.read_bytes() for path in Path("out").glob("*/*/metrics.jsonl")}
    again = nmt(*command[:-3], 6, "--output", "out", "--set", "train.report_updates=1")
    assert again.err.count("finished before") == 2, again.err
    assert {path: path.read_bytes() for path in lines} == lines


def test_a_stopped_ablation_resumes_with_the_same_command(nmt: Run, tiny: Path) -> None:
    options = ["--vary", "model.d_ff=64", "--output", "out", "--max-updates", "150"]
    options += ["--set", "train.checkpoint_updates=50", "--set", "train.validate_updates=150"]
    metrics = Path("out/model.d_ff=64/seed-1/metrics.jsonl")
    process = start_process("-m", "nmt", "ablate", tiny, *options, stdout=subprocess.PIPE)
    wait_until(lambda: metrics.is_file() and metrics.stat().st_size > 0, process)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert printed == b""
    assert b"the same command" in errors
    assert b"Traceback" not in errors
    base, other = read_results(Path("out"))["variants"]
    assert base["runs"][0]["state"] == "finished"
    assert other["runs"][0]["state"] == "stopped"
    assert other["summary"]["loss"] is None
    assert "(0 of 1 runs)" in Path("out/ablation.md").read_text(encoding="utf-8")
    resumed = nmt("ablate", tiny, *options)
    assert resumed.code == 0
    assert "run 1 of 2: base, seed 1: finished before" in resumed.err
    assert "resumed at update" in resumed.err
    assert read_results(Path("out"))["variants"][1]["runs"][0]["state"] == "finished"


def test_other_runs_continue_when_one_diverges_and_one_fails(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command tries the failed run again, and the diverged one when it is removed."""

    def loss(
        hidden: Tensor, weight: Tensor, labels: Tensor, smoothing: float, *others: Any
    ) -> LossSums:
        sums = projected_loss(hidden, weight, labels, smoothing, *others)
        return LossSums(sums.smoothed * (math.nan if smoothing == 0.3 else 1), sums.plain)

    monkeypatch.setattr("nmt.training.updates.projected_loss", loss)
    blocked = Path("out/model.d_ff=48/seed-1/checkpoints")
    blocked.parent.mkdir(parents=True)
    (blocked.parent / ".lock").touch()  # a run of an earlier command
    blocked.write_text("a file where a folder must be")
    vary = ("--vary", "train.label_smoothing=0.3", "--vary", "model.d_ff=48,64")
    command = ("ablate", tiny, *vary, "--max-updates", 8, "--output", "out")
    ended = nmt(*command)
    assert (ended.code, "Traceback" in ended.err) == (1, False)
    assert "model.d_ff=48, seed 1 failed: cannot write out/model.d_ff=48/seed-1" in ended.err
    assert "failed runs: 1; the same command tries them again" in ended.err
    states = [variant["runs"][0]["state"] for variant in read_results(Path("out"))["variants"]]
    assert [state.partition(":")[0] for state in states] == [
        *("finished", "diverged", "failed", "finished")
    ]
    row = rows(ended.out)[2]
    assert row[0].endswith("(0 of 1 runs)")
    assert row[2:6] == ["–"] * 4
    blocked.unlink()
    again = nmt(*command)
    assert again.code == 0
    assert "diverged before; remove out/train.label_smoothing=0.3/seed-1" in again.err
