"""Helpers of the training tests: read what a run wrote, start processes and wait for them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from nmt.runs import history
from nmt.runs.model_file import read_model
from nmt.runs.run_folder import RunFolder
from nmt.runs.trained_model import to_tensors
from nmt.text.batches import PairDataset
from nmt.text.plan import EpochPlan, plan_epoch
from nmt.text.prepare import open_prepared
from nmt.training import trainer
from nmt.training.loader import GPU
from nmt.training.updates import Updater
from tests.conftest import Run
from tests.forks import Fork

Process = subprocess.Popen[bytes] | Fork

# As a GPU, on a CPU: results one update late. Padding may change the last bit of a sum.
LATE = replace(GPU, length_multiple=1)
TINY = RunFolder(Path("runs/tiny"))
STOPPED = 8  # the update after which the run of `stopped` was killed

NMT = "import sys; from nmt.commands import main; main(sys.argv[1:])"


def weights(path: Path) -> dict[str, Tensor]:
    return to_tensors(read_model(path).weights)


def assert_same(one: Path, other: Path) -> None:
    """Assert that two model files hold the same weights, bit for bit."""
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name


def read_metrics(run: Path) -> list[dict[str, Any]]:
    return history.read_metrics(run / "metrics.jsonl")


def read_lines(kind: str, run: Path = TINY.path) -> list[dict[str, Any]]:
    return [line for line in read_metrics(run) if line["kind"] == kind]


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in read_lines("train", run)]


def without_times(run: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl without times and speeds."""
    clocked = ("seconds", "time", "tokens_per_second")
    return [{key: line[key] for key in line if key not in clocked} for line in read_metrics(run)]


def plan_batches(
    dataset: PairDataset, source_tokens: int = 200, target_tokens: int = 200, epoch: int = 0
) -> EpochPlan:
    return plan_epoch(
        dataset.source_lengths,
        dataset.target_lengths,
        source_tokens=source_tokens,
        target_tokens=target_tokens,
        seed=1,
        epoch=epoch,
    )


def open_dataset(run: RunFolder) -> PairDataset:
    prepared = open_prepared(run.load_recipe(), run.prepared_folder())
    return PairDataset(prepared.shards, prepared.names, alignments=prepared.alignments)


def options(*settings: str) -> list[str]:
    return [f"--set={setting}" for setting in settings]


class Train(Protocol):
    """Trains the tiny recipe, with settings, and returns its messages."""

    def __call__(
        self, *settings: str, run: str | Path = TINY.path, updates: int = 0, code: int = 0
    ) -> str:
        """Use another folder, number of updates, or expected exit code."""


@pytest.fixture
def train(nmt: Run, tiny: Path) -> Train:

    def train(*settings: str, run: str | Path = TINY.path, updates: int = 0, code: int = 0) -> str:
        more = ["--max-updates", updates] if updates else []
        ended = nmt("train", tiny, "--run", run, *more, *options(*settings))
        assert ended.code == code, ended.err
        return ended.err

    return train


@pytest.fixture
def finished(tiny: Path, tiny_run: Path) -> Path:
    """Return the recipe of a finished run in runs/tiny, which a test may change."""
    shutil.copytree(tiny_run, TINY.path)
    return tiny


@pytest.fixture
def ended(finished: Path) -> Path:
    """Return the recipe of a run in runs/tiny that was killed before it wrote its average."""
    TINY.model.unlink()
    lines = TINY.metrics.read_text().splitlines(keepends=True)
    TINY.metrics.write_text("".join(lines[:-1]))
    return finished


@pytest.fixture
def stopped(ended: Path) -> Path:
    """Return the recipe of a run in runs/tiny that was killed after its checkpoint of update 8."""
    for path in TINY.checkpoints.glob("update-00000012.*"):
        path.unlink()
    lines = TINY.metrics.read_text().splitlines(keepends=True)
    TINY.metrics.write_text("".join(lines[: STOPPED // 2 + 1]))  # every second update and a dev set
    assert read_metrics(TINY.path)[-1]["update"] == STOPPED
    return ended


def start_process(*command: object, **options: Any) -> Process:
    """Start Python with these arguments and one thread; stderr is captured.

    It is a fork, unless there are options, which are those of `subprocess.Popen`.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [*map(str, command)]
    if not options:
        return Fork(arguments, environment)
    command_line = [sys.executable, *arguments]
    return subprocess.Popen(command_line, stderr=subprocess.PIPE, env=environment, **options)


def finish(process: Process, seconds: float = 300) -> tuple[int, str]:
    """Wait for a process to end; return its exit code and stderr."""
    try:
        errors = process.communicate(timeout=seconds)[1].decode()
    finally:
        process.terminate()
    return process.returncode, errors


@contextmanager
def worker_processes(
    count: int, script: str, *arguments: object, **variables: str
) -> Iterator[list[Process]]:
    """Run a script in some workers, without torchrun; kill what still runs at the end.

    This process keeps the key-value store, so that it outlives every worker.
    """
    store = dist.TCPStore(  # type: ignore[attr-defined] # untyped in torch
        "localhost", 0, is_master=True, wait_for_workers=False
    )
    shared = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        **variables,
    }
    command = ["-c", script, *map(str, arguments)]
    processes: list[Process] = [
        Fork(command, {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(count)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            with process:  # waits, and closes the pipe
                process.kill()


def run_group(count: int, *arguments: object, script: str = NMT) -> list[str]:
    """Run `nmt` in some workers, which must succeed, and return the stderr of each."""
    with worker_processes(count, script, *arguments) as processes:
        ended = [finish(process) for process in processes]
    assert [code for code, _ in ended] == [0] * count, ended
    return [errors for _, errors in ended]


@pytest.fixture
def nan_in_update_3(monkeypatch: pytest.MonkeyPatch) -> None:
    backward = Updater.backward
    calls = iter(range(1, 100))

    def spoiled(self: Any, share: Any, weight: float = 1.0) -> Any:
        smoothed, plain = backward(self, share, weight)
        return (smoothed * float("nan") if next(calls) == 3 else smoothed), plain

    monkeypatch.setattr(trainer, "check_memory", lambda *_, **__: 0)
    monkeypatch.setattr(Updater, "backward", spoiled)


@contextmanager
def sigterm_in_update(wanted: int) -> Iterator[None]:
    """Let an update start as if the process had received SIGTERM."""
    start = Updater.start

    def stopped(self: Any, share: Any, number: int, counts: bool, stop: Any, *more: Any) -> Any:
        given = signal.SIGTERM if number == wanted else stop
        return start(self, share, number, counts, given, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Updater, "start", stopped)
        yield
