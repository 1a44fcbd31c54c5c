"""`nmt average`: which checkpoints are averaged, and what is refused."""

import json
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from nmt.runs.history import read_metrics
from nmt.runs.model_file import read_model, save_model
from nmt.runs.run_folder import WEIGHTS, RunFolder
from nmt.system.files import sha256_of
from nmt.training.checkpoints import read_manifest, write_manifest
from tests.conftest import Run


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """Return the folder of a run with checkpoints 8 and 12, which tests may change."""
    return shutil.copytree(tiny_run, tmp_path / "run")


def checkpoint(run: Path, update: int) -> Path:
    return run / "checkpoints" / f"update-{update:08}.safetensors"


def test_the_model_is_the_mean_of_the_checkpoints(nmt: Run, run: Path) -> None:
    result = nmt("average", run)
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith(f"{run / 'model.safetensors'}: ")
    assert "updates 8, 12\n" in result.err
    mean = read_model(run / "model.safetensors")
    one, two = (read_model(checkpoint(run, update)).weights for update in (8, 12))
    assert mean.updates == (8, 12)
    for name, weight in mean.weights.items():
        exact = (one[name].astype(float) + two[name].astype(float)) / 2
        assert numpy.array_equal(weight, exact.astype(numpy.float32))
    assert any(not numpy.array_equal(one[name], two[name]) for name in one)


def test_a_finished_training_keeps_the_average_that_was_chosen(
    nmt: Run, tiny: Path, run: Path
) -> None:
    assert nmt("average", run, "--last", 1).code == 0
    lines = read_metrics(run / "metrics.jsonl")
    (validation,) = [each for each in lines if (each["kind"], each["update"]) == ("dev", 12)]
    validation["bleu"] = 7.5
    (run / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    listed = nmt("runs", run.parent, "--json")
    (summary,) = [each for each in json.loads(listed.out) if each["name"] == run.name]
    assert summary["score"] == 7.5  # of the checkpoint, not of the average before
    chosen = (run / "model.safetensors").read_bytes()
    assert nmt("train", tiny, "--run", run).code == 0
    assert (run / "model.safetensors").read_bytes() == chosen
    assert nmt("train", tiny, "--run", run, "--max-updates", 16).code == 0
    assert read_model(run / "model.safetensors").updates == (12, 16)


@pytest.mark.parametrize(
    ("options", "updates"),
    [
        (["--last", 1], (12,)),
        (["--last", 2], (8, 12)),
        (["--updates", "8"], (8,)),
        (["--updates", "12, 8,12"], (8, 12)),
    ],
)
def test_chosen_checkpoints(
    nmt: Run, run: Path, options: list[object], updates: tuple[int, ...]
) -> None:
    before = (run / "model.safetensors").read_bytes()
    output = run / "chosen.safetensors"
    assert nmt("average", run, *options, "--output", output).code == 0
    assert read_model(output).updates == updates
    assert (run / "model.safetensors").read_bytes() == before
    if len(updates) == 1:
        single = read_model(checkpoint(run, updates[0]))
        for name, weight in read_model(output).weights.items():
            assert numpy.array_equal(weight, single.weights[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--last", 3], "cannot average the last 3: {run} has 2 checkpoints: 8, 12"),
        (["--updates", "8,9"], "{run} has no checkpoint of update 9; it has 2 checkpoints: 8, 12"),
    ],
)
def test_missing_checkpoints_are_named(
    nmt: Run, run: Path, options: list[object], message: str
) -> None:
    before = (run / "model.safetensors").read_bytes()
    result = nmt("average", run, *options)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"nmt: {message.format(run=run)}\n"
    assert (run / "model.safetensors").read_bytes() == before


def test_one_checkpoint_is_in_the_singular(nmt: Run, run: Path) -> None:
    for path in (run / "checkpoints").glob("update-00000008.*"):
        path.unlink()
    result = nmt("average", run, "--last", 2)
    assert result.err == f"nmt: cannot average the last 2: {run} has 1 checkpoint: 12\n"


def flip(path: Path) -> None:
    """Change one bit in the last weights of a file."""
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("options", [[], ["--last", 2], ["--updates", "12"]])
@pytest.mark.parametrize("ending", ["safetensors", "json"])
def test_a_damaged_checkpoint_is_named_and_not_averaged(
    nmt: Run, run: Path, options: list[object], ending: str
) -> None:
    """Neither weights nor the manifest with their SHA-256 may have changed."""
    path = checkpoint(run, 12).with_suffix(f".{ending}")
    flip(path)
    output = run / "averaged.safetensors"
    result = nmt("average", run, *options, "--output", output)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"nmt: {path} is damaged")
    assert "different runs" not in result.err
    assert result.err.count("\n") == 1
    assert not output.exists()
    assert path.exists()  # only a training sets damaged files aside


