"""Checkpoints by time: `train.checkpoint_minutes`, by a clock that a test sets.

Every update takes a minute.
"""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.config import Recipe
from nmt.recipe.files import load_recipe
from nmt.runs.history import parse_history
from nmt.runs.model_file import read_model
from nmt.runs.run_folder import RunFolder
from nmt.training import trainer
from nmt.training.feed import GPU
from nmt.training.lost_files import Remains, first_checkpoint
from nmt.training.setup import disk_bytes
from nmt.training.updates import Updater
from tests.conftest import Run
from tests.training.conftest import (
    assert_same,
    finish,
    losses,
    read_metrics,
    start_process,
    worker_processes,
)
from tests.training.test_pace import without_times
from tests.training.test_workers import SAME

RUN = Path("runs/tiny")
LATE = replace(GPU, length_multiple=1)  # results one update late, on a CPU
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
from nmt.training.feed import CPU
from nmt.training.updates import Updater
from tests.training.test_checkpoint_minutes import LATE

late, killed, *arguments = sys.argv[1:]
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
trainer.pace_of = lambda device: LATE if late == "late" else CPU
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


def checkpoints(run: Path = RUN) -> list[int]:
    """Return the updates of a run's complete checkpoints."""
    return sorted(int(path.stem.removeprefix("update-")) for path in run.glob("checkpoints/*.json"))


def averaged(run: Path = RUN) -> tuple[int, ...]:
    """Return the updates whose checkpoints a run's model averages."""
    return read_model(run / "model.safetensors").updates


@pytest.mark.usefixtures("clock")
def test_a_checkpoint_is_saved_when_the_minutes_have_passed(nmt: Run, tiny: Path) -> None:
    """Two minutes have passed before updates 3, 6 and 9; the last update is always saved."""
    ended = nmt("train", tiny, *MINUTES)
    assert ended.code == 0, ended.err
    assert checkpoints() == [3, 6, 9, 11]
    assert averaged() == (3, 6, 9, 11)
    assert read_metrics(RUN)[-1]["averaged_updates"] == [3, 6, 9, 11]
    assert "is done at update 11" in nmt("train", tiny, *MINUTES).err


@pytest.mark.usefixtures("clock")
def test_the_last_ones_are_kept_and_averaged(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, *MINUTES, "--set", "train.average_checkpoints=3")
    assert checkpoints() == [6, 9, 11]
    assert averaged() == (6, 9, 11)


