"""Many workers on one run: real processes, some under torchrun, and workers that are lost."""

import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import nmt as package
from nmt.errors import NmtError
from nmt.training.trainer import repeatable
from nmt.training.workers import Workers, check_gpus, gpu_index, local_device
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
SAME = ["--max-updates", "12", "--set", "model.dropout=0.0", "--set", "train.report_updates=1"]


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
    return conftest.weights(Path(run, "checkpoints/update-00000012.safetensors"))


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
    assert Workers().on_first_worker(lambda: [1, 2]) == [1, 2]


@pytest.mark.parametrize(
    ("count", "positions"),
    [(2, "learned"), pytest.param(4, "sinusoidal", marks=pytest.mark.slow)],
)
def test_many_workers_take_the_updates_of_one(
    nmt: Run, tiny: Path, count: int, positions: str
) -> None:
    """They resume a run of one process; some batches have an odd number of pairs."""
    same = [*SAME, "--set", f"model.positions={positions}"]
    assert nmt("train", tiny, "--run", "one", *same).code == 0
    same += ["--set", "train.micro_batch_tokens=30"]
    assert nmt("train", tiny, "--run", "many", *same, "--max-updates", 3).code == 0
    with worker_processes(count, NMT, "train", tiny, "--run", "many", *same) as processes:
        ended = [finish(each) for each in processes]
    assert [code for code, _ in ended] == [0] * count, ended
    assert len(losses(Path("many"))) == 12
    assert losses(Path("many")) == pytest.approx(losses(Path("one")), rel=1e-5)
    for name, tensor in weights("one").items():
        assert float((weights("many")[name] - tensor).norm() / tensor.norm()) < 1e-4, name
    first, *others = (errors for _, errors in ended)
    assert f", {count} workers; run folder many" in first
    assert "resumed at update 3" in first
    assert "".join(others) == ""  # only the first worker prints


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
    """Each worker stops after its current batch, one of ten that take seconds each.

    The checkpoint records that its update is not validated, so that a resumed run does it.
    """
    options = ["--max-updates", 8, "--set", "train.validate_updates=6"]
    slow = ["--set", "decode.max_extra_tokens=1500", "--set", "decode.batch_tokens=1"]
    arguments = ["train", tiny, "--run", "many", *options, *slow]
    with worker_processes(2, MARK_VALIDATION, *arguments) as processes:
        wait_until(Path("validating").exists, processes[0])
        for each in processes:
            each.send_signal(signal.SIGTERM)
        (code, errors), (_, others) = map(finish, processes)
    assert code == 143
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


# `nmt train` whose worker 1 is killed once, in update 7.
KILL_ONCE = """
import os, signal, sys
from pathlib import Path
from nmt.commands import main
from nmt.training.updates import Updater

start = Updater.start

def ending(self, share, number, *arguments):
    if number == 7 and os.environ["RANK"] == "1" and not Path("killed").exists():
        Path("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return start(self, share, number, *arguments)

Updater.start = ending
main(sys.argv[1:])
"""


def test_gradients_can_be_exchanged_in_bf16(nmt: Run, tiny: Path) -> None:
    """Rounded to bf16: losses stay near those of one process, weights differ by more than 1e-4.

    `test_many_workers_take_the_updates_of_one` finds less with float32.
    """
    assert nmt("train", tiny, "--run", "exact", *SAME).code == 0
    rounded = [*SAME, "--set", "train.gradient_precision=bf16", "--set", "train.bucket_megabytes=1"]
    run_group(2, "train", tiny, "--run", "rounded", *rounded)
    assert losses(Path("rounded")) == pytest.approx(losses(Path("exact")), rel=0.02)
    one, other = weights("exact"), weights("rounded")
    assert max(float((other[name] - one[name]).norm() / one[name].norm()) for name in one) > 1e-4
    assert {each.dtype for each in other.values()} == {torch.float32}


def test_torchrun_starts_lost_workers_again(tiny: Path) -> None:
    """They resume from the last checkpoint, with the key-value store of the workers before."""
    script = tiny.with_name("kill_once.py")
    script.write_text(KILL_ONCE)
    options = ["--nproc-per-node", 2, "--standalone", "--max-restarts", 1, "--", script]
    training = ["train", tiny, "--run", "many", *SAME, "--set", "train.checkpoint_updates=5"]
    process = start_process("-m", "torch.distributed.run", *options, *training)
    code, errors = finish(process)
    assert code == 0, errors
    assert "worker 1 exited without an error message (killed?)" in errors
    assert "resumed at update 5 of 12" in errors


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


