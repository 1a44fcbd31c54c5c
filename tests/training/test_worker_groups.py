"""Groups of workers: a group of one, the exchange of gradients, and how a run resumes."""

import os
from pathlib import Path

import pytest
import torch

from nmt.training.trainer import repeatable
from tests.conftest import Run
from tests.training.conftest import finish, losses, run_group, start_process, weights
from tests.training.test_workers import SAME

LAST = "checkpoints/update-00000020.safetensors"

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


def test_workers_resume_a_run_of_one_process(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--run", "one", *SAME).code == 0
    assert nmt("train", tiny, "--run", "group", *SAME, "--max-updates", "9").code == 0
    assert "resumed at update 9" in run_group(2, "train", tiny, "--run", "group", *SAME)
    assert losses(Path("group")) == pytest.approx(losses(Path("one")), rel=1e-5)


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