@pytest.mark.usefixtures("clock")
def test_a_late_result_delays_the_checkpoint_by_an_update(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wish of update 3 is read when 4 is started, so that both are finished and saved."""
    monkeypatch.setattr(trainer, "pace_of", lambda device: LATE)
    assert nmt("train", tiny, *MINUTES).code == 0
    assert averaged() == (4, 8, 11)


@pytest.mark.usefixtures("clock")
def test_the_interval_changes_no_update(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--run", "by-time", *MINUTES)
    nmt("train", tiny, "--run", "by-updates", *MINUTES, "--set", "train.checkpoint_minutes=0")
    last = "checkpoints/update-00000011.safetensors"
    assert_same(Path("by-time", last), Path("by-updates", last))
    assert averaged(Path("by-updates")) == (*range(3, 12),)
    by_time, by_updates = without_times("by-time"), without_times("by-updates")
    assert by_time[:-1] == by_updates[:-1]  # all lines but the average's


@pytest.mark.usefixtures("clock")
def test_the_manifest_of_a_validated_checkpoint_says_so(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, *MINUTES)
    manifest = json.loads((RUN / "checkpoints/update-00000006.json").read_text())
    assert manifest["progress"]["validated_update"] == 6


@pytest.mark.usefixtures("clock")
def test_a_checkpoint_that_a_signal_caused_is_not_averaged(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at 5, the training measures from there: the next ones are 8 and 11."""
    start = Updater.start

    def stopped(self: Any, share: Any, number: int, counts: bool, *more: Any) -> Any:
        given = (signal.SIGTERM, *more[1:]) if number == 5 else more
        return start(self, share, number, counts, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Updater, "start", stopped)
        assert nmt("train", tiny, *MINUTES).code == 143
    assert checkpoints() == [3, 5]
    assert nmt("train", tiny, *MINUTES).code == 0
    assert averaged() == (3, 8, 11)


@pytest.mark.usefixtures("clock")
def test_an_end_that_was_no_end_is_not_averaged(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, *MINUTES, "--max-updates", 4)
    assert averaged() == (3, 4)
    nmt("train", tiny, *MINUTES)
    assert averaged() == (3, 7, 10, 11)


@pytest.mark.usefixtures("clock", "nan_in_update_3")
def test_an_update_that_is_not_finite_delays_the_checkpoint(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, *MINUTES).code == 0
    assert averaged() == (4, 7, 10, 11)


@pytest.mark.parametrize("pace", ["waiting", "late"])
def test_a_killed_training_resumes_from_the_last_one(nmt: Run, tiny: Path, pace: str) -> None:
    """Killed in update 10, it goes on from update 9, or from 8 if results come late."""
    saved = {"waiting": 9, "late": 8}[pace]
    nmt("train", tiny, "--run", "whole", *MINUTES)
    process = start_process("-c", PROCESS, pace, 10, "train", tiny, *MINUTES)
    code, errors = finish(process)
    assert code == -signal.SIGKILL, errors
    assert checkpoints() == ([3, 6, 9] if pace == "waiting" else [4, 8])
    resumed = nmt("train", tiny, *MINUTES)
    assert resumed.code == 0
    assert f"resumed at update {saved} of 11" in resumed.err
    last = "checkpoints/update-00000011.safetensors"
    assert_same(Path("whole", last), RUN / last)
    assert averaged()[-2:] == (saved, 11)


@pytest.mark.parametrize("pace", ["waiting", "late"])
def test_many_workers_save_at_the_first_ones_wish(nmt: Run, tiny: Path, pace: str) -> None:
    """The other's clock is 60 times as fast and decides nothing; both save after the same updates.

    Both then average and validate, so that they have stayed in step to the end.
    """
    same = [*SAME, *MINUTES]
    assert nmt("train", tiny, "--run", "one", *same).code == 0
    with worker_processes(2, PROCESS, pace, 0, "train", tiny, "--run", "many", *same) as processes:
        errors = [each.communicate(timeout=120)[1].decode() for each in processes]
        assert [each.returncode for each in processes] == [0, 0], errors
    expected = [3, 6, 9, 11] if pace == "waiting" else [4, 8, 11]
    assert [*averaged(Path("many"))] == checkpoints(Path("many")) == expected
    # The first worker alone saves the end; what was validated is saved again.
    first, second = (json.loads(Path(f"saved-{rank}").read_text()) for rank in (0, 1))
    assert sorted({*first}) == expected
    assert second == first[: len(second)]
    assert losses(Path("many")) == pytest.approx(losses(Path("one")), rel=1e-5)


@pytest.mark.usefixtures("clock")
def test_a_damaged_manifest_is_found_before_averaging(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, *MINUTES, "--max-updates", 10)
    manifest = RUN / "checkpoints/update-00000006.json"
    manifest.write_text("")
    ended = nmt("train", tiny, *MINUTES)
    assert ended.code == 0
    assert "the files of update 6 are renamed to *.damaged" in ended.err
    assert averaged() == (3, 9, 11)


@pytest.mark.usefixtures("clock")
def test_nmt_average_takes_the_same_checkpoints(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, *MINUTES)
    assert nmt("average", RUN, "--output", "mean.safetensors").code == 0
    assert_same(Path("mean.safetensors"), RUN / "model.safetensors")


def test_the_interval_of_a_run_may_not_change(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    refused = nmt("train", tiny, "--run", tiny_run, "--set", "train.checkpoint_minutes=2")
    assert refused.code == 1
    assert "train.checkpoint_minutes (0.0 -> 2.0)" in refused.err


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


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("seconds", [119.0, 120.0])
def test_a_run_without_checkpoints_starts_again_if_it_had_none(
    nmt: Run, tiny: Path, seconds: float
) -> None:
    """The metrics of 30 updates, the first of which took almost two minutes, or two."""
    nmt("train", tiny, *MINUTES, "--max-updates", 1)
    for path in [*RUN.glob("checkpoints/*"), *RUN.glob("*.safetensors")]:
        path.unlink()
    lines = [{"kind": "train", "update": each, "seconds": seconds} for each in (1, 30)]
    (RUN / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = nmt("train", tiny, *MINUTES)
    assert again.code == (seconds >= 120)
    assert ("which a new training would overwrite" in again.err) == (seconds >= 120)


def test_the_disk_must_hold_the_averaged_checkpoints(tiny_run: Path) -> None:
    """There may be a checkpoint after each of the 12 updates: 9 + 3 models, 2 + 1 states."""
    recipe = load_recipe(str(tiny_run / "recipe.toml"))
    train = replace(recipe.train, checkpoint_minutes=2.0, average_checkpoints=9)
    assert disk_bytes(replace(recipe, train=train)) == 6016 * (12 * 4 + 3 * 8)
