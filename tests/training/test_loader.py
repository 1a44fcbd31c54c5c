"""The batch loader of a GPU, and how late its results are read, change no result.

What a GPU gets ahead of time is tried on the CPU: batches come from a thread, results one update
late, lengths in multiples. The test of trainings that are killed compares whole runs with both.
"""

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.recipe.files import load_recipe
from nmt.runs.model_file import ModelFile
from nmt.text.batches import PairDataset
from nmt.training import trainer
from nmt.training.files import checkpoints
from nmt.training.files.checkpoints import CheckpointWriter
from nmt.training.files.progress import Progress
from nmt.training.loader import CPU, GPU, BatchLoader, Prefetch, choose_prefetch
from nmt.training.parallel.workers import Workers
from tests.text.conftest import TinyCorpus
from tests.training.conftest import (
    LATE,
    TINY,
    Train,
    assert_same,
    finish,
    plan_batches,
    read_lines,
    sigterm_in_update,
    worker_processes,
)
from tests.waiting import wait_until


@pytest.fixture
def dataset(tiny: Path, tmp_path: Path) -> PairDataset:
    prepared = TinyCorpus(load_recipe(str(tiny)), tmp_path).prepare()
    return PairDataset(prepared.shards, prepared.names)


@pytest.fixture
def gpu_prefetch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "choose_prefetch", lambda device: LATE)


