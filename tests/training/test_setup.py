"""The setup of a training: what is read, what is refused before any work, and settings."""

import re
import shutil
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nmt.config import Recipe, TokenizerSettings
from nmt.recipe.files import load_recipe, read_recipe
from nmt.runs.run_folder import RunFolder
from nmt.text.corpus import DataFolder
from nmt.training.setup import check_requirements, disk_bytes, note_large_model, resolve, set_up
from tests.conftest import Run
from tests.training.conftest import TINY, losses, weights

CPU = torch.device("cpu")


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


Usage = namedtuple("Usage", "total used free")


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


def test_tf32_is_for_cuda(nmt: Run, tiny: Path) -> None:
    message = refused(nmt, tiny, "--set", "train.precision=tf32")
    assert "tf32 is for CUDA GPUs, not for cpu" in message


def test_all_missing_files_are_named_at_once(nmt: Run, tiny: Path) -> None:
    for name in ("train.src", "train.tgt", "dev.tgt"):
        Path(name).unlink()
    message = refused(nmt, tiny)
    assert "train.src does not exist" in message
    assert message.endswith("; also missing: train.tgt, dev.tgt")


def test_a_bad_dev_set_is_reported_first(nmt: Run, tiny: Path) -> None:
    assert "set data.dev" in refused(nmt, tiny, "--set", "data.dev=[]")
    Path("dev.tgt").write_text("ONE\n")
    assert re.search(r"dev\.src has 10 lines but .*dev\.tgt has 1", refused(nmt, tiny))
    Path("dev.src").write_text("")
    Path("dev.tgt").write_text("")
    assert "the dev set of recipe tiny is empty" in refused(nmt, tiny)


def test_a_full_disk_is_reported_first(
    nmt: Run, tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that has started needs no further space; a vocabulary of words may be small."""
    usage = Usage(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr("nmt.training.setup.shutil.disk_usage", lambda path: usage)
    message = refused(nmt, tiny)
    assert "MB, but 0.0 MB are free" in message
    assert "--run" in message
    check_requirements(load_recipe(str(tiny_run / "recipe.toml")), RunFolder(tiny_run), CPU)
    words, least, more = (
        disk_bytes(Recipe("words", tokenizer=TokenizerSettings(size, kind=kind)))
        for size, kind in ((1_000_000, "word"), (1, "bpe"), (2, "bpe"))
    )
    assert words == least < more


def test_the_space_of_a_run_is_that_of_its_checkpoints(tiny_run: Path) -> None:
    """12 updates, a checkpoint every 4, 2 of them averaged: at most 5 models and 3 states.

    By time, there may be a checkpoint after each update: 9 + 3 models, 2 + 1 states.
    """
    recipe = load_recipe(str(tiny_run / "recipe.toml"))
    needed = disk_bytes(recipe)
    assert needed == 6016 * (5 * 4 + 3 * 8)
    stored = [*tiny_run.rglob("*.safetensors"), *tiny_run.rglob("*.state.pt")]
    assert needed < sum(path.stat().st_size for path in stored) * 2
    by_time = replace(recipe.train, checkpoint_minutes=2.0, average_checkpoints=9)
    assert disk_bytes(replace(recipe, train=by_time)) == 6016 * (12 * 4 + 3 * 8)


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


def test_bf16_stays_near_float32(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    nmt("train", tiny, "--set", "train.precision=bf16")
    assert losses(TINY.path) == pytest.approx(losses(tiny_run), rel=0.02)
    assert weights(TINY.model)["embeddings.weight"].dtype == torch.float32


def test_fine_tuning_starts_from_the_model_and_keeps_its_tokenizer(
    nmt: Run, tiny: Path, skilled_run: Path
) -> None:
    """With a learning rate of 0 the weights stay equal; it resumes without the initial model."""
    settings = ["model.d_model=32", "model.d_ff=64", "model.d_k=16", "model.d_v=16"]
    settings.append("model.attention_dropout=0.1")  # a model without it has the same weights
    settings.append("train.learning_rate_scale=0.0")
    options = [part for each in settings for part in ("--set", each)]
    shutil.copy(skilled_run / "model.safetensors", "start.safetensors")
    options += ["--init-from", "start.safetensors"]
    ended = nmt("train", tiny, *options, "--max-updates", 2)
    assert ended.code == 0
    assert "learning 40 BPE" not in ended.err
    Path("start.safetensors").unlink()
    assert nmt("train", tiny, *options, "--max-updates", 4).code == 0
    tokenizer = (skilled_run / "tokenizer.model").read_bytes()
    assert (TINY.path / "tokenizer.model").read_bytes() == tokenizer
    before, after = (weights(run / "model.safetensors") for run in (skilled_run, TINY.path))
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_an_initial_model_that_does_not_fit_is_refused(
    nmt: Run, tiny: Path, tiny_run: Path
) -> None:
    model = ["--init-from", tiny_run / "model.safetensors"]
    other = ["--set", "model.d_ff=64", "--set", "tokenizer.vocab_size=50"]
    message = refused(nmt, tiny, *model, *other)
    assert "has model.d_ff=32, tokenizer.vocab_size=40, the recipe model.d_ff=64" in message
    message = refused(nmt, tiny, *model, "--set", "tokenizer.byte_fallback=true")
    assert "it has tokenizer.byte_fallback=false, the recipe tokenizer.byte_fallback=true" in (
        message
    )
    message = refused(nmt, tiny, "--init-from", "nothing.safetensors")
    assert "nothing.safetensors, the initial model, does not exist" in message
    assert "--init-from" in message


@pytest.mark.parametrize(("name", "key"), [("dev", "references"), ("train", "labels")])
def test_only_test_sets_have_references_and_labels(
    nmt: Run, tiny: Path, name: str, key: str
) -> None:
    value = "['dev.tgt']" if key == "references" else "'dev.tgt'"
    files = f"data.{name}=[{{source='dev.src', target='dev.tgt', {key}={value}}}]"
    message = refused(nmt, tiny, "--set", files)
    assert f"dev.src' in data.{name} has {key}, which only test sets use" in message


def test_tensorboard_shows_the_figures_of_metrics(nmt: Run, tiny: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    nmt("train", tiny, "--set", "train.tensorboard=true", "--max-updates", 4)
    events = accumulator.EventAccumulator("runs/tiny/tensorboard")
    events.Reload()
    shown = [(each.step, each.value) for each in events.Scalars("train/loss")]
    assert [step for step, _ in shown] == [2, 4]
    assert [value for _, value in shown] == pytest.approx(losses(TINY.path))


def test_bpe_dropout_changes_the_subwords(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    nmt("train", tiny, "--set", "train.bpe_dropout=0.3", "--max-updates", 2)
    assert losses(TINY.path)[0] != losses(tiny_run)[0]


@pytest.mark.slow
def test_compiled_training_is_the_same_training(nmt: Run, tiny: Path) -> None:
    """torch.compile changes only rounding; it needs a C++ compiler."""
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("no C++ compiler here")
    options = ["--max-updates", 2, "--set", "model.dropout=0.0"]
    nmt("train", tiny, "--run", "plain", *options)
    compiled = nmt("train", tiny, "--run", "compiled", *options, "--set", "train.compile=true")
    assert compiled.code == 0
    assert losses(Path("compiled")) == pytest.approx(losses(Path("plain")), rel=1e-4)
