"""The training loop: resuming, checkpoints by time, averaging, stopping, and what goes wrong."""

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.config import Recipe
from nmt.kernels.loss import LossSums, projected_loss
from nmt.recipe.files import load_recipe
from nmt.runs.history import parse_history
from nmt.runs.model_file import read_model
from nmt.runs.run_folder import RunFolder
from nmt.training import trainer
from nmt.training.lost_files import Remains, first_checkpoint
from nmt.training.updates import Updater
from tests.conftest import Run
from tests.training.conftest import (
    TINY,
    assert_same,
    finish,
    losses,
    read_metrics,
    start_process,
    weights,
    worker_processes,
)
from tests.training.test_workers import SAME
from tests.waiting import wait_until


def test_a_resumed_run_equals_an_uninterrupted_one(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    """Stopped at 5, with dropout, between two lines of metrics: the second includes update 5."""
    assert nmt("train", tiny, "--max-updates", 5).code == 0
    assert nmt("train", tiny, "--max-updates", 12).code == 0
    for name in ("model", "checkpoints/update-00000012"):
        assert_same(tiny_run / f"{name}.safetensors", TINY.path / f"{name}.safetensors")
    figures = [
        [
            (line["update"], line["loss"], line["gradient_norm"])
            for line in read_metrics(run)
            if line["kind"] == "train"
        ]
        for run in (tiny_run, TINY.path)
    ]
    assert figures[0] == figures[1]


def test_model_is_the_mean_of_the_last_checkpoints(tiny_run: Path) -> None:
    """The recipe averages and keeps the last two of the checkpoints at 4, 8 and 12."""
    names = sorted(path.name for path in (tiny_run / "checkpoints").glob("*.safetensors"))
    assert names == ["update-00000008.safetensors", "update-00000012.safetensors"]
    first, second = (weights(tiny_run / "checkpoints" / name) for name in names)
    for name, mean in weights(tiny_run / "model.safetensors").items():
        expected = ((first[name].double() + second[name].double()) / 2).float()
        assert torch.equal(mean, expected)


def test_metrics_are_as_documented(tiny_run: Path) -> None:
    lines = read_metrics(tiny_run)
    train = [line for line in lines if line["kind"] == "train"]
    assert [line["update"] for line in train] == [2, 4, 6, 8, 10, 12]
    figures = {"loss", "perplexity", "learning_rate", "gradient_norm", "tokens_per_second"}
    assert figures | {"update", "epoch", "seconds"} <= {*train[0]}
    # Warm-up 10, d_model 16: at update 4, 16^-0.5 * 4 * 10^-1.5.
    assert train[1]["learning_rate"] == pytest.approx(0.25 * 4 * 10**-1.5)
    assert [line["update"] for line in lines if line["kind"] == "dev"] == [6, 12]
    assert lines[-1]["kind"] == "average"


def test_a_changed_recipe_or_corpus_is_refused(nmt: Run, stopped: Path) -> None:
    refused = nmt("train", stopped, "--set", "model.dropout=0.2", "--set", "train.warmup_updates=9")
    assert refused.code == 1
    assert "model.dropout (0.1 -> 0.2), train.warmup_updates (10 -> 9)" in refused.err
    for side in ("src", "tgt"):
        with Path(f"train.{side}").open("a") as file:
            file.write("sun\n")
    before = TINY.recipe.read_text()
    refused = nmt("train", stopped, "--max-updates", 16)
    assert refused.code == 1
    assert "corpus of runs/tiny has changed since its training started" in refused.err
    assert before == TINY.recipe.read_text()


def test_patience_stops(nmt: Run, tiny: Path) -> None:
    """With a learning rate of 0 nothing improves: the run ends two validations after the first.

    No checkpoint was due before.
    """
    ended = nmt(
        *("train", tiny, "--max-updates", 100, "--set", "train.patience=2"),
        *("--set", "train.learning_rate_scale=0.0", "--set", "train.validate_updates=3"),
        *("--set", "train.checkpoint_updates=10"),
    )
    assert ended.code == 0
    assert read_metrics(TINY.path)[-1]["update"] == 9
    assert read_model(TINY.model).updates == (9,)


def test_the_last_update_is_validated_and_averaged(nmt: Run, tiny: Path) -> None:
    """The end at 9 is a multiple neither of checkpoint_updates nor of validate_updates."""
    ended = nmt("train", tiny, "--max-updates", 9)
    assert [x["update"] for x in read_metrics(TINY.path) if x["kind"] == "dev"] == [6, 9]
    assert read_model(Path("runs/tiny/model.safetensors")).updates == (8, 9)
    assert "best: runs/tiny/best.safetensors" in ended.err


def test_a_folder_in_use_is_refused(nmt: Run, tiny: Path) -> None:
    with RunFolder(TINY.path).lock():
        refused = nmt("train", tiny)
    assert refused.code == 1
    assert "another nmt process is using runs/tiny" in refused.err


def test_seeds_differ(nmt: Run, tiny: Path) -> None:
    for seed in (1, 2):
        nmt("train", tiny, "--run", seed, "--seed", seed, "--max-updates", 1)
    one, other = (weights(Path(f"{seed}/model.safetensors")) for seed in (1, 2))
    assert not torch.equal(one["embeddings.weight"], other["embeddings.weight"])


def test_a_signal_saves_and_the_same_command_resumes(nmt: Run, tiny: Path) -> None:
    """A real process is stopped; resumed, it has the weights of an uninterrupted run."""
    # Long enough that the signal comes before the end, also on a busy machine.
    options = ["--max-updates", "200", "--set", "train.checkpoint_updates=100"]
    options += ["--set", "train.validate_updates=200"]
    nmt("train", tiny, "--run", "whole", *options)
    process = start_process("-m", "nmt", "train", tiny, "--run", "parts", *options)
    wait_until(lambda: read_metrics(Path("parts")), process)
    process.send_signal(signal.SIGINT)
    ended, errors = finish(process)
    assert ended == 130
    assert "checkpoint saved" in errors
    assert "Traceback" not in errors
    assert "resumed at update" in nmt("train", tiny, "--run", "parts", *options).err
    assert_same(Path("whole/model.safetensors"), Path("parts/model.safetensors"))


def test_files_without_a_manifest_do_not_stop_a_run(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    """They are left from kills during the first checkpoint, at different updates."""
    nmt("prepare", tiny)
    for update in (3, 4):
        left = Path(f"runs/tiny/checkpoints/update-{update:08}.safetensors")
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_bytes(b"half a model")
    assert nmt("train", tiny).code == 0
    assert_same(tiny_run / "model.safetensors", Path("runs/tiny/model.safetensors"))
    assert not Path("runs/tiny/checkpoints/update-00000003.safetensors").exists()


def test_an_average_that_was_not_validated_is_validated(nmt: Run, finished: Path) -> None:
    """The run was killed between writing the average and writing its score."""
    lines = TINY.metrics.read_text().splitlines(keepends=True)
    TINY.metrics.write_text("".join([*lines[:-1], "garbage\n"]))
    ended = nmt("train", finished)
    assert "average of 2 checkpoints" in ended.err
    assert "runs/tiny/metrics.jsonl: damaged lines left out: 1" in ended.err
    again = TINY.metrics.read_text().splitlines(keepends=True)
    assert again[:-1] == lines[:-1]
    assert json.loads(again[-1])["bleu"] == json.loads(lines[-1])["bleu"]
    assert "is done at update 12" in nmt("train", finished).err


def test_metrics_on_a_full_disk_are_an_error(nmt: Run, tiny: Path) -> None:
    nmt("prepare", tiny)
    Path("runs/tiny/metrics.jsonl").symlink_to("/dev/full")
    ended = nmt("train", tiny)
    assert ended.code == 1
    assert "metrics.jsonl: No space left on device; free some space, then the same" in ended.err


def test_too_little_memory_for_a_state_is_not_called_a_damage(
    nmt: Run, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("nmt.training.checkpoints.torch.load", load)
    ended = nmt("train", stopped)
    assert ended.code == 1
    assert "out of memory" in ended.err
    assert "another version" not in ended.err


def test_a_damaged_average_is_written_again(nmt: Run, finished: Path, tiny_run: Path) -> None:
    TINY.model.write_bytes(TINY.model.read_bytes()[:1000])
    assert nmt("train", finished).code == 0
    assert_same(TINY.model, tiny_run / "model.safetensors")


def test_partial_files_of_killed_processes_are_removed(nmt: Run, tiny: Path) -> None:
    """The files of another running process stay; this process has written no file yet."""
    left = Path("runs/tiny/checkpoints/.update-00000003.safetensors.999999999.0123abcd.partial")
    half = Path("runs/tiny/prepared/train-0.ids.partial")
    part = Path("runs/tiny/prepared/train-0-012.json.m0123abcd.partial")
    former = Path(f"runs/tiny/.last3.safetensors.{os.getpid()}.0123abcd.partial")
    living = Path(f"runs/tiny/.last3.safetensors.{os.getppid()}.0123abcd.partial")
    for path in (left, half, part, former, living, Path("runs/tiny/.lock")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert nmt("train", tiny, "--max-updates", 1).code == 0
    assert [path.exists() for path in (left, half, part, former)] == [False] * 4
    assert living.exists()


def test_divergence_is_an_error_with_the_lines_of_the_batch(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rate is one that no setting allows; the first update breaks all weights.

    Such a model is never the best; its figures are null.
    """
    monkeypatch.setattr("nmt.training.updates.inverse_sqrt", lambda *_, **__: 1e300)
    options = ["--set", "train.validate_updates=1", "--set", "train.early_stopping_metric=loss"]
    ended = nmt("train", tiny, *options)
    assert ended.code == 1
    assert "loss or gradient was NaN or infinite 5 times in a row" in ended.err
    assert "train.src + train.tgt, lines " in ended.err
    lines = read_metrics(TINY.path)
    dev = [line for line in lines if line["kind"] == "dev"]
    assert (dev[0]["loss"], dev[0]["bleu"]) == (None, 0.0)
    assert not TINY.best.exists()
    skipped = [line for line in lines if line["kind"] == "skipped"]
    assert len(skipped) == 5
    assert skipped[0]["update"] <= 2
    numbers = skipped[0]["lines"]["train.src + train.tgt"]
    assert numbers == sorted({*numbers})
    assert 1 <= numbers[0] <= numbers[-1] <= 120


def test_an_update_that_is_not_finite_is_skipped(nmt: Run, tiny: Path, monkeypatch: Any) -> None:
    """The loss is NaN at update 3, and at 6 its gradient is infinite.

    The weights stay and the run continues; the checkpoints of these updates are not written.
    """
    real = projected_loss
    calls = iter(range(1, 100))  # the first call checks the memory

    def sometimes_wrong(*arguments: Any) -> LossSums:
        sums, call = real(*arguments), next(calls)
        if call == 7:
            sums.smoothed.register_hook(lambda gradient: gradient * math.inf)
        return LossSums(sums.smoothed * (math.nan if call == 4 else 1.0), sums.plain)

    monkeypatch.setattr("nmt.training.updates.projected_loss", sometimes_wrong)
    options = ["--set", "train.checkpoint_updates=1", "--set", "train.average_checkpoints=9"]
    options += ["--set", "train.validate_updates=8", "--max-updates", "8"]
    ended = nmt("train", tiny, *options)
    assert ended.code == 0
    assert "update 3 skipped: its loss is NaN or infinite (1 skipped so far)" in ended.err
    assert "update 6 skipped: its gradient is NaN or infinite (2 skipped so far)" in ended.err
    lines = read_metrics(TINY.path)
    assert [line["update"] for line in lines if line["kind"] == "skipped"] == [3, 6]
    train = [line for line in lines if line["kind"] == "train"]
    assert [line["skipped"] for line in train] == [0, 1, 2, 2]
    assert all(math.isfinite(line["loss"]) for line in train)
    assert checkpoints() == [1, 2, 4, 5, 7, 8]


# Every checkpoint is kept, and the setting for updates has no effect.
MINUTES = ["--set", "train.checkpoint_minutes=2", "--set", "train.average_checkpoints=9"]


MINUTES += ["--set", "train.checkpoint_updates=1", "--max-updates", "11"]


# `nmt train` whose updates take a minute by the first worker's clock and an hour by the others'.
# Arguments: whether results come late, and an update after whose start the process is killed.
PROCESS = """
import os, signal, sys, threading
from pathlib import Path
from nmt.commands import main
from nmt.training import trainer
from nmt.training.updates import Updater
from tests.training.conftest import LATE

killed, *arguments = sys.argv[1:]
rank = int(os.environ.get("RANK", "0"))
start, save = Updater.start, trainer.Trainer.save
seconds, saved = [0.0], []

def timed(self, share, number, *more):
    started = start(self, share, number, *more)
    seconds[0] += 3600 if rank else 60
    if number == int(killed):
        for thread in threading.enumerate():
            if thread.name == "checkpoint":  # is being written in the background
                thread.join()
        os.kill(os.getpid(), signal.SIGKILL)
    return started

def noted(self):
    saved.append(self.progress.update)
    Path(f"saved-{rank}").write_text(repr(saved))
    save(self)

trainer.monotonic = lambda: seconds[0]
trainer.pace_of = lambda device: LATE
Updater.start, trainer.Trainer.save = timed, noted
main(arguments)
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a clock on which every update takes a minute."""
    seconds = [0.0]
    start = Updater.start

    def timed(*given: Any) -> Any:
        seconds[0] += 60
        return start(*given)

    monkeypatch.setattr(trainer, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(Updater, "start", timed)


def checkpoints(run: Path = TINY.path) -> list[int]:
    """Return the updates of a run's complete checkpoints."""
    return sorted(int(path.stem.removeprefix("update-")) for path in run.glob("checkpoints/*.json"))


def averaged(run: Path = TINY.path) -> tuple[int, ...]:
    """Return the updates whose checkpoints a run's model averages."""
    return read_model(run / "model.safetensors").updates


@pytest.mark.usefixtures("clock")
def test_a_checkpoint_is_saved_when_the_minutes_have_passed(nmt: Run, tiny: Path) -> None:
    """Two minutes have passed before updates 3, 6 and 9; the last update is always saved."""
    ended = nmt("train", tiny, *MINUTES, "--set", "train.average_checkpoints=3")
    assert ended.code == 0, ended.err
    assert checkpoints() == [6, 9, 11]
    assert averaged() == (6, 9, 11)
    assert read_metrics(TINY.path)[-1]["averaged_updates"] == [6, 9, 11]
    manifest = json.loads((TINY.checkpoints / "update-00000006.json").read_text())
    assert manifest["progress"]["validated_update"] == 6
    assert nmt("average", TINY.path, "--output", "mean.safetensors").code == 0
    assert_same(Path("mean.safetensors"), TINY.model)


@pytest.mark.usefixtures("clock")
def test_a_checkpoint_that_a_signal_caused_is_not_averaged(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at 5, the training measures from there: the next ones are 8 and 11.

    Nor is that of an end that was no end, at 9.
    """
    start = Updater.start

    def stopped(self: Any, share: Any, number: int, counts: bool, *more: Any) -> Any:
        given = (signal.SIGTERM, *more[1:]) if number == 5 else more
        return start(self, share, number, counts, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Updater, "start", stopped)
        assert nmt("train", tiny, *MINUTES).code == 143
    assert checkpoints() == [3, 5]
    assert nmt("train", tiny, *MINUTES, "--max-updates", 9).code == 0
    assert averaged() == (3, 8, 9)
    assert nmt("train", tiny, *MINUTES, "--max-updates", 12).code == 0
    assert averaged() == (3, 8, 12)


@pytest.mark.usefixtures("clock", "nan_in_update_3")
def test_an_update_that_is_not_finite_delays_the_checkpoint(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, *MINUTES).code == 0
    assert averaged() == (4, 7, 10, 11)


def test_a_killed_training_resumes_from_the_last_one(nmt: Run, tiny: Path) -> None:
    """Killed in update 10, it goes on from 8: the wish of 7 is read when 8 is started.

    Checkpoints by time and late results change no update.
    """
    nmt("train", tiny, "--run", "whole", *MINUTES, "--set", "train.checkpoint_minutes=0")
    code, errors = finish(start_process("-c", PROCESS, 10, "train", tiny, *MINUTES))
    assert code == -signal.SIGKILL, errors
    assert checkpoints() == [4, 8]
    resumed = nmt("train", tiny, *MINUTES)
    assert resumed.code == 0
    assert "resumed at update 8 of 11" in resumed.err
    last = "checkpoints/update-00000011.safetensors"
    assert_same(Path("whole", last), TINY.path / last)
    assert averaged()[-2:] == (8, 11)
    assert averaged(Path("whole")) == (*range(3, 12),)


def test_many_workers_save_at_the_first_ones_wish(nmt: Run, tiny: Path) -> None:
    """The other's clock is 60 times as fast and decides nothing; both save after the same updates.

    Both then average and validate, so that they have stayed in step to the end.
    """
    same = [*SAME, *MINUTES]
    assert nmt("train", tiny, "--run", "one", *same).code == 0
    with worker_processes(2, PROCESS, 0, "train", tiny, "--run", "many", *same) as processes:
        errors = [each.communicate(timeout=120)[1].decode() for each in processes]
        assert [each.returncode for each in processes] == [0, 0], errors
    assert [*averaged(Path("many"))] == checkpoints(Path("many")) == [4, 8, 11]
    # The first worker alone saves the end; what was validated is saved again.
    first, second = (json.loads(Path(f"saved-{rank}").read_text()) for rank in (0, 1))
    assert sorted({*first}) == [4, 8, 11]
    assert second == first[: len(second)]
    assert losses(Path("many")) == pytest.approx(losses(Path("one")), rel=1e-5)


def test_the_metrics_show_whether_a_checkpoint_is_lost(tmp_path: Path) -> None:
    """By time it is due at update 60 here, and saved at 70 if nine updates are skipped."""
    settings = load_recipe("pocket", ["train.checkpoint_minutes=10"]).train
    lines = [
        {"kind": "train", "update": update, "seconds": 10.0 * update}
        for update in range(20, 101, 20)
    ]

    def latest(lines: list[dict[str, Any]], *weights: int) -> float:
        history = parse_history(lines, Recipe("mine"))
        return first_checkpoint(settings, Remains(RunFolder(tmp_path), [], [*weights], history))

    assert latest(lines) == 70
    assert (
        latest(lines[:2])
        == latest([{"kind": "train", "update": 5, "seconds": None}])
        == float("inf")
    )
    assert latest([], 61) == float("inf")
    assert latest([], 61, 121) == 61
    history = parse_history(lines, Recipe("mine"))
    by_updates = replace(settings, checkpoint_minutes=0.0, checkpoint_updates=33)
    assert first_checkpoint(by_updates, Remains(RunFolder(tmp_path), [], [], history)) == 33
