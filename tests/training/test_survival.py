"""A run survives kills, signals, a full disk and damaged files."""

import json
import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Run
from tests.training.conftest import (
    MARK_VALIDATION,
    NMT,
    Process,
    finish,
    read_metrics,
    start_process,
)
from tests.waiting import wait_until

# Long enough to be killed before its end; checkpoints and validations are frequent targets.
LONG = [
    *("--max-updates", "300", "--set", "train.checkpoint_updates=10"),
    *("--set", "train.validate_updates=30", "--set", "train.report_updates=5"),
    *("--set", "train.bpe_dropout=0.1"),
]


# `nmt` at the pace of a GPU: batches ahead, results late, checkpoints written in the background.
AT_GPU_PACE = """
import sys
from dataclasses import replace
from nmt.commands import main
from nmt.training import trainer
from nmt.training.feed import GPU

trainer.pace_of = lambda device: replace(GPU, length_multiple=1)
main(sys.argv[1:])
"""
AS_ALWAYS = ("-m", "nmt")


def start(recipe: Path, run: object, *options: str, program: Sequence[str] = AS_ALWAYS) -> Process:
    """Start a real `nmt train`."""
    return start_process(*program, "train", recipe, "--run", run, *options)


def assert_same_run(one: Path, other: Path) -> None:
    """Assert that models, states and metrics of two runs are equal bit for bit, except times."""
    names = {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
    assert names == {path.relative_to(other) for path in other.rglob("*") if path.is_file()}
    for name in names:
        is_shard = name.parts[0] == "prepared" and name.suffix != ".json"
        if name.suffix == ".safetensors" or is_shard:
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
        elif name.suffix == ".pt":
            assert_same_state(*(torch.load(x / name, weights_only=True) for x in (one, other)))
    assert untimed(one) == untimed(other)


def assert_same_state(one: Any, other: Any) -> None:
    """Assert that two optimiser states are equal."""
    assert one["param_groups"] == other["param_groups"]
    for left, right in zip(one["state"].values(), other["state"].values(), strict=True):
        assert all(torch.equal(left[key], right[key]) for key in left)


def untimed(run: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl without times and speeds."""
    clocked = ("seconds", "time", "tokens_per_second")
    return [{key: line[key] for key in line if key not in clocked} for line in read_metrics(run)]


def kill_at_random(
    recipe: Path, run: Path, draw: random.Random, program: Sequence[str] = AS_ALWAYS
) -> bool:
    """Start a training and kill it at a random moment; return False if it ended before that.

    Most kills come after the training has written metrics, the others at any time after the start.
    """
    known = metrics_size(run)
    process = start(recipe, run, *LONG, program=program)
    in_training = draw.random() < 0.8
    while in_training and process.poll() is None and metrics_size(run) == known:
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.4 if in_training else 3.0))  # the random moment
    process.kill()
    code, errors = finish(process)
    assert "Traceback" not in errors
    assert code in (0, -signal.SIGKILL), errors
    return code != 0


def metrics_size(run: Path) -> int:
    """Return the size of a run's metrics in bytes, 0 without metrics."""
    metrics = run / "metrics.jsonl"
    return metrics.stat().st_size if metrics.is_file() else 0


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("program", [AS_ALWAYS, ("-c", AT_GPU_PACE)])
def test_a_run_killed_again_and_again_is_the_uninterrupted_run(
    nmt: Run, tiny: Path, kills: int, program: Sequence[str]
) -> None:
    """After each SIGKILL at a random moment the same command resumes the run."""
    assert nmt("train", tiny, "--run", "whole", *LONG).code == 0
    draw = random.Random(kills)
    killed, rounds = 0, 0
    while killed < kills:
        run = Path(f"killed-{rounds}")
        while killed < kills and kill_at_random(tiny, run, draw, program):
            killed += 1
        code, errors = finish(start(tiny, run, *LONG, program=program))
        assert code == 0, errors
        assert_same_run(Path("whole"), run)
        rounds += 1


def damage_middle(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Drop the second half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("ending", ["safetensors", "state.pt", "json"])
@pytest.mark.parametrize("damage", [damage_middle, truncate, lambda path: path.write_bytes(b"")])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    nmt: Run, tiny: Path, tiny_run: Path, ending: str, damage: Callable[[Path], object]
) -> None:
    nmt("train", tiny, "--run", "hurt", "--max-updates", 8)
    path = Path(f"hurt/checkpoints/update-00000008.{ending}")
    damage(path)
    resumed = nmt("train", tiny, "--run", "hurt")
    assert resumed.code == 0
    assert f"{path} is damaged" in resumed.err
    assert "resumed at update 4 of 12" in resumed.err
    assert path.with_name(f"{path.name}.damaged").is_file()
    for old in Path("hurt").rglob("*.damaged"):
        old.unlink()
    assert_same_run(tiny_run, Path("hurt"))


def test_if_all_checkpoints_are_damaged_nothing_is_renamed(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--max-updates", 8)
    states = sorted(Path("runs/tiny/checkpoints").glob("*.state.pt"))
    assert len(states) == 2
    for state in states:
        damage_middle(state)
    refused = nmt("train", tiny)
    assert refused.code == 1
    assert all(str(state) in refused.err for state in states)
    assert sorted(Path("runs/tiny/checkpoints").glob("*.state.pt")) == states


def test_a_damaged_checkpoint_is_left_out_of_the_average(nmt: Run, tiny: Path) -> None:
    options = ["--set", "train.average_checkpoints=3"]
    nmt("train", tiny, "--max-updates", 8, *options)
    damage_middle(Path("runs/tiny/checkpoints/update-00000004.safetensors"))
    ended = nmt("train", tiny, *options)
    assert ended.code == 0
    assert "update-00000004.safetensors is damaged" in ended.err
    assert "average of 2 checkpoints" in ended.err


@pytest.mark.parametrize("fails", [".safetensors", ".state.pt"])
def test_a_full_disk_stops_the_run_and_loses_nothing(nmt: Run, tiny: Path, fails: str) -> None:
    """A limit on file sizes stands for a full disk: the model exceeds it, or only the state."""
    options = ["--set", "model.d_model=128", "--set", "model.d_ff=512"]
    options += ["--set", "train.validate_updates=12"]
    nmt("train", tiny, "--run", "whole", *options)
    nmt("train", tiny, "--run", "full", "--max-updates", 4, *options)
    before = {path: path.read_bytes() for path in Path("full/checkpoints").iterdir()}
    sizes = {path.suffix: len(content) for path, content in before.items()}
    assert sizes[".safetensors"] + 1000 < sizes[".pt"]
    limit = sizes[".safetensors"] + (1000 if fails == ".state.pt" else -1000)
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    code, errors = finish(start(tiny, "full", *options, program=("-c", f"{limited}\n{NMT}")))
    assert code == 1
    last = errors.splitlines()[-1]
    path = f"full/checkpoints/update-00000008{fails}"
    assert last.startswith(f"nmt: cannot write {path}: File too large; ")
    assert "earlier checkpoints are intact: make it possible to write there" in last
    assert "the same command resumes" in last
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not list(Path("full").rglob("*.partial"))
    assert nmt("train", tiny, "--run", "full", *options).code == 0
    for name in ("model.safetensors", "checkpoints/update-00000012.safetensors"):
        assert (Path("whole") / name).read_bytes() == (Path("full") / name).read_bytes()


def test_a_signal_interrupts_a_validation(nmt: Run, tiny: Path) -> None:
    """The checkpoint records that its update is not validated, so that the resumed run does it."""
    slow = ["--set", "decode.max_extra_tokens=3000", "--set", "decode.batch_tokens=1"]
    options = ["--max-updates", "8", "--set", "train.validate_updates=6"]
    command = ["train", tiny, "--run", "parts", *options, *slow]
    process = start_process("-c", MARK_VALIDATION, *command)
    wait_until(Path("validating").exists, process)
    process.send_signal(signal.SIGTERM)
    code, errors = finish(process)
    assert code == 143, errors
    assert "Traceback" not in errors
    progress = json.loads(Path("parts/checkpoints/update-00000006.json").read_text())["progress"]
    assert (progress["update"], progress["validated_update"]) == (6, 0)
