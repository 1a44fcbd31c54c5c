"""The setup of a training: each file is read once in a process, errors come before the work."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.errors import NmtError
from nmt.recipe.files import load_recipe, read_recipe
from nmt.runs.run_folder import RunFolder
from nmt.runs.trained_model import load_ensemble
from nmt.text.corpus import DataFolder
from nmt.training.setup import resolve, set_up
from nmt.training.trainer import train
from nmt.training.workers import Workers

CPU = torch.device("cpu")


def count_calls(
    monkeypatch: pytest.MonkeyPatch, calls: Counter[str], name: str, key: Callable[..., str]
) -> None:
    """Count the calls of a function by a key made from its arguments."""
    module, _, function = name.rpartition(".")
    real = getattr(__import__(module, fromlist=[function]), function)

    def counted(*arguments: Any, **options: Any) -> Any:
        calls[key(*arguments)] += 1
        return real(*arguments, **options)

    monkeypatch.setattr(name, counted)


def test_one_process_reads_each_part_of_the_setup_once(
    tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training from an initial model opens no part of its setup a second time."""
    calls: Counter[str] = Counter()
    monkeypatch.setattr("nmt.training.setup.has_bf16", lambda device: False)  # on each machine
    for name, key in (
        ("nmt.text.corpus.read_segments", lambda path: path.name),
        ("nmt.runs.model_file.read_model_file", str),
        ("nmt.runs.model_file.find_model", lambda path: f"find {path}"),
        ("nmt.text.prepare.open_shard", lambda folder, name, *_: name),
        ("nmt.recipe.files.parse_toml", lambda text, origin: f"parse {origin}"),
        ("nmt.training.setup.has_bf16", lambda device: "precision"),
    ):
        count_calls(monkeypatch, calls, name, key)
    model = tiny_run / "model.safetensors"
    changes = {"train.init_from": str(tiny_run), "train.precision": "auto", "train.max_updates": 1}
    recipe = read_recipe(str(tiny), changes)
    calls.clear()
    train(recipe, DataFolder(tiny.parent), RunFolder(Path("run")), CPU, Workers())
    assert (calls["dev.src"], calls["dev.tgt"]) == (1, 1)
    assert (calls[str(model)], calls[f"find {tiny_run}"]) == (1, 1)
    assert calls["train-0"] == 1
    assert calls["precision"] == 1
    assert calls["parse run/recipe.toml"] == 0


def test_a_model_path_is_resolved_once(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    count_calls(monkeypatch, calls, "nmt.runs.trained_model.find_model", str)
    load_ensemble([tiny_run], "cpu")
    assert calls == {str(tiny_run): 1}


def test_a_bad_dev_set_is_an_error_before_the_work(tiny: Path) -> None:
    Path("dev.tgt").write_text("ONE\n")
    notes: list[str] = []
    with pytest.raises(NmtError, match=r"dev\.src has 10 lines but .*dev\.tgt has 1"):
        set_up(
            load_recipe(str(tiny)), DataFolder(tiny.parent), RunFolder(Path("run")), notes.append
        )
    assert notes == []
    assert not Path("run/tokenizer.model").exists()


def test_automatic_precision_waits_for_a_device(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nmt prepare` has no device and leaves it open; so does a device that must be measured."""
    recipe = read_recipe(str(tiny), {"train.precision": "auto"})
    data, run, notes = DataFolder(tiny.parent), RunFolder(Path("run")), list[str]()
    assert set_up(recipe, data, run, notes.append).recipe.train.precision == "auto"
    monkeypatch.setattr("nmt.training.setup.has_bf16", lambda device: True)
    assert resolve(recipe, run, CPU).recipe.train.precision == "auto"
    monkeypatch.setattr("nmt.training.setup.has_bf16", lambda device: False)
    resolved = resolve(recipe, run, CPU).recipe
    set_up(resolved, data, run, notes.append, CPU)
    assert resolved.train.precision == "float32"
    assert run.load_recipe() == resolved


# `nmt prepare`, then a check; the command must not end the process before that.
PREPARE = """
import sys
import nmt.commands

nmt.commands.exit_now = lambda code: None
try:
    nmt.commands.main(["prepare", sys.argv[1]])
except SystemExit as end:
    assert not end.code
assert "torch" not in sys.modules
"""


def test_preparing_imports_no_pytorch(tiny: Path) -> None:
    """`nmt prepare` starts fast: it needs PyTorch only for an initial model."""
    ended = subprocess.run(
        [sys.executable, "-c", PREPARE, str(tiny)], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
