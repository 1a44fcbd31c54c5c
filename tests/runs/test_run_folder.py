"""Run folders: recipe, model and data folder, what is none, and how runs are found."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import save

from nmt.errors import NmtError, UsageError
from nmt.recipe.files import load_recipe
from nmt.recipe.toml import to_toml
from nmt.runs.history import read_metrics
from nmt.runs.model_file import find_model
from nmt.runs.run_folder import (
    EVERYDAY,
    MANIFEST,
    SHIPPED_MODEL,
    STATE,
    WEIGHTS,
    RunFolder,
    find_run,
    is_locked,
)
from nmt.runs.runs import choose_model, find_recipe_and_run, newest_run
from nmt.system.atomic import atomic_path


def touch(path: Path, seconds: int) -> None:
    """Create an empty file with this modification time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (seconds, seconds))


def save_metadata(path: Path, **metadata: str) -> None:
    """Write a file that says of itself what a model file says, without weights."""
    path.write_bytes(save({}, metadata))


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
    other = rf"other settings: train\.seed \(1 -> 2\); `nmt train {run.path}` resumes it"
    with pytest.raises(NmtError, match=other):
        run.save_recipe(replace(recipe, train=replace(recipe.train, seed=2)))
    run.recipe.unlink()
    with pytest.raises(NmtError, match=r"recipe\.toml is missing although training has started"):
        run.save_recipe(recipe)


def test_many_other_settings_are_one_short_sentence(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "pocket")
    run.save_recipe(load_recipe("pocket"))
    touch(run.checkpoints / "update-00000004.json", 1)
    with pytest.raises(NmtError, match=r"data\.train, .* and \d+ more; `nmt train") as error:
        run.save_recipe(load_recipe("multi30k_en_de"))
    assert len(str(error.value).replace(str(tmp_path), "")) < 400


