"""Runs are found at two depths; a finished model is preferred; nothing unreadable is skipped."""

import os
from pathlib import Path

import pytest
from safetensors.numpy import save

from nmt.errors import NmtError
from nmt.runs.run_folder import RunFolder
from nmt.runs.runs import choose_model, newest_run


def touch(path: Path, seconds: int) -> None:
    """Create an empty file with this modification time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (seconds, seconds))


def test_the_newest_run_need_not_have_a_model(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no run under"):
        newest_run(tmp_path)
    touch(RunFolder(tmp_path / "one").metrics, 100)
    touch(RunFolder(tmp_path / "paper/two").metrics, 200)
    assert newest_run(tmp_path).path == tmp_path / "paper/two"


def test_a_finished_model_is_preferred_to_a_newer_unfinished_one(tmp_path: Path) -> None:
    """Finished means that model.safetensors exists and that training has not gone on since."""
    with pytest.raises(NmtError, match="no trained model under"):
        choose_model(tmp_path)
    one, two, three = (RunFolder(tmp_path / name) for name in ("one", "paper/two", "three"))
    touch(two.best, 200)
    assert choose_model(tmp_path).reason == ""
    touch(one.best, 100)
    chosen = choose_model(tmp_path)
    assert (chosen.path, chosen.reason) == (two.best, "the newest of 2 runs, none of them finished")
    touch(one.model, 110)
    chosen = choose_model(tmp_path)
    assert (chosen.path, chosen.reason) == (one.model, "the newest finished of 2 runs")
    touch(three.model, 120)
    assert choose_model(tmp_path).path == three.model
    assert choose_model(tmp_path).reason == "the newest finished of 3 runs"
    for path, updates in ((three.model, "[6]"), (three.best, "[7]")):  # resumed, and better since
        path.write_bytes(save({}, {"updates": updates}))
    assert choose_model(tmp_path).path == one.model


def test_what_cannot_be_read_is_not_skipped(tmp_path: Path) -> None:
    """A link to itself stands for a folder that cannot be read, also by root."""
    touch(RunFolder(tmp_path / "one").model, 100)
    (tmp_path / "gone").symlink_to("nowhere")
    assert choose_model(tmp_path).path.parent.name == "one"
    (tmp_path / "two").symlink_to("two")
    with pytest.raises(NmtError, match=r"cannot read .*two"):
        choose_model(tmp_path)
    (tmp_path / "runs").symlink_to("runs")
    with pytest.raises(NmtError, match=r"cannot read the folder .*runs"):
        choose_model(tmp_path / "runs")
