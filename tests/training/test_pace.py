"""The feed of a GPU, and how late its results are read, change no result.

The pace of a GPU is tried on the CPU: batches come from a thread, results one update late, lengths
in multiples.
"""

import json
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from nmt.errors import NmtError
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from nmt.text.batches import PairDataset
from nmt.text.plan import plan_epoch
from nmt.training import checkpoints, trainer
from nmt.training.checkpoints import CheckpointWriter
from nmt.training.feed import CPU, GPU, Feed, Pace, pace_of
from nmt.training.progress import Progress
from nmt.training.updates import StartedUpdate, Updater
from nmt.training.workers import Workers
from tests.conftest import Run
from tests.text.conftest import TinyCorpus
from tests.training.conftest import assert_same, read_metrics, worker_processes
from tests.training.test_workers import SAME
from tests.waiting import wait_until

LATE = replace(GPU, length_multiple=1)  # padding may change the last bit of a sum
TIMES = ("seconds", "time", "tokens_per_second")


@pytest.fixture
def dataset(tiny: Path, tmp_path: Path) -> PairDataset:
    prepared = TinyCorpus(load_recipe(str(tiny)), tmp_path).prepare()
    return PairDataset(prepared.shards, prepared.names)


@pytest.fixture
def gpu_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "pace_of", lambda device: LATE)


