"""The setup of a training: what is read, what is refused before any work, and settings."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nmt.config import Recipe, TokenizerSettings
from nmt.errors import NmtError
from nmt.recipe.files import load_recipe, read_recipe
from nmt.recipe.settings import with_settings
from nmt.runs.run_folder import RunFolder
from nmt.text.prepare import find_openings
from nmt.text.reading.corpus import DataFolder
from nmt.training.setup import check_requirements, disk_bytes, note_large_model, resolve, set_up
from tests.interop.models import two_languages
from tests.training.conftest import TINY, Train, losses, weights

CPU = torch.device("cpu")


def test_automatic_precision_waits_for_a_device(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nmt prepare` has no device and leaves it open; so does a device that must be measured."""
    recipe = read_recipe(str(tiny), {"train.precision": "auto"})
    data, run = DataFolder(tiny.parent), RunFolder(Path("run"))
    assert set_up(recipe, data, run, print).recipe.train.precision == "auto"
    for has_bf16, precision in ((True, "auto"), (False, "float32")):
        monkeypatch.setattr("nmt.training.setup.has_bf16", lambda device, found=has_bf16: found)
        resolved = resolve(recipe, run, CPU).recipe
        assert resolved.train.precision == precision
    set_up(resolved, data, run, print, CPU)
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
    subprocess.run([sys.executable, "-c", PREPARE, tiny], check=True)


def refused(train: Train, *settings: str) -> str:
    """Return the message of a training that is refused before it writes anything but its lock."""
    (message,) = train(*settings, code=1).splitlines()
    left = {path.name for path in TINY.path.rglob("*")}
    assert left <= {".lock"}
    return message


@pytest.mark.parametrize(
    ("settings", "fact"),
    [
        ("train.tensorboard=true", "pip install 'attention-nmt[tensorboard]'"),
        ("train.compile=true", "train.compile needs a C++ compiler (no-such-compiler)"),
        ("train.precision=tf32", "tf32 is for CUDA GPUs, not for cpu"),
        *(
            (f"data.{name}=[{{source='dev.src', target='dev.tgt', {key}={value}}}]", message)
            for name, key, value in (
                ("dev", "references", "['dev.tgt']"),
                ("train", "labels", "'dev.tgt'"),
                ("dev", "contrast", "'dev.tgt'"),
            )
            for message in [f"dev.src' in data.{name} has {key}, which only test sets use"]
        ),
        ("data.dev=[]", "set data.dev"),
        (
            "data.train=[{source='train.src', target='train.tgt'},"
            " {source='train.src', target='train.tgt', target_language='deu'}]",
            "recipe tiny: de and deu name the same language; use one code in all corpora",
        ),
        (
            "data.context=1 train.guided_alignment=0.5",
            "earlier segments before a target, which train.guided_alignment does not know",
        ),
        ("train.r_drop=5 train.simcut=3", "two ways to make two passes agree; set one of them"),
        (
            "train.guided_alignment=0.5 train.bpe_dropout=0.1",
            "train.guided_alignment aligns tokens once, but train.bpe_dropout draws others",
        ),
        (
            "train.guided_alignment=0.5 train.compile=true",
            "train.guided_alignment does not work with train.compile=true",
        ),
    ],
)
def test_what_cannot_be_trained_is_reported_first(
    train: Train, monkeypatch: pytest.MonkeyPatch, settings: str, fact: str
) -> None:
    monkeypatch.setattr("nmt.training.setup.find_spec", lambda name: None)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert fact in refused(train, *re.split(" (?=train)", settings))


def test_all_missing_files_are_named_at_once(train: Train) -> None:
    for name in ("train.src", "train.tgt", "dev.tgt"):
        Path(name).unlink()
    message = refused(train)
    assert "train.src does not exist" in message
    assert message.endswith("; also missing: train.tgt, dev.tgt")


def test_a_bad_dev_set_is_reported_first(train: Train) -> None:
    Path("dev.tgt").write_text("ONE\n")
    assert re.search(r"dev\.src has 10 lines but .*dev\.tgt has 1", refused(train))
    for name in ("dev.src", "dev.tgt"):
        Path(name).write_text("")
    assert "the dev set of recipe tiny is empty" in refused(train)


