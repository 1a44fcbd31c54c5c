"""Many workers on one run: real processes, some under torchrun, and workers that are lost."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

import nmt as package
from nmt.errors import NmtError
from nmt.training.parallel.workers import check_gpus, gpu_index, local_device
from nmt.training.trainer import repeatable
from tests.conftest import Run
from tests.training import conftest
from tests.training.conftest import (
    NMT,
    TINY,
    Process,
    Train,
    finish,
    losses,
    options,
    read_metrics,
    run_group,
    start_process,
    worker_processes,
)
from tests.waiting import wait_until

Variables = dict[str, str]
CLI = Path(package.__file__).parent.parent / "cli.py"
# Without dropout, because each worker draws its own masks. The tiny recipe's warm-up of 10 updates
# would amplify rounding errors.
STILL = ("model.dropout=0.0", "train.warmup_updates=400", "train.report_updates=1")


ENDLESS = ("train.max_updates=100000", "train.validate_updates=100000")


def torchrun(*arguments: object, restarts: int = 0) -> Process:
    given = ["--nproc-per-node", 2, "--standalone", "--max-restarts", restarts, "--", *arguments]
    return start_process("-m", "torch.distributed.run", *given)


def wait_for_updates(process: Process, count: int) -> None:
    wait_until(lambda: len(read_metrics(TINY.path)) >= count, process)


def weights(run: str | Path) -> dict[str, Tensor]:
    return conftest.weights(Path(run, "checkpoints/update-00000012.safetensors"))


@pytest.mark.parametrize(
    ("count", "positions"),
    [(2, "learned"), pytest.param(4, "sinusoidal", marks=pytest.mark.slow)],
)
def test_many_workers_take_the_updates_of_one(
    train: Train, tiny: Path, count: int, positions: str
) -> None:
    """They resume a run of one process; some batches have an odd number of pairs."""
    same = [*STILL, f"model.positions={positions}"]
    train(*same, run="one")
    same.append("train.micro_batch_tokens=30")
    train(*same, updates=3)
    first, *others = run_group(count, "train", tiny, *options(*same))
    assert len(losses(TINY.path)) == 12
    assert losses(TINY.path) == pytest.approx(losses(Path("one")), rel=1e-5)
    many = weights(TINY.path)
    for name, tensor in weights("one").items():
        assert float((many[name] - tensor).norm() / tensor.norm()) < 1e-4, name
    assert f", {count} workers; run folder runs/tiny" in first
    assert "resumed at update 3" in first
    assert "".join(others) == ""  # only the first worker prints


def test_a_batch_with_fewer_pairs_than_workers(train: Train, tiny: Path) -> None:
    """Each update has one pair for two workers: one worker has no pair."""
    single = [*STILL, "train.batch_source_tokens=1", "train.bpe_dropout=0.2"]
    train(*single, run="one", updates=6)
    run_group(2, "train", tiny, "--max-updates", 6, *options(*single))
    assert losses(TINY.path) == pytest.approx(losses(Path("one")), rel=1e-5)


def test_a_signal_interrupts_a_validation(tiny: Path) -> None:
    """Each worker stops after its current batch, one of ten that take seconds each.

    The checkpoint records that its update is not validated, so that a resumed run does it.
    """
    slow = options("decode.max_extra_tokens=1500", "decode.batch_tokens=1")
    reached = at_phase("validation", 0, received=0)
    with worker_processes(2, AT_PHASE, "train", tiny, *slow, **reached) as processes:
        wait_until(Path("reached").exists, processes[0])
        for process in processes:
            process.send_signal(signal.SIGTERM)
        (code, errors), (_, others) = map(finish, processes)
    assert code == 143
    assert "stopped at update 6, checkpoint saved" in errors
    assert "nmt: " not in errors
    assert "stopping at the end of this update" in errors
    assert others == ""  # only the first worker prints
    manifest = json.loads((TINY.checkpoints / "update-00000006.json").read_text())
    assert (manifest["progress"]["update"], manifest["progress"]["validated_update"]) == (6, 0)


def test_workers_end_when_torchrun_is_killed(tiny: Path) -> None:
    """They save a checkpoint first; none keeps running and keeps the run folder locked."""
    endless = options(*STILL, *ENDLESS, "train.checkpoint_updates=100000")
    process = torchrun(CLI, "train", tiny, *endless)
    wait_for_updates(process, 6)
    process.kill()
    _, errors = finish(process)  # stderr ends when the last worker ends
    assert "Traceback" not in errors
    assert "torchrun is gone; the same command resumes" in errors
    assert len([*TINY.checkpoints.glob("*.json")]) == 1


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK", "MASTER_PORT"])
def test_a_variable_that_is_not_a_number_is_an_error(
    train: Train, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost"}
    for key, value in {**given, "MASTER_PORT": "29511", name: "two"}.items():
        monkeypatch.setenv(key, value)
    assert f"{name} is 'two', not a whole number" in train(code=1)


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


def test_gradients_can_be_exchanged_in_bf16(train: Train, tiny: Path) -> None:
    """Rounded to bf16: losses stay near those of one process, weights differ by more than 1e-4.

    `test_many_workers_take_the_updates_of_one` finds less with float32.
    """
    train(*STILL, run="exact")
    rounded = options(*STILL, "train.gradient_precision=bf16", "train.bucket_megabytes=1")
    run_group(2, "train", tiny, *rounded)
    assert losses(TINY.path) == pytest.approx(losses(Path("exact")), rel=0.02)
    one, other = weights("exact"), weights(TINY.path)
    assert max(float((other[name] - one[name]).norm() / one[name].norm()) for name in one) > 1e-4
    assert {tensor.dtype for tensor in other.values()} == {torch.float32}


def test_torchrun_restarts_lost_workers_and_one_process_resumes_them(
    train: Train, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new workers have the key-value store of those before; SIGTERM stops both at one update.

    They resume from the last checkpoint, and then one process from theirs.
    """
    for name, value in at_phase("update", victim=1, call=7).items():
        monkeypatch.setenv(name, value)
    script = tiny.with_name("killed_once.py")
    script.write_text(AT_PHASE)
    endless = options(*STILL, *ENDLESS, "train.checkpoint_updates=5")
    process = torchrun(script, "train", tiny, *endless, restarts=1)
    wait_for_updates(process, 12)  # the first workers end before
    process.send_signal(signal.SIGTERM)
    code, errors = finish(process)
    assert code != 0  # of torchrun
    lost, _, restarted = errors.partition("resumed at update 5 of ")
    assert "worker 1 exited without an error message (killed?)" in lost
    assert "checkpoint saved" in restarted
    assert "nmt: " not in restarted  # no worker lost its connection to the other
    stopped = int(restarted.partition("stopped at update ")[2].partition(",")[0])
    settings = (*STILL, "train.validate_updates=100000", f"train.max_updates={stopped + 3}")
    assert f"resumed at update {stopped}" in train(*settings, "train.checkpoint_updates=5")
    train(*settings, run="one")
    assert losses(TINY.path) == pytest.approx(losses(Path("one")), rel=1e-4)


