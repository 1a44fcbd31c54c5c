"""The training loop: resuming, checkpoints by time, averaging, stopping, and what goes wrong."""

import json
import math
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from nmt.config import Recipe
from nmt.kernels.loss import LossSums, projected_loss
from nmt.recipe.files import load_recipe
from nmt.runs.history import parse_history
from nmt.runs.model_file import read_model
from nmt.runs.run_folder import RunFolder
from nmt.text.prepare import open_prepared
from nmt.training import trainer
from nmt.training.files.lost_files import Remains, first_checkpoint
from nmt.training.loader import plan_batches
from nmt.training.setup import Setup
from nmt.training.updates import Updater
from tests.conftest import Run
from tests.training.conftest import (
    TINY,
    Train,
    assert_same,
    finish,
    losses,
    options,
    read_lines,
    read_metrics,
    run_group,
    sigterm_in_update,
    start_process,
)


def test_a_resumed_run_equals_an_uninterrupted_one(train: Train, tiny_run: Path) -> None:
    """Stopped at 5, with dropout, between two lines of metrics: the second includes update 5."""
    train(updates=5)
    train()
    for name in ("model", "checkpoints/update-00000012"):
        assert_same(tiny_run / f"{name}.safetensors", TINY.path / f"{name}.safetensors")
    figures = [
        [(line["update"], line["loss"], line["gradient_norm"]) for line in read_lines("train", run)]
        for run in (tiny_run, TINY.path)
    ]
    assert figures[0] == figures[1]


def test_sampled_directions_and_context_resume_exactly(train: Train) -> None:
    """The second direction has a tenth of the pairs, and is half of each epoch."""
    for name in ("few.src", "few.tgt"):
        lines = Path(name.replace("few", "train")).read_text().splitlines(keepends=True)
        Path(name).write_text("".join(lines[:12]))
    files = "{source='train.src', target='train.tgt'}"
    few = "{source='few.src', target='few.tgt', target_language='fr'}"
    settings = [
        f"data.train=[{files}, {few}]",
        *("train.language_sampling=100", "train.bpe_dropout=0.1", "train.share=0.9"),
        *("data.context=1", "train.batch_source_tokens=400", "train.batch_target_tokens=400"),
    ]
    told = train(*settings, run="runs/whole")
    assert "each epoch (train.language_sampling=100): en-de 50" in told
    train(*settings, updates=7)
    train(*settings)
    assert_same(Path("runs/whole/model.safetensors"), TINY.model)
    run = RunFolder(Path("runs/whole"))
    recipe, prepared = run.load_recipe(), open_prepared(run.load_recipe(), run.prepared_folder())
    dataset = trainer.training_pairs(Setup(recipe, prepared, {}))
    german, french = map(prepared.tokenizer.source.language_id, (">>de<<", ">>fr<<"))
    plan = plan_batches(recipe.train, dataset, 3)
    batches = [dataset.batch(plan[index], 3) for index in range(len(plan))]
    firsts = [int(row[0]) for batch in batches for row in batch.source]
    assert len(firsts) == len(dataset) == firsts.count(german) + firsts.count(french)
    assert abs(firsts.count(german) - firsts.count(french)) <= 2


