"""A run survives what happens to its process, its disk and its files."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Run

# Long enough for kills to find it at work; checkpoints and validations often enough to be hit.
LONG = [
    *("--max-updates", "300", "--set", "train.checkpoint_updates=10"),
    *("--set", "train.validate_updates=30", "--set", "train.report_updates=5"),
    *("--set", "train.bpe_dropout=0.1"),
]


def start(recipe: Path, run: str, *options: str, **how: Any) -> "subprocess.Popen[bytes]":
    """A real `nmt train`."""
    command = [sys.executable, "-m", "nmt", "train", str(recipe), "--run", run, *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, **how)


def finish(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """Wait for its end: exit code and stderr."""
    with process:
        errors = process.communicate(timeout=300)[1].decode()
    return process.returncode, errors


def assert_same_run(one: Path, other: Path) -> None:
    """Every model, state and figure of two runs is equal, bit for bit; times aside."""
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
    """Two optimiser states are equal."""
    assert one["param_groups"] == other["param_groups"]
    for left, right in zip(one["state"].values(), other["state"].values(), strict=True):
        assert all(torch.equal(left[key], right[key]) for key in left)


def untimed(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without what the clock says."""
    clocked = ("seconds", "time", "tokens_per_second")
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{key: line[key] for key in line if key not in clocked} for line in lines]


def kill_at_random(recipe: Path, run: Path, draw: random.Random) -> bool:
    """Start a training and kill it at a random moment; False if it ended before that."""
    process = start(recipe, str(run), *LONG)
    in_training = draw.random() < 0.8
    if in_training:  # the rest: anywhere, the first imports and the corpus's preparation too
        known = run.joinpath("metrics.jsonl").stat().st_size if in_run(run) else 0
        while process.poll() is None and not (in_run(run) and grown(run, known)):
            time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.4 if in_training else 3.0))
    process.kill()
    code, errors = finish(process)
    assert "Traceback" not in errors
    assert code in (0, -signal.SIGKILL), errors
    return code != 0


def in_run(run: Path) -> bool:
    """Whether a training has begun to report."""
    return run.joinpath("metrics.jsonl").is_file()


def grown(run: Path, known: int) -> bool:
    """Whether it has reported anew."""
    return run.joinpath("metrics.jsonl").stat().st_size != known


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_killed_again_and_again_is_the_uninterrupted_run(
    nmt: Run, tiny: Path, kills: int
) -> None:
    """SIGKILL at random moments, each time started again with the same command."""
    assert nmt("train", tiny, "--run", "whole", *LONG).code == 0
    draw = random.Random(kills)
    killed, rounds = 0, 0
    while killed < kills:
        run = Path(f"killed-{rounds}")
        while killed < kills and kill_at_random(tiny, run, draw):
            killed += 1
        code, errors = finish(start(tiny, str(run), *LONG))
        assert code == 0, errors
        assert_same_run(Path("whole"), run)
        rounds += 1


def damage_middle(path: Path) -> None:
    """Flip one bit."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Lose the second half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("ending", ["safetensors", "state.pt", "json"])
@pytest.mark.parametrize("damage", [damage_middle, truncate, lambda path: path.write_bytes(b"")])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    nmt: Run, tiny: Path, ending: str, damage: Callable[[Path], object]
) -> None:
    nmt("train", tiny, "--run", "whole")
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
    assert_same_run(Path("whole"), Path("hurt"))


def test_where_no_checkpoint_is_whole_nothing_is_touched(nmt: Run, tiny: Path) -> None:
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
def test_a_full_disk_stops_with_a_sentence_and_costs_nothing(
    nmt: Run, tiny: Path, fails: str
) -> None:
    """Files may not grow beyond a limit that a model exceeds, or the larger state alone."""
    options = ["--set", "model.d_model=128", "--set", "model.d_ff=512"]
    options += ["--set", "train.validate_updates=12"]
    nmt("train", tiny, "--run", "whole", *options)
    nmt("train", tiny, "--run", "full", "--max-updates", 4, *options)
    before = {path: path.read_bytes() for path in Path("full/checkpoints").iterdir()}
    sizes = {path.suffix: len(content) for path, content in before.items()}
    assert sizes[".safetensors"] + 1000 < sizes[".pt"]
    limit = sizes[".safetensors"] + (1000 if fails == ".state.pt" else -1000)

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code, errors = finish(start(tiny, "full", *options, preexec_fn=limit_files))
    assert code == 1
    assert errors.splitlines()[-1] == (
        f"nmt: cannot write full/checkpoints/update-00000008{fails}: File too large; earlier"
        " checkpoints are intact: make room, and the same command goes on"
    )
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not list(Path("full").rglob("*.partial"))
    assert nmt("train", tiny, "--run", "full", *options).code == 0
    for name in ("model.safetensors", "checkpoints/update-00000012.safetensors"):
        assert (Path("whole") / name).read_bytes() == (Path("full") / name).read_bytes()


def test_a_signal_during_validation_waits_for_no_translation(nmt: Run, tiny: Path) -> None:
    """The state is saved with its validation pending, which the resumed run makes up for."""
    slow = ["--set", "decode.max_extra_tokens=3000", "--set", "decode.batch_tokens=1"]
    options = ["--max-updates", "8", "--set", "train.validate_updates=6"]
    nmt("train", tiny, "--run", "whole", *options)
    process = start(tiny, "parts", *options, *slow)
    while not Path("parts/checkpoints/update-00000004.json").is_file():
        assert process.poll() is None
        time.sleep(0.002)
    time.sleep(0.5)  # by now the validation of update 6 is on its way
    process.send_signal(signal.SIGTERM)
    code, errors = finish(process)
    assert code == 143, errors
    assert "Traceback" not in errors
    progress = json.loads(Path("parts/checkpoints/update-00000006.json").read_text())["progress"]
    assert (progress["update"], progress["validated_update"]) == (6, 0)