def test_the_folder_of_another_programs_model_is_to_be_imported(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    with pytest.raises(NmtError, match="an OPUS-MT model must be imported: `nmt import`"):
        RunFolder(tmp_path).translation_model()


def test_the_average_translates_unless_training_went_on_since(tmp_path: Path) -> None:
    """Whatever the times of the files; an average that the user chose stays."""
    run = RunFolder(tmp_path)
    with pytest.raises(NmtError, match="holds no trained model yet"):
        run.translation_model()
    save_metadata(run.best, updates="[5]")
    assert run.translation_model() == run.best
    save_metadata(run.model, updates="[4, 5, 6]")
    assert run.translation_model() == run.model
    for times in ((1, 2), (2, 1)):
        for path, seconds in zip((run.best, run.model), times, strict=True):
            os.utime(path, (seconds, seconds))
        assert run.translation_model() == run.model
    save_metadata(run.best, updates="[6]")
    assert run.translation_model() == run.model
    save_metadata(run.best, updates="[7]")
    assert run.translation_model() == run.best
    save_metadata(run.model, updates="[4, 5]", made_by="average")
    assert run.translation_model() == run.model


@pytest.mark.parametrize("updates", ["", "[", '["7"]', "[]", "7"])
def test_a_damaged_average_is_not_replaced_silently(tmp_path: Path, updates: str) -> None:
    run = RunFolder(tmp_path)
    save_metadata(run.best, updates="[7]")
    save_metadata(run.model, updates=updates)
    assert run.translation_model() == run.model
    run.model.write_bytes(b"")
    assert run.translation_model() == run.model


def test_a_locked_folder_is_refused_and_then_free(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.lock(), pytest.raises(NmtError, match="--run"), run.lock():
        pass
    with run.lock():
        pass
    with run.lock():
        (run.path / ".lock").unlink()  # as a user might, to get rid of the message
        with pytest.raises(NmtError, match="another nmt process"), run.lock():
            pass
        assert is_locked(run.path)
    assert not is_locked(run.path)


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    """Also behind a link."""
    run, disk = RunFolder(tmp_path / "run"), tmp_path / "disk"
    left = run.path / ".ct2.999999999.0123abcd.partial"
    left.mkdir(parents=True)
    (left / "model.bin").touch()
    (run.path / ".model.safetensors.999999999.0123abcd.partial").touch()
    disk.mkdir()
    run.checkpoints.symlink_to(disk)
    (disk / ".update-00000004.safetensors.999999999.0123abcd.partial").touch()
    (disk / "update-00000002.safetensors").touch()
    with run.lock():
        assert {entry.name for entry in run.path.iterdir()} == {".lock", "checkpoints"}
        assert [path.name for path in disk.iterdir()] == ["update-00000002.safetensors"]


def test_hidden_files_of_the_user_stay() -> None:
    run = RunFolder(Path("run"))
    names = [".notes.partial", ".notes.999999999.partial", ".0123abcd.partial", "notes.partial"]
    names += [f".notes.{10**12}.0123abcd.partial"]  # no process has such a number
    mine = [folder / name for folder in (run.path, run.prepared) for name in names]
    mine += [run.prepared / "train.partial", run.prepared / "train-0.txt.partial"]
    for path in mine:
        touch(path, 1)
    (run.path / ".old.partial").mkdir()
    with atomic_path(run.path / "last3.safetensors") as partial, run.lock():
        assert partial.exists()  # of another thread
    assert all(path.exists() for path in (*mine, run.path / ".old.partial"))


def test_the_data_folder_is_remembered_as_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A given folder comes first, then the remembered one while it exists, then data/."""
    run = RunFolder(tmp_path / "run")
    assert run.data_dir() == Path("data")
    run.remember(tmp_path / "none")  # does not exist: nothing to remember
    assert not run.memory.exists()
    (tmp_path / "corpora").mkdir()
    run.remember(Path("corpora"))
    monkeypatch.chdir("/")
    assert run.data_dir() == tmp_path / "corpora"
    assert run.data_dir(Path("other")) == Path("other")
    (tmp_path / "corpora").rmdir()
    assert capsys.readouterr().err == ""
    assert run.data_dir() == Path("data")
    assert f"the data folder {tmp_path / 'corpora'} is gone; --data-dir" in capsys.readouterr().err
    for text in ("{", "{}", '{"data_dir": 3}', "[" * 2000):
        run.memory.write_text(text)
        with pytest.raises(NmtError, match=r"run\.json is damaged: .*--data-dir") as error:
            run.data_dir()
        assert str(error.value).count("\n") == 0


def test_a_pipe_or_a_device_in_a_run_folder_is_not_read(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for path, read in ((run.recipe, run.load_recipe), (run.memory, run.data_dir)):
        os.mkfifo(path)
        with pytest.raises(NmtError, match=rf"{path.name} is a pipe or a device"):
            read()
        path.unlink()
        path.symlink_to("/dev/zero")
        with pytest.raises(NmtError, match=path.name):
            read()
        path.unlink()


def test_the_nearest_name_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "pocket").mkdir()
    with pytest.raises(NmtError, match=r"did you mean .*/pocket\?$"):
        RunFolder(tmp_path / "poket").load_recipe()
    with pytest.raises(NmtError, match=r"poket does not exist; did you mean .*/pocket\?$"):
        find_model(tmp_path / "poket")
    with pytest.raises(NmtError, match=r"did you mean everyday\?$"):
        find_model(Path("everyda"))
    with pytest.raises(NmtError, match=r"everyda; `nmt runs` lists the runs$"):
        RunFolder(Path("everyda")).load_recipe()


def test_what_is_no_run_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="there is no run folder"):
        RunFolder(tmp_path / "none").load_recipe()
    with pytest.raises(NmtError, match=r"is not a run folder: it has no recipe\.toml"):
        RunFolder(tmp_path).load_recipe()
    (tmp_path / "notes").touch()
    with pytest.raises(NmtError, match="notes is a file, not a run folder"):
        RunFolder(tmp_path / "notes").load_recipe()
    model = tmp_path / "best.safetensors"
    model.touch()
    with pytest.raises(NmtError, match=f"is a model file.* did you mean its folder {tmp_path}"):
        RunFolder(model).load_recipe()


def test_unreadable_is_not_absent(tmp_path: Path) -> None:
    """A link to itself stands for whatever cannot be read, also by root."""
    run = RunFolder(tmp_path)
    for path, read in (
        (run.metrics, lambda: read_metrics(run.metrics)),
        (run.model, run.translation_model),
        (run.recipe, run.load_recipe),
        (run.memory, run.data_dir),
        (run.checkpoints, run.is_started),
    ):
        path.symlink_to(path.name)
        with pytest.raises(NmtError, match=f"cannot read the .*{path.name}"):
            read()
        path.unlink()


def test_a_recipe_written_by_hand_is_kept(tmp_path: Path) -> None:
    """Its comments and its order are the user's; an equal recipe is not written again."""
    run = RunFolder(tmp_path)
    recipe = load_recipe("pocket")
    for text in ("[train]\nmax_updates = 3\n", f"# mine\n{to_toml(recipe)}"):
        run.recipe.write_text(text)
        with pytest.raises(UsageError, match=r"recipe\.toml was not written by nmt"):
            run.save_recipe(replace(recipe, train=replace(recipe.train, max_updates=4)))
        assert run.recipe.read_text() == text
    run.save_recipe(recipe)
    assert run.recipe.read_text().startswith("# mine")


def test_checkpoints_are_found_by_their_names(tmp_path: Path) -> None:
    """Temporary, damaged and foreign files are none; a file lies in its run."""
    run = RunFolder(tmp_path)
    for update in (100_000_000, 4):
        for suffix in (WEIGHTS, MANIFEST):
            touch(run.checkpoint(update, suffix), 1)
    for name in ("update-00000004.state.pt", "update-00000006.state.pt", "update-9.json"):
        touch(run.checkpoints / name, 1)
    for name in ("update-00000007.json.damaged", ".update-00000008.json.1.partial", "mine.json"):
        touch(run.checkpoints / name, 1)
    assert run.updates_with(WEIGHTS, MANIFEST) == [4, 100_000_000]
    assert run.updates_with(STATE) == [4, 6]
    assert run.reached_update() == 4
    assert run.is_started()
    assert run.is_resumable()
    run.checkpoint(4, STATE).unlink()
    assert not run.is_resumable()
    assert [find_run(path) for path in (run.path, run.best, run.checkpoint(4, WEIGHTS))] == [
        run
    ] * 3


def test_a_recipe_in_a_folder_trains_into_one() -> None:
    recipe, run = find_recipe_and_run("paper/c-n2", None, {})
    assert (recipe.name, run.path) == ("paper/c-n2", Path("runs/paper/c-n2"))


def test_the_newest_run_need_not_have_a_model(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no run under"):
        newest_run(tmp_path)
    touch(RunFolder(tmp_path / "one").metrics, 100)
    touch(RunFolder(tmp_path / "paper/two").metrics, 200)
    assert newest_run(tmp_path).path == tmp_path / "paper/two"


def test_the_shipped_model_has_a_name_and_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of its name is named, but never chosen."""
    monkeypatch.chdir(tmp_path)
    assert find_model(Path(EVERYDAY)) == SHIPPED_MODEL
    Path(EVERYDAY).touch()
    assert find_model(Path(EVERYDAY)) == Path(EVERYDAY)
    assert choose_model().path == SHIPPED_MODEL


def test_a_finished_model_is_preferred_to_a_newer_unfinished_one(tmp_path: Path) -> None:
    """Finished means that model.safetensors exists and that training has not gone on since."""
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
