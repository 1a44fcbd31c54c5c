"""A worker that is killed, or that fails, ends the others soon and with the reason.

The workers are started without torchrun, which would end them on its machine: on other machines
nobody does. This process keeps the key-value store, so that it outlives every worker.
"""

import socket
import time
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.training.workers import check_gpus, gpu_index, local_device
from tests.training.conftest import Process, worker_processes
from tests.waiting import wait_until

LIMIT_SECONDS = 30
SOON = ["--set", "train.validate_updates=4", "--set", "train.checkpoint_updates=6"]

# `nmt train` whose worker VICTIM meets its end when it first calls the function PLACE.
TRAIN = """
import importlib, os, signal, sys
from nmt.commands import main
from nmt.errors import NmtError

module, _, path = os.environ["PLACE"].partition(":")
owner = importlib.import_module(module)
*classes, name = path.split(".")
for each in classes:
    owner = getattr(owner, each)
original = getattr(owner, name)

def ending(*arguments, **options):
    if os.environ["RANK"] == os.environ["VICTIM"]:
        if os.environ["END"] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise NmtError(os.environ["END"])
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
    ending = {"PLACE": PLACES[phase], "VICTIM": str(victim), "END": "killed"}
    with worker_processes(count, TRAIN, "train", tiny, *SOON, **ending) as processes:
        for code, errors in ends(processes, victim):
            assert code == 1, errors
            last = errors.splitlines()[-1]
            reason = f"stopped because worker {victim} exited without an error message (killed?)"
            assert last.startswith(f"nmt: {reason}; the same command resumes"), errors
            assert "Traceback" not in errors


@pytest.mark.parametrize("phase", ["probe", pytest.param("validation", marks=pytest.mark.slow)])
def test_the_error_of_one_worker_reaches_the_others(tiny: Path, phase: str) -> None:
    ending = {"PLACE": PLACES[phase], "VICTIM": "1", "END": "too little memory"}
    with worker_processes(2, TRAIN, "train", tiny, *SOON, **ending) as processes:
        ((code, errors),) = ends(processes, victim=1)
        assert code == 1
        assert errors.splitlines()[-1] == "nmt: stopped because worker 1 failed: too little memory"


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
