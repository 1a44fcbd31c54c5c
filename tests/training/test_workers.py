"""Many workers on one run: real processes, some under torchrun, with gloo on the CPU."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import nmt as package
from nmt.training.workers import Workers
from tests.conftest import Run
from tests.training import conftest
from tests.training.conftest import (
    MARK_VALIDATION,
    NMT,
    Process,
    finish,
    losses,
    read_metrics,
    run_group,
    start_process,
    worker_processes,
)
from tests.waiting import wait_until

CLI = Path(package.__file__).parent.parent / "cli.py"
# Without dropout, because each worker draws its own masks.
SAME = ["--max-updates", "20", "--set", "model.dropout=0.0", "--set", "train.report_updates=1"]
# The tiny recipe's warm-up of 10 updates would amplify rounding errors.
SAME += ["--set", "train.warmup_updates=400"]
ENDLESS = ["--max-updates", "100000", "--set", "train.validate_updates=100000"]


def torchrun(workers: int, *arguments: object, script: Path = CLI) -> Process:
    """Start `torchrun SCRIPT ARGUMENTS` with some workers on this machine."""
    options = ["--nproc-per-node", workers, "--standalone", "--", script, *arguments]
    return start_process("-m", "torch.distributed.run", *options)


def wait_for_updates(process: Process, run: Path) -> None:
    """Wait until a run has written the metrics of some updates."""
    wait_until(lambda: len(read_metrics(run)) > 5, process)


def weights(run: str) -> dict[str, Tensor]:
    """Return the weights after the last update."""
    return conftest.weights(Path(run, "checkpoints/update-00000020.safetensors"))


def assert_same_updates(one: str, other: str) -> None:
    """Assert equal losses up to 1e-5 relative, and equal tensors up to 1e-4 of their norm."""
    assert len(losses(Path(one))) == 20
    assert losses(Path(other)) == pytest.approx(losses(Path(one)), rel=1e-5)
    for name, tensor in weights(one).items():
        assert float((weights(other)[name] - tensor).norm() / tensor.norm()) < 1e-4, name


# Shares a value of each type; each worker writes what it received, and its number of calls.
SHARE_VALUES = """
import json
from pathlib import Path
import torch
from nmt.training.workers import join_workers

VALUES = [True, False, 7, 2.5, None, "ß", {"updates": [4, 8]}]
calls = []

def share(workers, value):
    def action():
        calls.append(value)
        return value
    return workers.on_first_worker(action)

with join_workers(torch.device("cpu")) as workers:
    received = [share(workers, value) for value in VALUES]
    content = {"received": received, "calls": len(calls)}
    Path(f"worker-{workers.rank}.json").write_text(json.dumps(content))