def without_times(run: str) -> list[dict[str, Any]]:
    lines = read_metrics(Path(run))
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def test_the_thread_that_works_ahead_uses_the_gpu_of_the_training(
    dataset: PairDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thread has a current GPU, by default the first one."""
    chosen: list[torch.device] = []
    batch = object()
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    monkeypatch.setattr(Feed, "_batch", lambda *_: batch)
    device = torch.device("cuda:1")

    def plan(epoch: int) -> Any:
        return [numpy.array([0, 1])]

    with small_feed(dataset, plan, LATE, "cuda:1") as feed:
        assert next(feed) is batch
    assert chosen == [device]


@pytest.mark.parametrize(
    "settings", [[], ["train.bpe_dropout=0.2"], ["train.micro_batch_tokens=30"]]
)
def test_a_training_ahead_of_its_device_has_the_same_files(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str]
) -> None:
    """Weights, metrics and progress equal those of a training that waits for each update."""
    options = [word for setting in settings for word in ("--set", setting)]
    assert nmt("train", tiny, "--run", "waiting", *options).code == 0
    monkeypatch.setattr(trainer, "pace_of", lambda device: LATE)
    assert nmt("train", tiny, "--run", "ahead", *options).code == 0
    assert_same(Path("waiting/model.safetensors"), Path("ahead/model.safetensors"))
    assert without_times("waiting") == without_times("ahead")
    progress = [
        json.loads(Path(run, "checkpoints/update-00000012.json").read_text())["progress"]
        for run in ("waiting", "ahead")
    ]
    for each in progress:
        each.pop("seconds")
        each["window"].pop("start_seconds")
    assert progress[0] == progress[1]


@pytest.mark.usefixtures("gpu_pace")
def test_a_training_ahead_of_its_device_resumes_exactly(nmt: Run, tiny: Path) -> None:
    """Stopped at 5, where batches of later updates are ready already."""
    options = ["--set", "train.bpe_dropout=0.2"]
    nmt("train", tiny, "--run", "whole", *options)
    nmt("train", tiny, "--run", "parts", "--max-updates", 5, *options)
    assert nmt("train", tiny, "--run", "parts", *options).code == 0
    assert_same(Path("whole/model.safetensors"), Path("parts/model.safetensors"))
    assert without_times("whole")[-1]["bleu"] == without_times("parts")[-1]["bleu"]


@pytest.mark.usefixtures("gpu_pace")
def test_a_signal_waits_for_what_was_started(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that comes in update 3 is seen one update late; both are in the checkpoint."""
    start = Updater.start

    def interrupted(
        self: Any, share: Any, number: int, counts: bool, stop: int | None, *more: Any
    ) -> StartedUpdate:
        return start(self, share, number, counts, signal.SIGTERM if number == 3 else stop, *more)

    nmt("train", tiny, "--run", "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Updater, "start", interrupted)
        ended = nmt("train", tiny, "--run", "parts")
    assert ended.code == 143
    assert "stopped at update 4, checkpoint saved" in ended.err
    assert nmt("train", tiny, "--run", "parts").code == 0
    assert_same(Path("whole/model.safetensors"), Path("parts/model.safetensors"))


# `nmt train` of two workers, the second of which gets SIGTERM; writing a checkpoint takes a second.
SLOW_SAVES = """
import os, signal, sys, time
from nmt.commands import main
from nmt.training import checkpoints, trainer
from nmt.training.updates import Updater
from tests.training.test_pace import LATE

rank = int(os.environ["RANK"])
start, save = Updater.start, checkpoints.save_checkpoint

def interrupted(self, share, number, counts, stop, *more):
    received = signal.SIGTERM if rank and number == 3 else stop
    return start(self, share, number, counts, received, *more)

def slow(*given):
    time.sleep(1)
    save(*given)

trainer.pace_of = lambda device: LATE
Updater.start, checkpoints.save_checkpoint = interrupted, slow
main(sys.argv[1:])
"""


def test_no_worker_ends_before_the_last_checkpoint_is_written(tiny: Path) -> None:
    """A launcher kills the others soon after the first one that ends."""
    with worker_processes(2, SLOW_SAVES, "train", tiny, "--run", "many", *SAME) as processes:
        wait_until(lambda: any(each.poll() is not None for each in processes))
        found = [path.name for path in Path("many/checkpoints").glob("*.json")]
        errors = [each.communicate(timeout=120)[1].decode() for each in processes]
        assert [each.returncode for each in processes] == [143, 143], errors
    assert found == ["update-00000004.json"]


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise NmtError("no space left")

    monkeypatch.setattr(checkpoints, "save_checkpoint", fail)


@pytest.mark.usefixtures("failures")
def test_a_checkpoint_that_failed_in_the_background_is_noticed_without_waiting(
    tmp_path: Path,
) -> None:
    """The first one of a run is not written in the background."""
    model, run = torch.nn.Linear(1, 1), RunFolder(tmp_path)
    given: Any = [model, torch.optim.Adam(model.parameters()), Progress(), b"", None, ""]
    with pytest.raises(NmtError, match="no space left"):
        CheckpointWriter(run, in_background=True).save(*given)
    run.checkpoints.mkdir()
    for suffix in (".json", ".state.pt"):
        (run.checkpoints / f"update-00000001{suffix}").touch()
    writer = CheckpointWriter(run, in_background=True)
    writer.check()
    before = threading.active_count()
    writer.save(*given)
    wait_until(lambda: threading.active_count() == before)
    with pytest.raises(NmtError, match="no space left"):
        writer.check()
    writer.check()  # reported once


@pytest.mark.usefixtures("failures")
@pytest.mark.parametrize("in_background", [False, True])
def test_nothing_is_written_if_the_folder_has_moved(tmp_path: Path, in_background: bool) -> None:
    """The check comes directly before the write, in its thread; the write would fail here."""
    folder = tmp_path / "run"
    model, run = torch.nn.Linear(1, 1), RunFolder(folder)
    given: Any = [model, torch.optim.Adam(model.parameters()), Progress(), b"", None, ""]
    folder.mkdir()
    writer = CheckpointWriter(run, in_background=in_background)
    folder.rename(tmp_path / "away")
    folder.mkdir()
    with pytest.raises(NmtError, match="was moved or removed"), writer:
        writer.save(*given)


@pytest.mark.usefixtures("gpu_pace", "nan_in_update_3")
def test_an_update_that_is_not_finite_changes_nothing_though_its_result_comes_late(
    nmt: Run, tiny: Path
) -> None:
    ended = nmt("train", tiny)
    assert ended.code == 0
    assert "update 3 skipped: its loss is NaN or infinite" in ended.err
    (skipped,) = [line for line in read_metrics(Path("runs/tiny")) if line["kind"] == "skipped"]
    assert (skipped["update"], skipped["skipped"]) == (3, 1)


def test_a_cpu_waits_and_a_gpu_does_not() -> None:
    assert pace_of(torch.device("cpu")) == CPU
    assert pace_of(torch.device("cuda", 1)) == GPU


def small_feed(dataset: PairDataset, plan: Any, pace: Pace, device: str = "cpu") -> Feed:
    """Return a feed of a plan, from its first batch on."""
    return Feed(
        dataset, plan, epoch=0, batch=0, workers=Workers(), pace=pace, device=torch.device(device)
    )


def feed_of(
    dataset: PairDataset,
    pace: Pace,
    epoch: int = 0,
    batch: int = 0,
    workers: Workers = Workers(),  # noqa: B008 (it has no state here)
) -> Feed:
    """Return a feed of batches of 60 tokens."""
    return Feed(
        dataset,
        lambda number: plan_epoch(
            dataset.source_lengths,
            dataset.target_lengths,
            source_tokens=60,
            target_tokens=60,
            seed=1,
            epoch=number,
        ),
        epoch=epoch,
        batch=batch,
        pace=pace,
        device=torch.device("cpu"),
        workers=workers,
    )


def test_batches_made_ahead_equal_those_made_in_line(dataset: PairDataset) -> None:
    """Over several epochs, from any batch on, for each of two workers."""
    for rank in (0, 1):
        with (
            feed_of(dataset, CPU, workers=Workers(rank, 2)) as in_line,
            feed_of(dataset, LATE, workers=Workers(rank, 2)) as ahead,
        ):
            pairs = [(next(in_line), next(ahead)) for _ in range(60)]
        assert pairs[-1][0].epoch > 1
        for left, right in pairs:
            assert (left.epoch, left.number, left.counts) == (
                right.epoch,
                right.number,
                right.counts,
            )
            assert numpy.array_equal(left.indices, right.indices)
            assert torch.equal(left.share[0].source, right.share[0].source)
        later = pairs[40][0]
        with feed_of(dataset, LATE, later.epoch, later.number, Workers(rank, 2)) as resumed:
            assert torch.equal(next(resumed).share[0].labels, pairs[41][0].share[0].labels)


def test_padded_lengths_hold_the_same_tokens(dataset: PairDataset) -> None:
    with feed_of(dataset, CPU) as plain, feed_of(dataset, GPU) as padded:
        for _ in range(20):
            (left,), (right,) = next(plain).share, next(padded).share
            multiple = GPU.length_multiple
            assert right.source.shape[1] % multiple == right.labels.shape[1] % multiple == 0
            assert 0 <= right.source.shape[1] - left.source.shape[1] < 8
            assert torch.equal(right.source[:, : left.source.shape[1]], left.source)
            assert torch.equal(right.labels[:, : left.labels.shape[1]], left.labels)
            assert (left.source_tokens, left.target_tokens) == (
                right.source_tokens,
                right.target_tokens,
            )


def test_the_next_epoch_is_planned_while_the_last_batches_of_one_are_trained(
    dataset: PairDataset,
) -> None:
    """All batches of an epoch are fed while the plan of the next one is being made."""
    begun, may_end = threading.Event(), threading.Event()
    batches = 40

    def plan(epoch: int) -> Any:
        if epoch == 1:
            begun.set()
            may_end.wait()
        return [numpy.array([epoch])] * batches

    with small_feed(dataset, plan, GPU) as feed:
        try:
            taken = [next(feed) for _ in range(batches - 2 * GPU.batches_ahead)]
            assert begun.wait(timeout=60)
            taken += [next(feed) for _ in range(batches - len(taken))]
        finally:
            may_end.set()
        assert [(batch.epoch, batch.number) for batch in (taken[-1], next(feed))] == [
            (0, batches),
            (1, 1),
        ]


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_error_in_the_thread_reaches_the_training(dataset: PairDataset, epoch: int) -> None:
    """Also one of the plan that is made in the epoch before."""

    def broken(number: int) -> Any:
        if number == epoch:
            raise OSError("no such plan")
        return [numpy.array([0])]

    with small_feed(dataset, broken, GPU) as batches:
        assert [next(batches).epoch for _ in range(epoch)] == [0] * epoch
        with pytest.raises(OSError, match="no such plan"):
            next(batches)
