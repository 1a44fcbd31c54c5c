"""The run folder: its metrics, recipe and model, and how runs are found."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.artifacts.run_folder import RunFolder, newest_model, newest_run
from nmt.errors import NmtError
from nmt.recipe import load_recipe


def touch(path: Path, seconds: int) -> None:
    """Create an empty file with this modification time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (seconds, seconds))


def test_damaged_lines_of_metrics_are_left_out_with_a_note(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.read_metrics() == []
    run.metrics.write_text('{"kind": "train", "update": 2, "loss": 0.5}\nbroken\n\n{"update": 4}\n')
    notes: list[str] = []
    assert run.read_metrics(notes.append) == [{"kind": "train", "update": 2, "loss": 0.5}]
    assert notes == [f"{run.metrics}: damaged lines left out: 2"]


def test_a_recipe_is_saved_until_the_run_starts(tmp_path: Path) -> None:
    """After a checkpoint only settings that may change can differ."""
    run = RunFolder(tmp_path / "pocket")
    recipe = load_recipe("pocket")
    run.save_recipe(replace(recipe, train=replace(recipe.train, seed=2)))
    run.save_recipe(recipe)
    assert run.load_recipe() == recipe
    touch(run.checkpoints / "update-00000004.json", 1)
    longer = replace(recipe, train=replace(recipe.train, max_updates=recipe.train.max_updates + 1))
    run.save_recipe(longer)
    assert run.load_recipe() == longer
    with pytest.raises(NmtError, match=r"started with other settings: train\.seed \(1 -> 2\)"):
        run.save_recipe(replace(recipe, train=replace(recipe.train, seed=2)))
    run.recipe.unlink()
    with pytest.raises(NmtError, match=r"recipe\.toml is missing although training has started"):
        run.save_recipe(recipe)


def test_the_newer_of_average_and_best_translates(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with pytest.raises(NmtError, match="holds no trained model yet"):
        run.translation_model()
    touch(run.best, 100)
    assert run.translation_model() == run.best
    touch(run.model, 200)
    assert run.translation_model() == run.model
    touch(run.best, 300)  # training was resumed after the average
    assert run.translation_model() == run.best


def test_the_newest_run_and_model_are_found(tmp_path: Path) -> None:
    """A recipe's name may hold a folder; the last run that trained need not have a model."""
    with pytest.raises(NmtError, match="no trained model under"):
        newest_model(tmp_path)
    with pytest.raises(NmtError, match="no run under"):
        newest_run(tmp_path)
    one, two, three = (RunFolder(tmp_path / name) for name in ("one", "paper/two", "three"))
    touch(one.model, 100)
    touch(one.metrics, 100)
    touch(two.best, 200)
    touch(two.metrics, 200)
    touch(three.metrics, 300)
    assert newest_model(tmp_path) == two.best
    assert newest_run(tmp_path) == three


def test_a_locked_folder_is_refused_and_then_free(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.lock(), pytest.raises(NmtError, match="--run"), run.lock():
        pass
    with run.lock():
        pass