def test_only_a_gpu_is_made_to_repeat_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    enabled = torch.are_deterministic_algorithms_enabled
    with repeatable(torch.device("cpu"), wanted=True):
        assert not enabled()
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    with repeatable(torch.device("cuda"), wanted=False):
        assert not enabled()
    with repeatable(torch.device("cuda"), wanted=True):
        assert enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not enabled()


LIMIT_SECONDS = 30


# `nmt` whose worker VICTIM gets a SIGNAL, once, at its call number CALL of the function PHASE.
AT_PHASE = """
import importlib, os, sys
from pathlib import Path
from nmt.commands import main

wanted = [os.environ["VICTIM"], int(os.environ["CALL"])]
module, _, path = os.environ["PHASE"].partition(":")
owner = importlib.import_module(module)
*classes, name = path.split(".")
for part in classes:
    owner = getattr(owner, part)
original = getattr(owner, name)
calls = []

def ending(*arguments, **options):
    calls.append(name)
    if [os.environ["RANK"], len(calls)] == wanted and not Path("reached").exists():
        Path("reached").touch()
        os.kill(os.getpid(), int(os.environ["SIGNAL"]))
    return original(*arguments, **options)

setattr(owner, name, ending)
main(sys.argv[1:])
"""


def at_phase(phase: str, victim: int, received: int = signal.SIGKILL, call: int = 1) -> Variables:
    """Return the environment of AT_PHASE; signal 0 only notes that the phase is reached."""
    given = {"PHASE": PHASES[phase], "VICTIM": victim, "SIGNAL": int(received), "CALL": call}
    return {name: str(value) for name, value in given.items()}