SOON = ["--set", "train.validate_updates=4", "--set", "train.checkpoint_updates=6"]


# `nmt train` whose worker VICTIM meets its end when it first calls the function PLACE.
END_AT_PLACE = """
import importlib, os, signal, sys
from nmt.commands import main

module, _, path = os.environ["PLACE"].partition(":")
owner = importlib.import_module(module)
*classes, name = path.split(".")
for each in classes:
    owner = getattr(owner, each)
original = getattr(owner, name)

def ending(*arguments, **options):
    if os.environ["RANK"] == os.environ["VICTIM"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)

setattr(owner, name, ending)
main(sys.argv[1:])
"""


# Worker VICTIM is killed; the other cannot notice it: it waits as if for a GPU.
WAIT_FOR_EVER = """
import os, signal, time
import torch
from nmt.training.workers import join_workers

with join_workers(torch.device("cpu")) as workers:
    workers.meet()
    if workers.rank == int(os.environ["VICTIM"]):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(1000)
"""


PLACES = {
    "start": "nmt.training.trainer:set_up_workers",
    "prepare": "nmt.training.setup:prepare",
    "probe": "nmt.training.updates:Updater.try_batch",
    "update": "nmt.training.updates:Updater.start",
    "validation": "nmt.training.validation:DevSet.validate",
    "save": "nmt.training.trainer:Trainer.save",
    "average": "nmt.training.trainer:Trainer.average",
}


def ends(processes: list[Process], victim: int) -> list[tuple[int, str]]:
    """Return exit code and stderr of each worker but one, which ends first.

    Fails if the others run for longer than LIMIT_SECONDS after it.
    """
    wait_until(lambda: processes[victim].poll() is not None)
    deadline = time.monotonic() + LIMIT_SECONDS
    others = [each for rank, each in enumerate(processes) if rank != victim]
    errors = [each.communicate(timeout=deadline - time.monotonic())[1] for each in others]
    return [(each.returncode, text.decode()) for each, text in zip(others, errors, strict=True)]


@pytest.mark.parametrize(
    ("phase", "count", "victim"),
    [
        ("update", 2, 1),
        ("save", 2, 0),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("start", 2, 1),
                ("prepare", 2, 0),
                ("probe", 2, 0),
                ("probe", 2, 1),
                ("update", 2, 0),
                ("update", 4, 2),
                ("validation", 2, 0),
                ("validation", 2, 1),
                ("save", 2, 1),
                ("average", 2, 0),
                ("average", 4, 3),
            )
        ),
    ],
)
def test_a_worker_killed_in_any_phase_ends_the_others(
    tiny: Path, phase: str, count: int, victim: int
) -> None:
    ending = {"PLACE": PLACES[phase], "VICTIM": str(victim)}
    with worker_processes(count, END_AT_PLACE, "train", tiny, *SOON, **ending) as processes:
        for code, errors in ends(processes, victim):
            assert code == 1, errors
            last = errors.splitlines()[-1]
            reason = f"stopped because worker {victim} exited without an error message (killed?)"
            assert last.startswith(f"nmt: {reason}; the same command resumes"), errors
            assert "Traceback" not in errors


def test_a_worker_that_waits_for_a_lost_one_is_ended() -> None:
    with worker_processes(2, WAIT_FOR_EVER, VICTIM="1") as processes:
        ((code, errors),) = ends(processes, victim=1)
        assert code == 1
        assert "nmt: stopped because worker 1 exited without an error message" in errors


def test_the_first_worker_may_end_together_with_the_store() -> None:
    """Its machine is lost, too."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    variables = {"MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": "", "VICTIM": "0"}
    with worker_processes(2, WAIT_FOR_EVER, **variables) as processes:
        ((code, errors),) = ends(processes, victim=0)
        assert code == 1
        assert "nmt: stopped because worker 0 exited without an error message" in errors


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


def test_each_worker_takes_its_own_gpu() -> None:
    assert [gpu_index(rank, 8) for rank in range(8)] == [*range(8)]
    assert [gpu_index(rank, 1) for rank in range(8)] == [0] * 8  # each sees only its own
    with pytest.raises(NmtError, match="worker 2 of this machine has no GPU: there are 2"):
        gpu_index(2, 2)


def test_two_workers_on_one_gpu_are_refused() -> None:
    check_gpus(["a 1", "a 2", "b 1"])
    with pytest.raises(NmtError, match="workers 1 and 2 have the same GPU"):
        check_gpus(["a 1", "b 1", "b 1"])
