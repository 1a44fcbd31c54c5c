"""`nmt average`: which checkpoints are averaged, and what is refused."""

import json
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.runs.history import read_metrics
from nmt.runs.model_file import open_model, read_model, save_model
from nmt.runs.run_folder import WEIGHTS, RunFolder
from nmt.system.files import compute_sha256
from nmt.training.files.checkpoints import read_manifest, write_manifest
from tests.conftest import Run


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """Return the folder of a run with checkpoints 8 and 12, which tests may change."""
    return shutil.copytree(tiny_run, tmp_path / "run")


def checkpoint(run: Path, update: int) -> Path:
    return run / "checkpoints" / f"update-{update:08}.safetensors"


def test_the_last_checkpoints_are_averaged(
    nmt: Run, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run can be named from inside."""
    monkeypatch.chdir(run / "prepared")
    result = nmt("average", "..")
    assert (result.code, result.out) == (0, "")
    assert "updates 8, 12\n" in result.err
    mean = read_model(run / "model.safetensors")
    assert mean.updates == (8, 12)
    alignments = []  # that the training chose
    for kind in ("best", "model"):
        with open_model(run / f"{kind}.safetensors") as model:
            alignments.append(model.alignment)
    assert alignments[0] == alignments[1] != None  # noqa: E711 (both are one value, not None)


def test_a_finished_training_keeps_the_average_that_was_chosen(
    nmt: Run, tiny: Path, run: Path
) -> None:
    assert nmt("average", run, "--last", 1).code == 0
    lines = read_metrics(run / "metrics.jsonl")
    (validation,) = [
        record for record in lines if (record["kind"], record["update"]) == ("dev", 12)
    ]
    validation["bleu"] = 7.5
    (run / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in lines))
    listed = nmt("runs", run.parent, "--json")
    (summary,) = [record for record in json.loads(listed.out) if record["name"] == run.name]
    assert summary["score"] == 7.5  # of the checkpoint, not of the average before
    chosen = (run / "model.safetensors").read_bytes()
    assert nmt("train", tiny, "--run", run).code == 0
    assert (run / "model.safetensors").read_bytes() == chosen
    assert nmt("train", tiny, "--run", run, "--max-updates", 16).code == 0
    assert read_model(run / "model.safetensors").updates == (12, 16)


@pytest.mark.parametrize(
    ("options", "updates"),
    [(["--last", 1], (12,)), (["--last", 2], (8, 12)), (["--updates", "12, 8,12"], (8, 12))],
)
def test_chosen_checkpoints(
    nmt: Run, run: Path, options: list[object], updates: tuple[int, ...]
) -> None:
    before = (run / "model.safetensors").read_bytes()
    output = run / "chosen.safetensors"
    assert nmt("average", run, *options, "--output", output).code == 0
    assert read_model(output).updates == updates
    assert (run / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("ending", ["safetensors", "json"])
def test_a_damaged_checkpoint_is_named_and_not_averaged(nmt: Run, run: Path, ending: str) -> None:
    """Neither weights nor the manifest with their SHA-256 may have changed."""
    path = checkpoint(run, 12).with_suffix(f".{ending}")
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    output = run / "averaged.safetensors"
    result = nmt("average", run, "--output", output)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert result.err.startswith(f"nmt: {path} is damaged")
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


def test_the_model_of_a_run_in_training_is_not_replaced(nmt: Run, run: Path) -> None:
    other = run.parent / "other.safetensors"
    with RunFolder(run).lock():
        result = nmt("average", run)
        assert (result.code, "another nmt process" in result.err) == (1, True)
        assert nmt("average", run, "--output", other).code == 0


def test_checkpoints_of_different_runs_are_refused(nmt: Run, run: Path) -> None:
    content = read_model(checkpoint(run, 12))
    save_model(checkpoint(run, 12), replace(content, tokenizer=bytes(9)))
    path = checkpoint(run, 12).with_suffix(".json")  # as if a training had written the weights
    manifest = read_manifest(path, 12)
    digests = {**manifest.sha256, WEIGHTS: compute_sha256(checkpoint(run, 12))}
    write_manifest(path, replace(manifest, sha256=digests))
    result = nmt("average", run)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    for fact in (checkpoint(run, 8), checkpoint(run, 12), "different runs"):
        assert str(fact) in result.err


def test_what_does_not_fit_is_one_sentence(nmt: Run, run: Path) -> None:
    """The models of the run and its checkpoints stay, whatever they are called."""
    recipe = run / "recipe.toml"
    (run / "checkpoints/sub").mkdir()
    (run / "link").symlink_to("checkpoints")
    moving = recipe.read_text().replace("moving_average = 0.0\n", "moving_average = 0.9\n")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    other = run / ".." / run.name / "model.safetensors"
    last = ["--last", 2, "--output"]
    for code, arguments, fact in (
        (1, [run, "--last", 3], f"cannot average the last 3: {run} has 2 checkpoints: 8, 12\n"),
        (1, [run, "--updates", "8,9"], f"{run} has no checkpoint of update 9; it has 2 checkp"),
        (2, [run, "--updates", ""], "--updates"),  # an unset variable of a shell
        (2, [run, *last, run / "mean.bin"], "the name of a model ends in .safetensors"),
        (2, [run, "--output", run / "checkpoints/sub/../mine"], "where `nmt train` re"),
        (2, [run, "--output", run / "link/mine"], "where `nmt train` re"),
        (2, [run, *last, other], "is the run's moving average"),
    ):
        if "moving" in fact:
            recipe.write_text(moving)
        result = nmt("average", *arguments)
        assert (result.code, result.out, fact in result.err) == (code, "", True), result.err
    recipe.write_bytes(before[recipe])
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    shutil.rmtree(run / "checkpoints")
    result = nmt("average", run)
    assert result.err == f"nmt: {run} has no checkpoints; `nmt train` writes them\n"


def test_a_device_as_output_stays_a_device(nmt: Run, run: Path, tmp_path: Path) -> None:
    """Write to a device of the test's own, like /dev/null, which a bug could destroy."""
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except (OSError, AttributeError):
        pytest.skip("only the superuser makes devices")
    nmt("average", run, "--output", device)
    assert device.is_char_device()
