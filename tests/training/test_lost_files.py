"""Files of a run are gone: nothing trained is replaced, and what can be restored is restored."""

import shutil
from pathlib import Path

import pytest

from nmt.runs.run_folder import RunFolder
from tests.conftest import Run
from tests.training.conftest import STOPPED, TINY, assert_same

FINISHED = 12  # updates of the tiny recipe


def content(run: RunFolder) -> dict[str, bytes]:
    """Return the bytes of a run's results by file name."""
    paths = (run.model, run.best, run.metrics)
    return {path.name: path.read_bytes() for path in paths if path.exists()}


def remove(*patterns: str) -> None:
    """Remove files of the run."""
    for pattern in patterns:
        paths = [*TINY.path.glob(pattern)]
        assert paths
        for path in paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


LOST_CHECKPOINTS = ["checkpoints", "checkpoints/*.state.pt", "checkpoints/*.json"]


@pytest.mark.parametrize("lost", LOST_CHECKPOINTS)
def test_a_finished_run_without_checkpoints_is_done(nmt: Run, finished: Path, lost: str) -> None:
    """More updates would need a checkpoint; the message names the files and the ways on."""
    remove(lost)
    before = content(TINY)
    result = nmt("train", finished)
    assert result.code == 0, result.err
    assert f"runs/tiny is done at update {FINISHED}; its checkpoints are missing" in result.err
    assert f"best: {TINY.best}, dev BLEU " in result.err
    result = nmt("train", finished, "--max-updates", FINISHED + 4)
    assert result.code == 1
    (message,) = result.err.splitlines()
    assert message.startswith("nmt: runs/tiny holds model.safetensors, best.safetensors")
    assert "no checkpoint to resume from" in message
    assert f"--init-from {TINY.best} --run NEW" in message
    assert "remove this one" in message
    assert content(TINY) == before


def test_a_stopped_run_without_checkpoints_is_refused(nmt: Run, stopped: Path) -> None:
    """A recipe written by hand, which may be why the run does not fit, is named first."""
    remove("checkpoints/*.json")
    before = content(TINY)
    result = nmt("train", stopped)
    assert result.code == 1
    assert "which a new training would overwrite" in result.err
    assert content(TINY) == before
    assert nmt("prepare", stopped).code == 1
    TINY.recipe.write_text(stopped.read_text())
    result = nmt("train", stopped, "--set", "model.d_ff=64")
    assert result.code == 2
    assert "recipe.toml was not written by nmt" in result.err


def test_a_finished_run_without_its_average_is_not_trained_again(nmt: Run, finished: Path) -> None:
    """Its best model is not that of a killed training; the way on that a message names works."""
    remove("checkpoints", "model.safetensors")
    before = content(TINY)
    assert nmt("train", finished, "--set", "train.report_updates=1").code == 1
    assert content(TINY) == before
    more = ["--init-from", TINY.best, "--run", "runs/new", "--max-updates", 1]
    result = nmt("train", finished, *more)
    assert result.code == 0, result.err
    assert RunFolder(Path("runs/new")).model.exists()


def test_a_lost_recipe_refuses_the_run(nmt: Run, finished: Path) -> None:
    remove("recipe.toml")
    before = content(TINY)
    result = nmt("train", finished)
    assert result.code == 1
    assert "recipe.toml is missing although training has started" in result.err
    remove("checkpoints")
    result = nmt("train", finished)
    assert result.code == 1
    assert "no checkpoint to resume from" in result.err
    assert content(TINY) == before


def test_lost_preparation_is_made_again(nmt: Run, stopped: Path, tiny_run: Path) -> None:
    """The corpus has the fingerprint that the checkpoints name, so the run goes on exactly."""
    remove("prepared", "tokenizer.model")
    result = nmt("train", stopped)
    assert result.code == 0, result.err
    assert "tokenizer.model is missing and is restored from" in result.err
    assert "learning" not in result.err
    assert f"resumed at update {STOPPED} of {FINISHED}" in result.err
    assert_same(TINY.model, tiny_run / "model.safetensors")
    remove("prepared")  # but not the tokenizer
    again = nmt("train", stopped)
    assert again.code == 0, again.err
    assert "learning" not in again.err


