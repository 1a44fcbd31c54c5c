"""`nmt average`: which checkpoints are averaged, and what is refused."""

import os
import shutil
import stat
from pathlib import Path

import pytest
import torch

from nmt.artifacts.model_file import read_model, save_model
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
    for name, tensor in mean.weights.items():
        exact = (one[name].double() + two[name].double()) / 2
        assert torch.equal(tensor, exact.float())
    assert any(not torch.equal(one[name], two[name]) for name in one)


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
        for name, tensor in read_model(output).weights.items():
            assert torch.equal(tensor, single.weights[name])


@pytest.mark.parametrize(
    ("options", "lacking"),
    [
        (["--last", 3], "3 checkpoints"),
        (["--updates", "8,9"], "update 9"),
    ],
)
def test_missing_checkpoints_are_named(
    nmt: Run, run: Path, options: list[object], lacking: str
) -> None:
    before = (run / "model.safetensors").read_bytes()
    result = nmt("average", run, *options)
    assert (result.code, result.out) == (1, "")
    assert lacking in result.err
    assert "[8, 12]" in result.err
    assert (run / "model.safetensors").read_bytes() == before


def test_a_folder_that_is_not_a_run_is_refused(nmt: Run, tmp_path: Path) -> None:
    result = nmt("average", tmp_path)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"nmt: {tmp_path} is not a run folder: it has no recipe.toml\n"


def test_a_run_without_checkpoints_is_refused(nmt: Run, run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    result = nmt("average", run)
    assert result.code == 1
    assert "it has: none" in result.err


@pytest.mark.parametrize("difference", ["tokenizer", "shape", "names"])
def test_checkpoints_of_different_runs_are_refused(nmt: Run, run: Path, difference: str) -> None:
    content = read_model(checkpoint(run, 12))
    weights, tokenizer = content.weights, content.tokenizer
    if difference == "tokenizer":
        tokenizer = bytes(9)
    elif difference == "shape":
        weights["embeddings.weight"] = torch.zeros(40, 8)
    else:
        del weights["embeddings.weight"]
    save_model(checkpoint(run, 12), weights, tokenizer, content.recipe, [12])
    result = nmt("average", run)
    assert (result.code, result.out) == (1, "")
    assert str(checkpoint(run, 8)) in result.err
    assert str(checkpoint(run, 12)) in result.err
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


def test_a_link_as_output_stays_a_link(nmt: Run, run: Path) -> None:
    link, target = run / "link", run / "target.safetensors"
    link.symlink_to(target)
    assert nmt("average", run, "--output", link).code == 0
    assert link.is_symlink()
    assert read_model(target).updates == (8, 12)
