"""A training on a device: its batches, its resume after a kill, a group of one, its memory."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.synthetic import SyntheticPairs
from nmt.training.loader import GPU, BatchLoader
from nmt.training.parallel.workers import Workers
from tests.conftest import Run
from tests.gpu.conftest import NEEDS_GPU
from tests.training.conftest import (
    assert_same,
    finish,
    losses,
    plan_batches,
    read_metrics,
    start_process,
)
from tests.waiting import wait_until

CLI = Path(__file__).resolve().parents[2] / "cli.py"
# Sums on a GPU are in no fixed order unless this setting asks for it.
EXACT = ["--set", "train.deterministic=true"]
LONG = ["--max-updates", 60, "--set", "train.checkpoint_updates=5"]
LONG += ["--set", "train.report_updates=2", "--set", "train.validate_updates=60", *EXACT]
ONE = ["--max-updates", 20, "--set", "train.report_updates=1", "--set", "model.dropout=0.0"]
ONE += ["--set", "train.warmup_updates=400"]


def make_loader(device: torch.device, ahead: int, micro: int = 0) -> BatchLoader:
    pairs: Any = SyntheticPairs.of(300, vocabulary=50)
    return BatchLoader(
        pairs,
        lambda epoch: plan_batches(pairs, 400, 400, epoch),
        epoch=0,
        batch=0,
        workers=Workers(),
        micro_batch_tokens=micro,
        prefetch=replace(GPU, batches_ahead=ahead),
        device=device,
    )


@pytest.mark.parametrize("micro", [0, 100])
def test_a_feed_gives_a_device_the_batches_of_the_cpu(
    real_device: torch.device, micro: int
) -> None:
    """Pinned and copied in a thread, also where the device is kept busy meanwhile."""
    with (
        make_loader(torch.device("cpu"), 0, micro) as plain,
        make_loader(real_device, 4, micro) as ahead,
    ):
        busy = torch.randn(300, 300, device=real_device)
        for _ in range(60):
            expected, found = next(plain), next(ahead)
            busy = busy @ busy.softmax(-1)
            assert len(found.share) == len(expected.share)
            for ours, theirs in zip(found.share, expected.share, strict=True):
                assert ours.source.device.type == real_device.type
                for name in ("source", "target_input", "labels"):
                    assert torch.equal(getattr(ours, name).cpu(), getattr(theirs, name)), name
                assert ours.target_tokens == theirs.target_tokens


def test_a_killed_training_resumes_exactly(
    nmt: Run, tiny: Path, trained_device: torch.device
) -> None:
    """The kill comes at some moment after the first checkpoint; then the same command goes on."""
    on_device = [*LONG, "--device", trained_device.type]
    assert nmt("train", tiny, "--run", "whole", *on_device).code == 0
    process = start_process("-m", "nmt", "train", tiny, "--run", "killed", *on_device)
    metrics = Path("killed/metrics.jsonl")
    wait_until(lambda: metrics.is_file() and len(read_metrics(Path("killed"))) > 3, process)
    process.kill()
    code, errors = finish(process)
    assert code == -signal.SIGKILL, errors
    resumed = nmt("train", tiny, "--run", "killed", *on_device)
    assert resumed.code == 0
    assert "resumed at update" in resumed.err
    assert_same(Path("whole/model.safetensors"), Path("killed/model.safetensors"))
    assert losses(Path("whole")) == losses(Path("killed"))


def test_a_device_takes_the_updates_of_the_cpu(
    nmt: Run, tiny: Path, real_device: torch.device
) -> None:
    assert nmt("train", tiny, "--run", "cpu", *ONE, "--device", "cpu").code == 0
    assert nmt("train", tiny, "--run", "device", *ONE, "--device", real_device.type).code == 0
    assert losses(Path("device")) == pytest.approx(losses(Path("cpu")), rel=1e-3)


def test_a_group_of_one_takes_the_updates_of_a_single_process(
    nmt: Run, tiny: Path, trained_device: torch.device
) -> None:
    """NCCL on a GPU, gloo on a CPU; the group is real although it has one member."""
    options = [*ONE, "--device", trained_device.type]
    assert nmt("train", tiny, "--run", "one", *options).code == 0
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", 1, "--standalone", "--"]
    process = start_process(*launch, CLI, "train", tiny, "--run", "group", *options)
    code, errors = finish(process)
    assert code == 0, errors
    assert losses(Path("group")) == pytest.approx(losses(Path("one")), rel=1e-4)


@NEEDS_GPU
def test_too_little_memory_of_a_gpu_is_a_sentence(tiny: Path) -> None:
    """400 MB are left to the process: enough for the model, too little for the whole corpus."""
    script = tiny.with_name("little.py")
    script.write_text(
        "import sys, torch\n"
        "memory = torch.cuda.get_device_properties(0).total_memory\n"
        "torch.cuda.set_per_process_memory_fraction(4e8 / memory)\n"
        "from nmt.commands import main\n"
        "main(sys.argv[1:])\n"
    )
    whole = ["--set", "model.d_ff=131072", "--device", "cuda"]
    for name in ("batch_source_tokens", "batch_target_tokens", "micro_batch_tokens"):
        whole += ["--set", f"train.{name}=100000"]
    code, errors = finish(start_process(script, "train", tiny, *whole))
    assert code == 1, errors
    assert "Traceback" not in errors
    assert "too little memory for" in errors.splitlines()[-1]