@pytest.mark.parametrize("setting", ["average_checkpoints=1", "moving_average=0.5"])
def test_what_was_validated_last_is_not_validated_again(
    train: Train, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """After the last update, the run's model is the one whose validation has just ended."""
    validate, calls = trainer.Trainer.validate, list[int]()

    def counted(run: trainer.Trainer, stop: Any) -> Any:
        calls.append(run.progress.update)
        return validate(run, stop)

    monkeypatch.setattr(trainer.Trainer, "validate", counted)
    train(f"train.{setting}", updates=9)
    assert calls == [6, 9]
    kept = ("update", "loss", "bleu")
    (average,), last = read_lines("average"), read_lines("dev")[-1]
    assert [average[key] for key in kept] == [last[key] for key in kept]
    TINY.metrics.write_text("".join(TINY.metrics.read_text().splitlines(keepends=True)[:-1]))
    train(f"train.{setting}", updates=9)
    assert [read_lines("average")[0][key] for key in kept] == [last[key] for key in kept]


def test_a_folder_in_use_is_refused(train: Train) -> None:
    with RunFolder(TINY.path).lock():
        assert "another nmt process is using runs/tiny" in train(code=1)


def test_files_that_kills_left_do_not_stop_a_run(train: Train, tiny_run: Path) -> None:
    """Models without a manifest and partial files; those of a running process stay."""
    left = [TINY.checkpoints / f"update-{update:08}.safetensors" for update in (3, 4)]
    left += [
        TINY.path / name
        for name in (
            "checkpoints/.update-00000003.safetensors.999999999.0123abcd.partial",
            "prepared/train-0.ids.partial",
            "prepared/train-0-012.json.m0123abcd.partial",
            # This process has written no file yet: an older one had its number.
            f".last3.safetensors.{os.getpid()}.0123abcd.partial",
        )
    ]
    living = TINY.path / f".last3.safetensors.{os.getppid()}.0123abcd.partial"
    for path in (*left, living, TINY.path / ".lock"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half a file")
    shutil.copy(tiny_run / "recipe.toml", TINY.recipe)
    train()
    assert_same(tiny_run / "model.safetensors", TINY.model)
    written = [*TINY.path.rglob("*")]
    assert [path for path in left if path in written] == []
    assert living in written


@pytest.mark.usefixtures("finished")
def test_an_average_that_was_not_validated_is_validated(train: Train) -> None:
    """The run was killed between writing the average and writing its score."""
    lines = TINY.metrics.read_text().splitlines(keepends=True)
    TINY.metrics.write_text("".join([*lines[:-1], "garbage\n"]))
    errors = train()
    assert "average of 2 checkpoints" in errors
    assert "runs/tiny/metrics.jsonl: damaged lines left out: 1" in errors
    again = TINY.metrics.read_text().splitlines(keepends=True)
    assert again[:-1] == lines[:-1]
    assert json.loads(again[-1])["bleu"] == json.loads(lines[-1])["bleu"]
    assert "is done at update 12" in train()


def test_metrics_on_a_full_disk_are_an_error(nmt: Run, tiny: Path, train: Train) -> None:
    nmt("prepare", tiny)
    TINY.metrics.symlink_to("/dev/full")
    full = "metrics.jsonl: No space left on device; free some space, then the same"
    assert full in train(code=1)


@pytest.mark.usefixtures("stopped")
def test_too_little_memory_for_a_state_is_not_called_a_damage(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("nmt.training.files.checkpoints.torch.load", load)
    errors = train(code=1)
    assert "out of memory" in errors
    assert "another version" not in errors


@pytest.mark.usefixtures("finished")
def test_a_damaged_average_is_written_again(train: Train, tiny_run: Path) -> None:
    TINY.model.write_bytes(TINY.model.read_bytes()[:1000])
    train()
    assert_same(TINY.model, tiny_run / "model.safetensors")


def test_divergence_is_an_error_with_the_lines_of_the_batch(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rate is one that no setting allows; the first update breaks all weights.

    Such a model is never the best; its figures are null.
    """
    monkeypatch.setattr("nmt.training.updates.inverse_sqrt", lambda *_, **__: 1e300)
    errors = train("train.validate_updates=1", "train.early_stopping_metric=loss", code=1)
    assert "loss or gradient was NaN or infinite 5 times in a row" in errors
    assert "train.src + train.tgt, lines " in errors
    dev = read_lines("dev")[0]
    assert (dev["loss"], dev["bleu"]) == (None, 0.0)
    assert not TINY.best.exists()
    skipped = read_lines("skipped")
    assert len(skipped) == 5
    assert skipped[0]["update"] <= 2
    numbers = skipped[0]["lines"]["train.src + train.tgt"]
    assert numbers == sorted({*numbers})
    assert 1 <= numbers[0] <= numbers[-1] <= 120


def test_an_update_that_is_not_finite_is_skipped(train: Train, monkeypatch: Any) -> None:
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
    often = ("train.checkpoint_updates=1", "train.average_checkpoints=9")
    errors = train(*often, "train.validate_updates=3", updates=8)
    assert "update 3 skipped: its loss is NaN or infinite (1 skipped so far)" in errors
    assert "update 6 skipped: its gradient is NaN or infinite (2 skipped so far)" in errors
    assert [line["update"] for line in read_lines("skipped")] == [3, 6]
    assert [line["skipped"] for line in read_lines("train")] == [0, 1, 2, 2]
    assert all(math.isfinite(loss) for loss in losses(TINY.path))
    assert checkpoints() == [1, 2, 4, 5, 7, 8]


# Every checkpoint is kept, and the setting for updates has no effect.
MINUTES: tuple[str, ...] = (
    "train.checkpoint_minutes=2",
    "train.checkpoint_updates=1",
    "train.max_updates=11",
)
MINUTES += ("train.average_checkpoints=9",)


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
trainer.choose_prefetch = lambda device: LATE
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
    return read_model(run / "model.safetensors").updates


@pytest.mark.usefixtures("clock")
def test_a_checkpoint_is_saved_when_the_minutes_have_passed(nmt: Run, train: Train) -> None:
    """Two minutes have passed before updates 3, 6 and 9; the last update is always saved."""
    train(*MINUTES, "train.average_checkpoints=3")
    assert [*averaged()] == checkpoints() == [6, 9, 11]
    assert read_metrics(TINY.path)[-1]["averaged_updates"] == [6, 9, 11]
    manifest = json.loads((TINY.checkpoints / "update-00000006.json").read_text())
    assert manifest["progress"]["validated_update"] == 6
    assert nmt("average", TINY.path, "--output", "mean.safetensors").code == 0
    assert_same(Path("mean.safetensors"), TINY.model)


@pytest.mark.usefixtures("clock")
def test_a_checkpoint_that_a_signal_caused_is_not_averaged(train: Train) -> None:
    """Stopped at 5, the training measures from there: the next ones are 8 and 11.

    Nor is that of an end that was no end, at 9.
    """
    with sigterm_in_update(5):
        train(*MINUTES, code=143)
    assert checkpoints() == [3, 5]
    for last in (9, 12):
        train(*MINUTES, f"train.max_updates={last}")
        assert averaged() == (3, 8, last)


@pytest.mark.usefixtures("clock", "nan_in_update_3")
def test_an_update_that_is_not_finite_delays_the_checkpoint(train: Train) -> None:
    train(*MINUTES)
    assert averaged() == (4, 7, 10, 11)


def test_a_killed_training_resumes_from_the_last_one(train: Train, tiny: Path) -> None:
    """Killed in update 10, it goes on from 8: the request of 7 is read when 8 is started.

    Checkpoints by time and late results change no update.
    """
    train(*MINUTES, "train.checkpoint_minutes=0", run="whole")
    code, errors = finish(start_process("-c", PROCESS, 10, "train", tiny, *options(*MINUTES)))
    assert code == -signal.SIGKILL, errors
    assert checkpoints() == [4, 8]
    assert "resumed at update 8 of 11" in train(*MINUTES)
    last = "checkpoints/update-00000011.safetensors"
    assert_same(Path("whole", last), TINY.path / last)
    assert averaged()[-2:] == (8, 11)
    assert averaged(Path("whole")) == (*range(3, 12),)


def test_many_workers_save_at_the_first_ones_wish(tiny: Path) -> None:
    """The other's clock is 60 times as fast and decides nothing; both save after the same updates.

    Both then average and validate, so that they have stayed in step to the end.
    """
    run_group(2, 0, "train", tiny, *options(*MINUTES), script=PROCESS)
    assert [*averaged()] == checkpoints() == [4, 8, 11]
    # The first worker alone saves the end; what was validated is saved again.
    first, second = (json.loads(Path(f"saved-{rank}").read_text()) for rank in (0, 1))
    assert sorted({*first}) == [4, 8, 11]
    assert second == first[: len(second)]


def test_the_metrics_show_whether_a_checkpoint_is_lost(tmp_path: Path) -> None:
    """By time it is due at update 60 here, and saved at 70 if nine updates are skipped."""
    lines: list[dict[str, Any]] = [
        {"kind": "train", "update": update, "seconds": 10.0 * update}
        for update in range(20, 101, 20)
    ]

    def latest(lines: list[dict[str, Any]], *weights: int, minutes: int = 10) -> float:
        given = [f"train.checkpoint_minutes={minutes}", "train.checkpoint_updates=33"]
        history = parse_history(lines, Recipe("mine"))
        remains = Remains(RunFolder(tmp_path), [], [*weights], history)
        return first_checkpoint(load_recipe("pocket", given).train, remains)

    assert latest(lines) == 70
    untimed = [{"kind": "train", "update": 5, "seconds": None}]
    assert latest(lines[:2]) == latest(untimed) == latest([], 61) == math.inf
    assert latest([], 61, 121) == 61
    assert latest(lines, minutes=0) == 33