def test_a_lost_best_model_is_restored_or_named(nmt: Run, stopped: Path) -> None:
    """The best model is that of update 6, whose checkpoint is not kept."""
    best = TINY.best.read_bytes()
    remove("best.safetensors")
    result = nmt("train", stopped)
    assert result.code == 0, result.err
    assert "best.safetensors is missing, and so is an intact checkpoint" in result.err
    assert f"best: {TINY.best}" not in result.err
    assert not TINY.best.exists() or TINY.best.read_bytes() != best


def test_a_best_model_is_restored_from_its_checkpoint(nmt: Run, tiny: Path) -> None:
    every = ("--set", "train.validate_updates=4", "--set", "train.early_stopping_metric=loss")
    assert nmt("train", tiny, "--max-updates", 4, *every).code == 0
    best = TINY.best.read_bytes()
    remove("best.safetensors")
    result = nmt("train", tiny, "--max-updates", 4, *every)
    assert result.code == 0, result.err
    assert f"{TINY.best} is missing and is restored from" in result.err
    assert TINY.best.read_bytes() == best


def test_lost_metrics_are_named(nmt: Run, stopped: Path, tiny_run: Path) -> None:
    remove("metrics.jsonl")
    result = nmt("train", stopped)
    assert result.code == 0, result.err
    assert f"metrics.jsonl is missing; the curves will begin at update {STOPPED}" in result.err
    assert_same(TINY.model, tiny_run / "model.safetensors")


def test_a_training_killed_before_its_first_checkpoint_starts_again(nmt: Run, tiny: Path) -> None:
    """It repeats what it did; with a best model, only by the same settings."""
    settings = ("--set", "train.validate_updates=2", "--max-updates", 3)
    assert nmt("train", tiny, *settings).code == 0
    remove("checkpoints", "model.safetensors")
    lines = TINY.metrics.read_text().splitlines(keepends=True)
    TINY.metrics.write_text("".join(lines[:2]))  # update 2 and its validation
    before = TINY.best.read_bytes()
    refused = nmt("train", tiny, *settings, "--seed", 2)
    assert refused.code == 1
    assert "started with other settings: train.seed (1 -> 2)" in refused.err
    assert TINY.best.read_bytes() == before
    text = Path("train.src").read_text()
    Path("train.src").write_text(text.replace("sun", "moon"))
    changed = nmt("train", tiny, *settings)
    assert (changed.code, "the corpus of runs/tiny has changed" in changed.err) == (1, True)
    assert TINY.best.read_bytes() == before
    Path("train.src").write_text(text)
    again = nmt("train", tiny, *settings)
    assert again.code == 0, again.err
    remove("checkpoints", "model.safetensors", "best.safetensors")
    TINY.metrics.write_text(lines[0])  # without a model, other settings may be tried
    assert nmt("train", tiny, "--max-updates", 3, "--seed", 2).code == 0


@pytest.mark.parametrize("lost", ["model.safetensors", "best.safetensors", "metrics.jsonl"])
def test_a_finished_run_stays_finished(nmt: Run, finished: Path, tiny_run: Path, lost: str) -> None:
    remove(lost)
    result = nmt("train", finished)
    assert result.code == 0, result.err
    assert_same(TINY.model, tiny_run / "model.safetensors")


def test_unreadable_files_do_not_count_as_absent(nmt: Run, finished: Path) -> None:
    """A link to itself stands for a file that cannot be read, also by root."""
    remove("checkpoints")
    before = content(TINY)

    for path in (TINY.metrics, TINY.checkpoints, TINY.recipe):
        saved = path.read_bytes() if path.is_file() else None
        path.unlink(missing_ok=True)
        path.symlink_to(path.name)
        result = nmt("train", finished)
        assert result.code == 1, path
        assert "cannot read the " in result.err
        assert path.name in result.err
        path.unlink()
        if saved is not None:
            path.write_bytes(saved)
    assert content(TINY) == before