def test_a_full_disk_is_reported_first(
    train: Train, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that has started needs no further space; a vocabulary of words may be small."""
    usage = SimpleNamespace(total=10**9, used=10**9 - 1000, free=1000)
    monkeypatch.setattr("nmt.training.setup.shutil.disk_usage", lambda path: usage)
    message = refused(train)
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


def test_a_large_model_on_a_cpu_is_announced() -> None:
    """The paper's base model has 63 million parameters with this vocabulary."""

    def noted(recipe: Recipe, device: torch.device = CPU) -> list[str]:
        notes: list[str] = []
        note_large_model(recipe, TINY, device, notes.append)
        return notes

    base = Recipe("base")
    (note,) = noted(base)
    assert note.startswith("63,045,632 parameters on a CPU: ")
    assert "`nmt init`" in note
    (note,) = noted(with_settings(base, {"train.init_from": "old.safetensors"}))
    assert note.startswith("63,045,632 parameters on a CPU: ")
    assert "`nmt init`" not in note
    small = {"tokenizer.vocab_size": 500, "model.encoder_layers": 2, "model.decoder_layers": 2}
    assert noted(base, torch.device("meta")) == noted(with_settings(base, small)) == []


def test_fine_tuning_starts_from_the_model_and_keeps_its_tokenizer(
    train: Train, skilled_run: Path
) -> None:
    """With a learning rate of 0 the weights stay equal; it resumes without the initial model."""
    settings = ["model.d_model=32", "model.d_ff=64", "model.d_k=16", "model.d_v=16"]
    settings.append("model.attention_dropout=0.1")  # a model without it has the same weights
    settings += ["train.learning_rate_scale=0.0", "train.init_from=start.safetensors"]
    shutil.copy(skilled_run / "model.safetensors", "start.safetensors")
    assert "learning 40 BPE" not in train(*settings, updates=2)
    Path("start.safetensors").unlink()
    train(*settings, updates=4)
    tokenizer = (skilled_run / "tokenizer.model").read_bytes()
    assert (TINY.path / "tokenizer.model").read_bytes() == tokenizer
    before, after = (weights(run / "model.safetensors") for run in (skilled_run, TINY.path))
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_an_initial_model_that_does_not_fit_is_refused(train: Train, tiny_run: Path) -> None:
    model = f"train.init_from={tiny_run / 'model.safetensors'}"
    message = refused(train, model, "model.d_ff=64", "tokenizer.vocab_size=50")
    assert "has model.d_ff=32, tokenizer.vocab_size=40, the recipe model.d_ff=64" in message
    message = refused(train, model, "tokenizer.byte_fallback=true")
    fact = "it has tokenizer.byte_fallback=false, the recipe tokenizer.byte_fallback=true"
    assert fact in message
    message = refused(train, "train.init_from=nothing.safetensors")
    assert "the model nothing.safetensors does not exist; name another with --init-from" in message
    assert "--init-from" in message


def test_an_initial_model_without_a_language_is_refused() -> None:
    model = two_languages()
    (files, _) = model.recipe.data.train
    data = replace(model.recipe.data, train=(replace(files, target_language="fr"),))
    with pytest.raises(NmtError, match="init_from does not fit: the model does not write 'fr'; it"):
        find_openings(replace(model.recipe, data=data), model.tokenizer)


def test_tensorboard_shows_the_figures_of_metrics(train: Train) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train("train.tensorboard=true", updates=4)
    events = accumulator.EventAccumulator("runs/tiny/tensorboard")
    events.Reload()
    shown = {event.step: event.value for event in events.Scalars("train/loss")}
    assert shown == pytest.approx(dict(zip((2, 4), losses(TINY.path), strict=True)))


@pytest.mark.parametrize("setting", ["train.bpe_dropout=0.3", "train.seed=2"])
def test_subwords_and_order_are_drawn(train: Train, tiny_run: Path, setting: str) -> None:
    train(setting, updates=2)
    assert losses(TINY.path)[0] != losses(tiny_run)[0]


@pytest.mark.slow
def test_compiled_training_is_the_same_training(train: Train) -> None:
    """torch.compile changes only rounding; it needs a C++ compiler."""
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("no C++ compiler here")
    for run in ("false", "true"):
        train("model.dropout=0.0", f"train.compile={run}", run=run, updates=2)
    assert losses(Path("true")) == pytest.approx(losses(Path("false")), rel=1e-4)
