"""Files of a run are gone: nothing trained is replaced, and what can be restored is restored."""

import shutil
from pathlib import Path

import pytest

from nmt.runs.run_folder import RunFolder
from tests.conftest import Run
from tests.training.conftest import STOPPED, TINY, Train, assert_same

FINISHED = 12  # updates of the tiny recipe


def content(run: RunFolder) -> dict[str, bytes]:
    paths = (run.model, run.best, run.metrics)
    return {path.name: path.read_bytes() for path in paths if path.exists()}


def remove(*patterns: str) -> None:
    for pattern in patterns:
        paths = [*TINY.path.glob(pattern)]
        assert paths
        for path in paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("lost", ["checkpoints", "checkpoints/*.state.pt", "checkpoints/*.json"])
def test_a_finished_run_without_checkpoints_is_done(train: Train, lost: str) -> None:
    """More updates would need a checkpoint; the message names the files and the ways on."""
    remove(lost)
    before = content(TINY)
    errors = train()
    assert f"runs/tiny is done at update {FINISHED}; its checkpoints are missing" in errors
    assert f"best: {TINY.best}, dev BLEU " in errors
    (message,) = train(updates=FINISHED + 4, code=1).splitlines()
    assert message.startswith("nmt: runs/tiny holds model.safetensors, best.safetensors")
    assert "no checkpoint to resume from" in message
    assert f"--init-from {TINY.best} --run NEW" in message
    assert "remove this one" in message
    assert content(TINY) == before


def test_a_stopped_run_without_checkpoints_is_refused(
    nmt: Run, train: Train, stopped: Path
) -> None:
    """A recipe written by hand, which may be why the run does not fit, is named first."""
    remove("checkpoints/*.json")
    before = content(TINY)
    assert "which a new training would overwrite" in train(code=1)
    assert content(TINY) == before
    assert nmt("prepare", stopped).code == 1
    TINY.recipe.write_text(stopped.read_text())
    assert "recipe.toml was not written by nmt" in train("model.d_ff=64", code=2)


@pytest.mark.usefixtures("finished")
def test_a_finished_run_without_its_average_is_not_trained_again(train: Train) -> None:
    """Its best model is not that of a killed training; the way on that a message names works."""
    remove("checkpoints", "model.safetensors")
    before = content(TINY)
    train("train.report_updates=1", code=1)
    assert content(TINY) == before
    train(f"train.init_from={TINY.best}", run="runs/new", updates=1)
    assert Path("runs/new/model.safetensors").exists()


@pytest.mark.usefixtures("stopped")
def test_lost_preparation_is_made_again(train: Train, tiny_run: Path) -> None:
    """The corpus has the fingerprint that the checkpoints name, so the run goes on exactly."""
    remove("prepared", "tokenizer.model")
    errors = train()
    assert "tokenizer.model is missing and is restored from" in errors
    assert f"resumed at update {STOPPED} of {FINISHED}" in errors
    assert_same(TINY.model, tiny_run / "model.safetensors")
    remove("prepared")  # but not the tokenizer
    assert "learning" not in errors + train()


@pytest.mark.usefixtures("stopped")
def test_a_lost_best_model_is_named(train: Train) -> None:
    """The best model is that of update 6, whose checkpoint is not kept."""
    best = TINY.best.read_bytes()
    remove("best.safetensors")
    errors = train()
    assert "best.safetensors is missing, and so is an intact checkpoint" in errors
    assert f"best: {TINY.best}" not in errors
    assert not TINY.best.exists() or TINY.best.read_bytes() != best


def test_a_best_model_is_restored_from_its_checkpoint(train: Train) -> None:
    every = ("train.validate_updates=4", "train.early_stopping_metric=loss")
    train(*every, updates=4)
    best = TINY.best.read_bytes()
    remove("best.safetensors")
    assert f"{TINY.best} is missing and is restored from" in train(*every, updates=4)
    assert TINY.best.read_bytes() == best
    for damaged in (best[:100], b"version https://git-lfs.github.com/spec/v1\n"):
        TINY.best.write_bytes(damaged)
        assert f"{TINY.best} is damaged and is renamed to *.damaged" in train(*every, updates=4)
        assert TINY.best.read_bytes() == best


@pytest.mark.usefixtures("stopped")
def test_lost_metrics_are_named(train: Train, tiny_run: Path) -> None:
    remove("metrics.jsonl")
    lost = f"metrics.jsonl is missing; the curves will begin at update {STOPPED}"
    assert lost in train()
    assert_same(TINY.model, tiny_run / "model.safetensors")


def test_a_training_killed_before_its_first_checkpoint_starts_again(train: Train) -> None:
    """It repeats what it did; with a best model, only by the same settings."""
    settings = ("train.validate_updates=2", "train.max_updates=3")
    train(*settings)
    remove("checkpoints", "model.safetensors")
    lines = TINY.metrics.read_text().splitlines(keepends=True)
    TINY.metrics.write_text("".join(lines[:2]))  # update 2 and its validation
    before = TINY.best.read_bytes()
    other = train(*settings, "train.seed=2", code=1)
    assert "started with other settings: train.seed (1 -> 2)" in other
    text = Path("train.src").read_text()
    Path("train.src").write_text(text.replace("sun", "moon"))
    assert "the corpus of runs/tiny has changed" in train(*settings, code=1)
    assert TINY.best.read_bytes() == before
    Path("train.src").write_text(text)
    train(*settings)
    remove("checkpoints", "model.safetensors", "best.safetensors")
    TINY.metrics.write_text(lines[0])  # without a model, other settings may be tried
    train("train.seed=2", updates=3)


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("lost", ["model.safetensors", "best.safetensors", "metrics.jsonl"])
def test_a_finished_run_stays_finished(train: Train, tiny_run: Path, lost: str) -> None:
    remove(lost)
    train()
    assert_same(TINY.model, tiny_run / "model.safetensors")