# Worker VICTIM is killed; the other cannot notice it: it waits as if for a GPU.
WAIT_FOR_EVER = """
import os, signal, time
import torch
from nmt.training.parallel.workers import join_workers

with join_workers(torch.device("cpu")) as workers:
    workers.meet()
    if workers.rank == int(os.environ["VICTIM"]):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(1000)
"""


PHASES = {
    "start": "nmt.training.trainer:set_up_workers",
    "prepare": "nmt.training.setup:prepare",
    "probe": "nmt.training.updates:Updater.try_batch",
    "update": "nmt.training.updates:Updater.start",
    "validation": "nmt.training.validation:DevSet.validate",
    "save": "nmt.training.trainer:Trainer.save",
    "average": "nmt.training.trainer:Trainer.average",
}


def ends(processes: list[Process], victim: int) -> None:
    """Assert that the other workers end with a message after one, in LIMIT_SECONDS."""
    wait_until(lambda: processes[victim].poll() is not None)
    deadline = time.monotonic() + LIMIT_SECONDS
    for process in (*processes[:victim], *processes[victim + 1 :]):
        errors = process.communicate(timeout=deadline - time.monotonic())[1].decode()
        assert process.returncode == 1, errors
        last = errors.splitlines()[-1]
        reason = f"stopped because worker {victim} exited without an error message (killed?)"
        assert last.startswith(f"nmt: {reason}; the same command resumes"), errors
        assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("phase", "count", "victim"),
    [
        ("update", 2, 1),
        ("save", 2, 0),
        *(
            pytest.param(phase, count, victim, marks=pytest.mark.slow)
            for count, victim, phases in (
                (2, 0, ("prepare", "probe", "update", "validation", "average")),
                (2, 1, ("start", "probe", "validation", "save")),
                (4, 2, ("update", "average")),
            )
            for phase in phases
        ),
    ],
)
def test_a_worker_killed_in_any_phase_ends_the_others(
    tiny: Path, phase: str, count: int, victim: int
) -> None:
    soon = options("train.validate_updates=4", "train.checkpoint_updates=6")
    ending = at_phase(phase, victim)
    with worker_processes(count, AT_PHASE, "train", tiny, *soon, **ending) as processes:
        ends(processes, victim)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_waits_for_a_lost_one_is_ended(victim: int) -> None:
    """The first worker may end together with the store, where its machine is lost, too."""
    variables = {"VICTIM": str(victim)}
    if victim == 0:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
        variables |= {"MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": ""}
    with worker_processes(2, WAIT_FOR_EVER, **variables) as processes:
        ends(processes, victim)


def test_a_worker_chooses_its_gpu_before_anything_is_allocated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    current: list[int] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", current.append)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert [local_device(name) for name in ("auto", "cuda", "cpu")] == ["auto", "cuda", "cpu"]
    assert not current
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert [local_device(name) for name in ("cpu", "cuda:0")] == ["cpu", "cuda:0"]
    assert [local_device(name) for name in ("auto", "cuda")] == ["cuda:1", "cuda:1"]
    assert current == [1, 1]


def test_each_worker_has_its_own_gpu() -> None:
    assert [gpu_index(rank, 8) for rank in range(8)] == [*range(8)]
    assert [gpu_index(rank, 1) for rank in range(8)] == [0] * 8  # each sees only its own
    with pytest.raises(NmtError, match="worker 2 of this machine has no GPU: there are 2"):
        gpu_index(2, 2)
    check_gpus(["a 1", "a 2", "b 1"])
    with pytest.raises(NmtError, match="workers 1 and 2 have the same GPU"):
        check_gpus(["a 1", "b 1", "b 1"])
