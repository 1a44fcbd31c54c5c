"""Many workers on one run: real processes under torchrun, gloo on the CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import nmt as package
from nmt.artifacts.model_file import read_model
from tests.conftest import Run

CLI = Path(package.__file__).parent.parent / "cli.py"
# The run of the comparison: dropout 0, as masks are each worker's own.
SAME = ["--max-updates", "20", "--set", "model.dropout=0.0", "--set", "train.report_updates=1"]
# The tiny recipe's warm-up of 10 updates would blow rounding up.
SAME += ["--set", "train.warmup_updates=400"]


def torchrun(workers: int, *arguments: object) -> "subprocess.Popen[bytes]":
    """`torchrun cli.py ARGUMENTS`, with that many workers on this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(workers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "--standalone", "--", str(CLI), *map(str, arguments)],
        stderr=subprocess.PIPE,
        env=environment,
    )


def finish(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """Wait for its end: exit code and stderr."""
    try:
        errors = process.communicate(timeout=100)[1].decode()
    finally:
        process.terminate()
    return process.returncode, errors


def losses(run: str) -> list[float]:
    """The loss a token of each update."""
    lines = map(json.loads, Path(run, "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if line["kind"] == "train"]


def weights(run: str) -> dict[str, Tensor]:
    """The weights after the last update."""
    return read_model(Path(run, "checkpoints/update-00000020.safetensors")).weights


def assert_same_updates(one: str, other: str) -> None:
    """Losses equal to 1e-5 relative, and each tensor to 1e-4 of its norm."""
    assert len(losses(one)) == 20
    assert losses(other) == pytest.approx(losses(one), rel=1e-5)
    for name, tensor in weights(one).items():
        assert float((weights(other)[name] - tensor).norm() / tensor.norm()) < 1e-4, name


@pytest.mark.parametrize(
    ("count", "positions"),
    [(2, "learned"), pytest.param(4, "sinusoidal", marks=pytest.mark.slow)],
)
def test_workers_take_the_updates_of_one(nmt: Run, tiny: Path, count: int, positions: str) -> None:
    """Batches of an odd number of pairs and micro-batches of 30 tokens included."""
    same = [*SAME, "--set", f"model.positions={positions}"]
    assert nmt("train", tiny, "--run", "one", *same).code == 0
    accumulated = [*same, "--set", "train.micro_batch_tokens=30"]
    assert nmt("train", tiny, "--run", "parts", *accumulated).code == 0
    assert_same_updates("one", "parts")
    code, errors = finish(torchrun(count, "train", tiny, "--run", "many", *accumulated))
    assert code == 0, errors
    assert_same_updates("one", "many")
    assert f", {count} workers; run folder many" in errors
    assert errors.count("run folder many") == 1  # the first worker alone speaks
    lines = Path("many/metrics.jsonl").read_text().splitlines()
    assert len(lines) == len(Path("one/metrics.jsonl").read_text().splitlines())


def test_a_batch_smaller_than_the_workers_are_many(nmt: Run, tiny: Path) -> None:
    """One pair an update, by two workers: one of them stands by."""
    single = [*SAME, "--set", "train.batch_source_tokens=1", "--set", "train.bpe_dropout=0.2"]
    assert nmt("train", tiny, "--run", "one", *single).code == 0
    code, errors = finish(torchrun(2, "train", tiny, "--run", "many", *single))
    assert code == 0, errors
    assert losses("many") == pytest.approx(losses("one"), rel=1e-5)


def test_one_goes_on_where_two_were_stopped(nmt: Run, tiny: Path) -> None:
    """torchrun is told to end; the workers agree on an update, save, and one process goes on."""
    options = [*SAME, "--max-updates", "3000", "--set", "train.validate_updates=3000"]
    process = torchrun(2, "train", tiny, "--run", "many", *options)
    metrics = Path("many/metrics.jsonl")
    while not (metrics.is_file() and len(metrics.read_text().splitlines()) > 5):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    code, errors = finish(process)
    assert code != 0  # torchrun's own
    assert "checkpoint saved; the same command goes on" in errors
    assert "nmt: " not in errors  # no worker saw another one vanish
    stopped = int(errors.partition("stopped at update ")[2].partition(",")[0])
    options = [*SAME, "--max-updates", str(stopped + 3), "--set", "train.validate_updates=3000"]
    resumed = nmt("train", tiny, "--run", "many", *options)
    assert resumed.code == 0
    assert f"resumed at update {stopped}" in resumed.err
    assert nmt("train", tiny, "--run", "one", *options).code == 0
    assert losses("many") == pytest.approx(losses("one"), rel=1e-4)


def test_a_signal_in_a_validation_is_obeyed_before_its_end(tiny: Path) -> None:
    """Each worker leaves after the batch it is at, of ten that take seconds each."""
    options = ["--max-updates", 8, "--set", "train.validate_updates=6"]
    slow = ["--set", "decode.max_extra_tokens=1500", "--set", "decode.batch_tokens=1"]
    process = torchrun(2, "train", tiny, "--run", "many", *options, *slow)
    while not Path("many/checkpoints/update-00000004.json").is_file():
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.5)  # by now the validation of update 6 is on its way
    process.send_signal(signal.SIGTERM)
    _, errors = finish(process)
    assert "stopped at update 6, checkpoint saved" in errors
    assert "nmt: " not in errors
    assert errors.count("stopping at the end of this update") == 1  # the first worker alone speaks
    progress = json.loads(Path("many/checkpoints/update-00000006.json").read_text())["progress"]
    assert (progress["update"], progress["validated_update"]) == (6, 0)


def test_workers_end_when_torchrun_is_killed(tiny: Path) -> None:
    """They save first: none stays behind to hold the run folder."""
    options: list[Any] = [*SAME, "--max-updates", 100_000, "--set", "train.validate_updates=100000"]
    options += ["--set", "train.checkpoint_updates=100000"]
    process = torchrun(2, "train", tiny, "--run", "many", *options)
    metrics = Path("many/metrics.jsonl")
    while not (metrics.is_file() and len(metrics.read_text().splitlines()) > 5):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    _, errors = finish(process)  # their standard error ends with the last of them
    assert "Traceback" not in errors
    assert "torchrun is gone; the same command goes on" in errors
    assert len([*Path("many/checkpoints").glob("*.json")]) == 1


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK", "MASTER_PORT"])
def test_a_number_that_is_none_is_told(
    nmt: Run, tiny: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost"}
    for key, value in {**given, "MASTER_PORT": "29511", name: "two"}.items():
        monkeypatch.setenv(key, value)
    refused = nmt("train", tiny)
    assert refused.code == 1
    assert f"{name} is 'two', not a whole number" in refused.err


def test_an_error_of_the_first_stops_all_with_its_sentence(nmt: Run, tiny: Path) -> None:
    Path("train.tgt").write_text("SUN\n")
    code, errors = finish(torchrun(2, "train", tiny))
    assert code == 1
    told = [line for line in errors.splitlines() if line.startswith("nmt: ")]
    assert any(line.startswith("nmt: stopped, as worker 0 did: ") for line in told)
    assert all("train.src has 120 lines but " in line for line in told)
    assert "most recent call last" not in errors.split("torch/distributed/elastic")[0]


def test_a_killed_worker_stops_the_others(tiny: Path) -> None:
    options: list[Any] = [*SAME, "--max-updates", 100_000, "--set", "train.validate_updates=100000"]
    process = torchrun(2, "train", tiny, "--run", "many", *options)
    metrics = Path("many/metrics.jsonl")
    while not (metrics.is_file() and len(metrics.read_text().splitlines()) > 5):
        assert process.poll() is None
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 2
    os.kill(int(children[1]), signal.SIGKILL)
    code, errors = finish(process)
    assert code == 1
    assert "nmt: another worker is gone without a word, killed perhaps" in errors
