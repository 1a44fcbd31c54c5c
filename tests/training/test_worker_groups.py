"""Groups of workers: a group of one, the exchange of gradients, and how a run resumes."""

import os
from pathlib import Path

import pytest
import torch

from nmt.training.train import repeatable
from tests.conftest import Run
from tests.training.conftest import finish, losses, run_group, start_process, weights
from tests.training.test_workers import SAME

LAST = "checkpoints/update-00000020.safetensors"

# `nmt train` that compares what the first worker sends with what the checkpoint holds.
RESUME = """
import copy, os, sys
import torch
from nmt.commands import main
from nmt.training import shared_resume, trainer

resume = shared_resume.resume
sent = shared_resume.resume_workers

def unreadable(*arguments):
    raise OSError("only the first worker reads checkpoints")

def compared(run, update, network, optimizer, workers):
    own = copy.deepcopy(network)
    own_optimizer = torch.optim.Adam(own.parameters(), fused=True)
    read = resume(run, update, own, own_optimizer)
    if not workers.is_first:
        shared_resume.resume = unreadable
    assert sent(run, update, network, optimizer, workers) == read
    for name, tensor in own.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name
    one, other = optimizer.state_dict(), own_optimizer.state_dict()
    assert one["param_groups"] == other["param_groups"]
    assert one["state"].keys() == other["state"].keys() != set()
    for number, state in one["state"].items():
        for name, tensor in state.items():
            there = other["state"][number][name]
            assert torch.equal(tensor, there) and tensor.dtype == there.dtype, name
    return read

trainer.resume_workers = compared
main(sys.argv[1:])
"""


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


def test_a_group_of_one_takes_the_updates_of_one_process(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--run", "one", *SAME).code == 0
    run_group(1, "train", tiny, "--run", "group", *SAME)
    assert losses(Path("group")) == pytest.approx(losses(Path("one")), rel=1e-5)


def test_the_first_worker_reads_the_checkpoint_for_all(nmt: Run, tiny: Path) -> None:
    """The others receive weights and optimiser state, bit for bit."""
    assert nmt("train", tiny, *SAME, "--max-updates", "9").code == 0
    assert "resumed at update 9" in run_group(2, "train", tiny, *SAME, script=RESUME)


def test_gradients_can_be_exchanged_in_bf16(nmt: Run, tiny: Path) -> None:
    """Rounded to bf16: losses stay near those of one process, weights differ by more than 1e-4.

    `test_many_workers_take_the_updates_of_one` finds less with float32.
    """
    assert nmt("train", tiny, "--run", "exact", *SAME).code == 0
    rounded = [*SAME, "--set", "train.gradient_precision=bf16", "--set", "train.bucket_megabytes=1"]
    run_group(2, "train", tiny, "--run", "rounded", *rounded)
    assert losses(Path("rounded")) == pytest.approx(losses(Path("exact")), rel=0.02)
    one, other = (weights(Path(run, LAST)) for run in ("exact", "rounded"))
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
    assert "resumed at update 5 of 20" in errors


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