def test_weights_without_a_manifest_cannot_be_verified(nmt: Run, run: Path) -> None:
    """A training that is killed while it writes a checkpoint leaves such weights."""
    manifest = checkpoint(run, 12).with_suffix(".json")
    manifest.unlink()
    result = nmt("average", run, "--updates", "8,12")
    assert result.code == 1
    assert result.err == f"nmt: the checkpoint of update 12 is incomplete: no {manifest}\n"
    assert nmt("average", run).code == 0
    assert read_model(run / "model.safetensors").updates == (8,)


def test_a_moving_average_is_not_replaced_by_another_name_of_it(nmt: Run, run: Path) -> None:
    recipe = (run / "recipe.toml").read_text()
    moving = recipe.replace("moving_average = 0.0\n", "moving_average = 0.9\n")
    assert moving != recipe
    (run / "recipe.toml").write_text(moving)
    before = (run / "model.safetensors").read_bytes()
    other = run / ".." / run.name / "model.safetensors"
    result = nmt("average", run, "--last", 2, "--output", other)
    assert result.code == 2
    assert "is the run's moving average" in result.err
    assert (run / "model.safetensors").read_bytes() == before


def test_the_model_of_a_run_in_training_is_not_replaced(nmt: Run, run: Path) -> None:
    other = run.parent / "other.safetensors"
    with RunFolder(run).lock():
        result = nmt("average", run)
        assert (result.code, "another nmt process" in result.err) == (1, True)
        assert nmt("average", run, "--output", other).code == 0


def test_empty_updates_are_refused(nmt: Run, run: Path) -> None:
    """An unset variable of a shell must not mean the default."""
    assert nmt("average", run, "--updates", "").code == 2
    assert nmt("average", run, "--updates", "", "--last", 2).code == 2


@pytest.mark.parametrize("name", ["mean.bin", "mean/"])
def test_a_model_needs_the_suffix_of_models(nmt: Run, run: Path, name: str) -> None:
    result = nmt("average", run, "--last", 2, "--output", f"{run}/{name}")
    assert result.code == 2
    assert "the name of a model ends in .safetensors" in result.err
    assert not (run / name).exists()


def test_a_folder_that_is_not_a_run_is_refused(nmt: Run, tmp_path: Path) -> None:
    result = nmt("average", tmp_path)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"nmt: {tmp_path} is not a run folder: it has no recipe.toml\n"


def test_a_run_without_checkpoints_is_refused(nmt: Run, run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    result = nmt("average", run)
    assert result.code == 1
    assert result.err == f"nmt: {run} has no checkpoints; `nmt train` writes them\n"


def seal(run: Path, update: int) -> None:
    """Write the manifest of a checkpoint again, as if a training had written its weights."""
    path = checkpoint(run, update).with_suffix(".json")
    manifest = read_manifest(path, update)
    digests = {**manifest.sha256, WEIGHTS: sha256_of(checkpoint(run, update))}
    write_manifest(path, replace(manifest, sha256=digests))


def test_checkpoints_of_different_runs_are_refused(nmt: Run, run: Path) -> None:
    content = read_model(checkpoint(run, 12))
    save_model(checkpoint(run, 12), content.weights, bytes(9), content.recipe, [12])
    seal(run, 12)
    result = nmt("average", run)
    assert (result.code, result.out) == (1, "")
    assert str(checkpoint(run, 8)) in result.err
    assert str(checkpoint(run, 12)) in result.err
    assert "different runs" in result.err
    assert result.err.count("\n") == 1


def test_a_device_as_output_stays_a_device(nmt: Run, run: Path, tmp_path: Path) -> None:
    """Write to a device of the test's own, like /dev/null, which a bug could destroy."""
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except (OSError, AttributeError):
        pytest.skip("only the superuser makes devices")
    nmt("average", run, "--output", device)
    assert device.is_char_device()


@pytest.mark.parametrize("name", ["update-00009000.safetensors", "sub/../mine", "link/mine"])
def test_no_model_is_written_among_the_checkpoints(nmt: Run, run: Path, name: str) -> None:
    """The training would remove it."""
    (run / "checkpoints/sub").mkdir()
    (run / "link").symlink_to("checkpoints")
    output = (run if name.startswith("link") else run / "checkpoints") / name
    before = [*run.rglob("*")]
    result = nmt("average", run, "--output", output)
    assert (result.code, result.out) == (2, "")
    assert f"--output {output} is in {run / 'checkpoints'}, where `nmt train` re" in result.err
    assert result.err.count("\n") == 1
    assert [*run.rglob("*")] == before


def test_a_link_as_output_stays_a_link(nmt: Run, run: Path) -> None:
    link, target = run / "link", run / "target.safetensors"
    link.symlink_to(target)
    assert nmt("average", run, "--output", link).code == 0
    assert link.is_symlink()
    assert read_model(target).updates == (8, 12)