def test_the_thread_that_works_ahead_uses_the_gpu_of_the_training(
    dataset: PairDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thread has a current GPU, by default the first one."""
    chosen: list[torch.device] = []
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    monkeypatch.setattr(BatchLoader, "_batch", lambda *_: "batch")
    with make_loader(
        dataset, LATE, plan=lambda _: [numpy.array([0, 1])], device="cuda:1"
    ) as batches:
        assert str(next(batches)) == "batch"
    assert chosen == [torch.device("cuda:1")]


def make_loader(
    dataset: PairDataset,
    prefetch: Prefetch,
    epoch: int = 0,
    batch: int = 0,
    rank: int | None = None,
    plan: Any = None,
    device: str = "cpu",
) -> BatchLoader:
    """Return a loader of batches of 60 tokens, or of another plan; rank: of two workers."""
    return BatchLoader(
        dataset,
        plan or (lambda number: plan_batches(dataset, 60, 60, number)),
        epoch=epoch,
        batch=batch,
        workers=Workers() if rank is None else Workers(rank, 2),
        prefetch=prefetch,
        device=torch.device(device),
    )


@pytest.mark.usefixtures("gpu_prefetch")
def test_a_signal_waits_for_what_was_started(train: Train, tiny_run: Path) -> None:
    """A signal during update 3 is seen one update late; both are in the checkpoint."""
    with sigterm_in_update(3):
        assert "stopped at update 4, checkpoint saved" in train(code=143)
    train()
    assert_same(tiny_run / "model.safetensors", TINY.model)


# `nmt train` of two workers, the second of which gets SIGTERM; writing a checkpoint takes a second.
SLOW_SAVES = """
import os, sys, time
from nmt.commands import main
from nmt.training import trainer
from nmt.training.files import checkpoints
from tests.training.conftest import LATE, sigterm_in_update

save = checkpoints.save_checkpoint

def slow(*given):
    time.sleep(1)
    save(*given)

trainer.choose_prefetch = lambda device: LATE
checkpoints.save_checkpoint = slow
with sigterm_in_update(3 * int(os.environ["RANK"])):
    main(sys.argv[1:])
"""


def test_no_worker_ends_before_the_last_checkpoint_is_written(tiny: Path) -> None:
    """A launcher kills the others soon after the first one that ends."""
    with worker_processes(2, SLOW_SAVES, "train", tiny) as processes:
        wait_until(lambda: any(process.poll() is not None for process in processes))
        found = [path.name for path in TINY.checkpoints.glob("*.json")]
        ended = [finish(process) for process in processes]
    assert [code for code, _ in ended] == [143, 143], ended
    assert found == ["update-00000004.json"]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what `save` of a writer takes, whose every write fails."""

    def fail(*_: object) -> None:
        raise NmtError("no space left")

    monkeypatch.setattr(checkpoints, "save_checkpoint", fail)
    model = torch.nn.Linear(1, 1)
    content = ModelFile({}, b"", Recipe("tiny"), ())
    return [model, torch.optim.Adam(model.parameters()), Progress(), "", content]


def test_a_checkpoint_that_failed_in_the_background_is_noticed_without_waiting(
    given: Any,
) -> None:
    """The first one of a run is not written in the background."""
    with pytest.raises(NmtError, match="no space left"):
        CheckpointWriter(TINY, in_background=True).save(*given)
    TINY.checkpoints.mkdir(parents=True)
    for suffix in (".json", ".state.pt"):
        (TINY.checkpoints / f"update-00000001{suffix}").touch()
    writer = CheckpointWriter(TINY, in_background=True)
    writer.check()
    before = threading.active_count()
    writer.save(*given)
    wait_until(lambda: threading.active_count() == before)
    with pytest.raises(NmtError, match="no space left"):
        writer.check()
    writer.check()  # reported once


@pytest.mark.parametrize("in_background", [False, True])
def test_nothing_is_written_if_the_folder_has_moved(given: Any, in_background: bool) -> None:
    """The check comes directly before the write, in its thread; the write would fail here."""
    TINY.path.mkdir(parents=True)
    writer = CheckpointWriter(TINY, in_background=in_background)
    TINY.path.rename("away")
    TINY.path.mkdir()
    with pytest.raises(NmtError, match="was moved or removed"), writer:
        writer.save(*given)


@pytest.mark.parametrize("in_background", [False, True])
def test_a_checkpoint_that_failed_keeps_no_weights_in_memory(
    given: Any, in_background: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the garbage collector, which may come late: a notebook trains again at once."""
    made: list[weakref.ref[object]] = []

    def fail(_: object, content: ModelFile, *__: object) -> None:
        made.append(weakref.ref(content))
        raise NmtError("no space left")

    monkeypatch.setattr(checkpoints, "save_checkpoint", fail)
    writer = CheckpointWriter(TINY, in_background=in_background)
    gc.disable()
    try:
        with pytest.raises(NmtError, match="no space left") as raised:
            writer.save(*given)
        del raised
        assert [content() for content in made] == [None]
    finally:
        gc.enable()


def test_a_thread_that_cannot_start_is_not_waited_for(
    given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits at the end of the training would hide that memory ran out."""

    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with (
        pytest.raises(RuntimeError, match="can't start new thread"),
        CheckpointWriter(TINY, in_background=True) as writer,
    ):
        writer.save(*given)


@pytest.mark.usefixtures("gpu_prefetch", "nan_in_update_3")
def test_an_update_that_is_not_finite_changes_nothing_though_its_result_comes_late(
    train: Train,
) -> None:
    assert "update 3 skipped: its loss is NaN or infinite" in train()
    (skipped,) = read_lines("skipped")
    assert (skipped["update"], skipped["skipped"]) == (3, 1)


def test_a_cpu_waits_and_a_gpu_does_not() -> None:
    assert choose_prefetch(torch.device("cpu")) == CPU
    assert choose_prefetch(torch.device("cuda", 1)) == GPU


def test_batches_made_ahead_equal_those_made_in_line(dataset: PairDataset) -> None:
    """Over several epochs, from any batch on, for each of two workers."""
    for rank in (0, 1):
        with (
            make_loader(dataset, CPU, rank=rank) as in_line,
            make_loader(dataset, LATE, rank=rank) as ahead,
        ):
            pairs = [(next(in_line), next(ahead)) for _ in range(60)]
        assert pairs[-1][0].epoch > 1
        for left, right in pairs:
            numbers = [(batch.epoch, batch.number, batch.counts) for batch in (left, right)]
            assert numbers[0] == numbers[1]
            assert numpy.array_equal(left.indices, right.indices)
            assert torch.equal(left.share[0].source, right.share[0].source)
        later = pairs[40][0]
        with make_loader(dataset, LATE, later.epoch, later.number, rank) as resumed:
            assert torch.equal(next(resumed).share[0].labels, pairs[41][0].share[0].labels)


def test_padded_lengths_hold_the_same_tokens(dataset: PairDataset) -> None:
    with make_loader(dataset, CPU) as plain, make_loader(dataset, GPU) as padded:
        for _ in range(20):
            (left,), (right,) = next(plain).share, next(padded).share
            for one, other in ((left.source, right.source), (left.labels, right.labels)):
                assert other.shape[1] % GPU.length_multiple == 0
                assert 0 <= other.shape[1] - one.shape[1] < GPU.length_multiple
                assert torch.equal(other[:, : one.shape[1]], one)
            tokens = [(batch.source_tokens, batch.target_tokens) for batch in (left, right)]
            assert tokens[0] == tokens[1]


def test_the_next_epoch_is_planned_while_the_last_batches_of_one_are_trained(
    dataset: PairDataset,
) -> None:
    """All batches of an epoch are loaded while the plan of the next one is being made."""
    begun, may_end = threading.Event(), threading.Event()

    def plan(epoch: int) -> Any:
        if epoch == 1:
            begun.set()
            may_end.wait()
        return [numpy.array([epoch])] * 40

    with make_loader(dataset, GPU, plan=plan) as batches:
        try:
            for _ in range(40 - 2 * GPU.batches_ahead):
                next(batches)
            assert begun.wait(timeout=60)
            for _ in range(2 * GPU.batches_ahead):
                last = next(batches)
        finally:
            may_end.set()
        first = next(batches)
    assert [(last.epoch, last.number), (first.epoch, first.number)] == [(0, 40), (1, 1)]


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_error_in_the_thread_reaches_the_training(dataset: PairDataset, epoch: int) -> None:
    """Also one of the plan that is made in the epoch before."""

    def broken(number: int) -> Any:
        if number == epoch:
            raise OSError("no such plan")
        return [numpy.array([0])]

    with make_loader(dataset, GPU, plan=broken) as batches:
        assert [next(batches).epoch for _ in range(epoch)] == [0] * epoch
        with pytest.raises(OSError, match="no such plan"):
            next(batches)
