"""Whatever can be refused is refused before the corpus is prepared."""

from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nmt.config import Recipe, TokenizerSettings
from nmt.errors import NmtError
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from nmt.training.setup import check_requirements, disk_bytes, note_large_model
from tests.conftest import Run

Usage = namedtuple("Usage", "total used free")
CPU = torch.device("cpu")


def refused(nmt: Run, *arguments: object) -> str:
    """Return the message of a training that is refused before it writes anything but its lock."""
    result = nmt("train", *arguments)
    assert (result.code, result.out) == (1, "")
    (message,) = result.err.splitlines()
    left = {path.name for path in Path("runs/tiny").rglob("*")}
    assert left <= {".lock"}
    return message


def test_a_missing_tensorboard_is_reported_first(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.training.setup.find_spec", lambda name: None)
    message = refused(nmt, tiny, "--set", "train.tensorboard=true")
    assert "pip install 'attention-nmt[tensorboard]'" in message


def test_a_missing_compiler_is_reported_first(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    message = refused(nmt, tiny, "--set", "train.compile=true")
    assert "train.compile needs a C++ compiler (no-such-compiler)" in message


def test_all_missing_files_are_named_at_once(nmt: Run, tiny: Path) -> None:
    for name in ("train.src", "train.tgt", "dev.tgt"):
        Path(name).unlink()
    message = refused(nmt, tiny)
    assert "train.src does not exist" in message
    assert message.endswith("; also missing: train.tgt, dev.tgt")


def test_an_empty_dev_set_is_reported_first(nmt: Run, tiny: Path) -> None:
    assert "set data.dev" in refused(nmt, tiny, "--set", "data.dev=[]")
    Path("dev.src").write_text("")
    Path("dev.tgt").write_text("")
    assert "the dev set of recipe tiny is empty" in refused(nmt, tiny)


def test_a_bad_initial_model_is_reported_first(nmt: Run, tiny: Path) -> None:
    assert "none.safetensors" in refused(nmt, tiny, "--init-from", "none.safetensors")


def test_a_full_disk_is_reported_first(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = Usage(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr("nmt.training.setup.shutil.disk_usage", lambda path: usage)
    message = refused(nmt, tiny)
    assert "MB, but 0.0 MB are free" in message
    assert "--run" in message


def test_the_space_of_a_run_is_that_of_its_checkpoints(tiny_run: Path) -> None:
    """12 updates, a checkpoint every 4, 2 of them averaged: at most 5 models and 3 states."""
    recipe = load_recipe(str(tiny_run / "recipe.toml"))
    needed = disk_bytes(recipe)
    assert needed == 6016 * (5 * 4 + 3 * 8)
    stored = [*tiny_run.rglob("*.safetensors"), *tiny_run.rglob("*.state.pt")]
    assert needed < sum(path.stat().st_size for path in stored) * 2


def test_a_vocabulary_of_words_may_be_small() -> None:
    recipe = Recipe("words", tokenizer=TokenizerSettings(1_000_000, kind="word"))
    least = replace(recipe, tokenizer=TokenizerSettings(1))
    assert disk_bytes(recipe) == disk_bytes(least)
    assert disk_bytes(replace(recipe, tokenizer=TokenizerSettings(2))) > disk_bytes(least)


def test_a_started_run_needs_no_further_space(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(str(tiny_run / "recipe.toml"))
    usage = Usage(10**9, 10**9, 0)
    monkeypatch.setattr("nmt.training.setup.shutil.disk_usage", lambda path: usage)
    check_requirements(recipe, RunFolder(tiny_run), CPU)
    with pytest.raises(NmtError, match="are free"):
        check_requirements(recipe, RunFolder(tiny_run / "none"), CPU)


def test_a_large_model_on_a_cpu_is_announced(tmp_path: Path) -> None:
    """The paper's base model has 63 million parameters with this vocabulary."""
    run, notes = RunFolder(tmp_path), list[str]()
    base = Recipe("base")
    note_large_model(base, run, CPU, notes.append)
    (note,) = notes
    assert note.startswith("63,045,632 parameters on a CPU: ")
    assert "`nmt init`" in note
    small = replace(base, tokenizer=replace(base.tokenizer, vocab_size=500))
    small = replace(small, model=replace(small.model, encoder_layers=2, decoder_layers=2))
    for recipe, device in ((base, torch.device("meta")), (small, CPU)):
        note_large_model(recipe, run, device, notes.append)
    assert len(notes) == 1
    tuned = replace(base, train=replace(base.train, init_from="old.safetensors"))
    note_large_model(tuned, run, CPU, notes.append)
    assert notes[1].startswith("63,045,632 parameters on a CPU: ")
    assert "`nmt init`" not in notes[1]