"""


def test_typed_values_of_the_first_worker_reach_the_others() -> None:
    run_group(2, script=SHARE_VALUES)
    first, second = (json.loads(Path(f"worker-{rank}.json").read_text()) for rank in (0, 1))
    values = [True, False, 7, 2.5, None, "ß", {"updates": [4, 8]}]
    for worker, calls in ((first, 7), (second, 0)):
        assert worker == {"received": values, "calls": calls}
        assert [type(each) for each in worker["received"]] == [type(each) for each in values]


def test_a_single_process_runs_the_action_itself() -> None:
    assert Workers().on_first_worker(lambda: [1, 2]) == [1, 2]


@pytest.mark.parametrize(
    ("count", "positions"),
    [(2, "learned"), pytest.param(4, "sinusoidal", marks=pytest.mark.slow)],
)
def test_many_workers_take_the_updates_of_one(
    nmt: Run, tiny: Path, count: int, positions: str
) -> None:
    """Some batches have an odd number of pairs; micro-batches have 30 tokens."""
    same = [*SAME, "--set", f"model.positions={positions}"]
    assert nmt("train", tiny, "--run", "one", *same).code == 0
    accumulated = [*same, "--set", "train.micro_batch_tokens=30"]
    assert nmt("train", tiny, "--run", "parts", *accumulated).code == 0
    assert_same_updates("one", "parts")
    with worker_processes(count, NMT, "train", tiny, "--run", "many", *accumulated) as processes:
        ended = [finish(each) for each in processes]
    assert [code for code, _ in ended] == [0] * count, ended
    assert_same_updates("one", "many")
    first, *others = (errors for _, errors in ended)
    assert f", {count} workers; run folder many" in first
    assert "".join(others) == ""  # only the first worker prints
    assert len(read_metrics(Path("many"))) == len(read_metrics(Path("one")))


def test_a_batch_with_fewer_pairs_than_workers(nmt: Run, tiny: Path) -> None:
    """Each update has one pair for two workers: one worker has no pair."""
    dropout = ["--set", "train.bpe_dropout=0.2"]
    single = [*SAME, "--set", "train.batch_source_tokens=1", *dropout]
    assert nmt("train", tiny, "--run", "one", *single).code == 0
    run_group(2, "train", tiny, "--run", "many", *single)
    assert losses(Path("many")) == pytest.approx(losses(Path("one")), rel=1e-5)


def test_one_process_resumes_a_run_of_two(nmt: Run, tiny: Path) -> None:
    """After SIGTERM to torchrun both workers stop at the same update and save."""
    options = [*SAME, "--max-updates", "3000", "--set", "train.validate_updates=3000"]
    process = torchrun(2, "train", tiny, "--run", "many", *options)
    wait_for_updates(process, Path("many"))
    process.send_signal(signal.SIGTERM)
    code, errors = finish(process)
    assert code != 0  # of torchrun
    assert "checkpoint saved" in errors
    assert "nmt: " not in errors  # no worker lost its connection to the other
    stopped = int(errors.partition("stopped at update ")[2].partition(",")[0])
    options = [*SAME, "--max-updates", str(stopped + 3), "--set", "train.validate_updates=3000"]
    resumed = nmt("train", tiny, "--run", "many", *options)
    assert resumed.code == 0
    assert f"resumed at update {stopped}" in resumed.err
    assert nmt("train", tiny, "--run", "one", *options).code == 0
    assert losses(Path("many")) == pytest.approx(losses(Path("one")), rel=1e-4)


def test_a_signal_interrupts_a_validation(tiny: Path) -> None:
    """Each worker stops after its current batch, one of ten that take seconds each."""
    options = ["--max-updates", 8, "--set", "train.validate_updates=6"]
    slow = ["--set", "decode.max_extra_tokens=1500", "--set", "decode.batch_tokens=1"]
    arguments = ["train", tiny, "--run", "many", *options, *slow]
    with worker_processes(2, MARK_VALIDATION, *arguments) as processes:
        wait_until(Path("validating").exists, processes[0])
        for each in processes:
            each.send_signal(signal.SIGTERM)
        errors, others = (finish(each)[1] for each in processes)
    assert "stopped at update 6, checkpoint saved" in errors
    assert "nmt: " not in errors
    assert "stopping at the end of this update" in errors
    assert others == ""  # only the first worker prints
    progress = json.loads(Path("many/checkpoints/update-00000006.json").read_text())["progress"]
    assert (progress["update"], progress["validated_update"]) == (6, 0)


def test_workers_end_when_torchrun_is_killed(tiny: Path) -> None:
    """They save a checkpoint first; none keeps running and keeps the run folder locked."""
    options: list[Any] = [*SAME, *ENDLESS, "--set", "train.checkpoint_updates=100000"]
    process = torchrun(2, "train", tiny, "--run", "many", *options)
    wait_for_updates(process, Path("many"))
    process.kill()
    _, errors = finish(process)  # stderr ends when the last worker ends
    assert "Traceback" not in errors
    assert "torchrun is gone; the same command resumes" in errors
    assert len([*Path("many/checkpoints").glob("*.json")]) == 1


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK", "MASTER_PORT"])
def test_a_variable_that_is_not_a_number_is_an_error(
    nmt: Run, tiny: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost"}
    for key, value in {**given, "MASTER_PORT": "29511", name: "two"}.items():
        monkeypatch.setenv(key, value)
    refused = nmt("train", tiny)
    assert refused.code == 1
    assert f"{name} is 'two', not a whole number" in refused.err


def test_an_error_of_the_first_worker_stops_all_with_its_message(nmt: Run, tiny: Path) -> None:
    Path("train.tgt").write_text("SUN\n")
    with worker_processes(2, NMT, "train", tiny) as processes:
        (code, errors), (other_code, other_errors) = map(finish, processes)
    assert (code, other_code) == (1, 1)
    message = "train.src has 120 lines but "
    assert message in errors.splitlines()[-1]
    assert other_errors.startswith("nmt: stopped because worker 0 failed: ")
    assert message in other_errors
    assert "Traceback" not in errors + other_errors
