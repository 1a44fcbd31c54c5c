"""`nmt average`: the mean is the mean, of the checkpoints asked for."""

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
    """A run with checkpoints 8 and 12, to write into."""
    return shutil.copytree(tiny_run, tmp_path / "run")


def checkpoint(run: Path, update: int) -> Path:
    return run / "checkpoints" / f"update-{update:08}.safetensors"


def test_the_mean_is_the_mean(nmt: Run, run: Path) -> None:
    result = nmt("average", run)
    assert (result.code, result.out) == (0, "")
    assert result.err == f"{run / 'model.safetensors'}: mean of the checkpoints of updates 8, 12\n"
    mean = read_model(run / "model.safetensors")
    one, two = (read_model(checkpoint(run, update)).weights for update in (8, 12))
    assert mean.updates == (8, 12)
    for name, tensor in mean.weights.items():
        exact = (one[name].double() + two[name].double()) / 2
        assert torch.equal(tensor, exact.float())
    assert not torch.equal(one["embedding"], two["embedding"])


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
    ("options", "said"),
    [
        (["--last", 3], "has no checkpoint of so many; it has: [8, 12]"),
        (["--updates", "8,9"], "has no checkpoint of update 9; it has: [8, 12]"),
    ],
)
def test_missing_checkpoints(nmt: Run, run: Path, options: list[object], said: str) -> None:
    before = (run / "model.safetensors").read_bytes()
    result = nmt("average", run, *options)
    assert (result.code, result.out) == (1, "")
    assert said in result.err
    assert (run / "model.safetensors").read_bytes() == before


def test_a_folder_that_is_no_run(nmt: Run, tmp_path: Path) -> None:
    result = nmt("average", tmp_path)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"nmt: {tmp_path} is not a run folder: it has no recipe.toml\n"


def test_a_run_without_checkpoints(nmt: Run, run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    result = nmt("average", run)
    assert result.code == 1
    assert "it has: none" in result.err


@pytest.mark.parametrize("difference", ["tokenizer", "shape", "names"])
def test_checkpoints_of_different_runs_have_no_mean(nmt: Run, run: Path, difference: str) -> None:
    content = read_model(checkpoint(run, 12))
    weights, tokenizer = content.weights, content.tokenizer
    if difference == "tokenizer":
        tokenizer = bytes(9)
    elif difference == "shape":
        weights["embedding"] = torch.zeros(40, 8)
    else:
        del weights["embedding"]
    save_model(checkpoint(run, 12), weights, tokenizer, content.recipe, [12])
    result = nmt("average", run)
    assert (result.code, result.out) == (1, "")
    assert "are of different runs; they have no mean" in result.err
    assert result.err.count("\n") == 1


def test_a_device_as_output_stays_a_device(nmt: Run, run: Path, tmp_path: Path) -> None:
    """On one of our own making, like /dev/null, which an accident may not cost anyone."""
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
