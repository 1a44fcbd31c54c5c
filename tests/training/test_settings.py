"""Settings of a training: precision, compiling, fine-tuning, TensorBoard, BPE-dropout."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.runs.run_folder import RunFolder
from tests.conftest import Run
from tests.training.conftest import assert_same, losses, read_metrics, weights


def test_prepare_after_training_with_automatic_precision(nmt: Run, tiny: Path) -> None:
    options = ["--set", "train.precision=auto"]
    nmt("train", tiny, *options, "--max-updates", 4)
    assert nmt("prepare", tiny, *options, "--max-updates", 4).code == 2  # no flag of prepare
    raised = [*options, "--set", "train.max_updates=4"]
    assert nmt("prepare", tiny, *raised).code == 0


def test_compiling_without_a_compiler_is_refused(nmt: Run, tiny: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("CXX", "/nonexistent/compiler")
    refused = nmt("train", tiny, "--set", "train.compile=true")
    assert refused.code == 1
    assert "needs a C++ compiler" in refused.err


def test_bf16_stays_near_float32(nmt: Run, tiny: Path) -> None:
    for run, precision in (("full", "float32"), ("half", "bf16")):
        nmt("train", tiny, "--run", run, "--set", f"train.precision={precision}")
    assert losses(Path("half")) == pytest.approx(losses(Path("full")), rel=0.02)
    assert weights(Path("half/model.safetensors"))["embeddings.weight"].dtype == torch.float32


def test_a_run_keeps_the_precision_of_its_translations(nmt: Run, tiny: Path) -> None:
    """A run that began before "auto" was the default goes on in float32 on every device."""
    given = ["--set", "decode.precision=float32"]
    assert nmt("train", tiny, *given, "--max-updates", 4).code == 0
    assert nmt("train", tiny).code == 0
    assert RunFolder(Path("runs/tiny")).load_recipe().decode.precision == "float32"


def test_fine_tuning_starts_from_the_model_and_keeps_its_tokenizer(
    nmt: Run, tiny: Path, skilled_run: Path
) -> None:
    """With a learning rate of 0 the weights stay equal."""
    settings = ["model.d_model=32", "model.d_ff=64", "model.d_k=16", "model.d_v=16"]
    settings.append("model.attention_dropout=0.1")  # a model without it has the same weights
    options = [part for each in settings for part in ("--set", each)]
    options += ["--init-from", str(skilled_run / "model.safetensors")]
    ended = nmt("train", tiny, *options, "--set", "train.learning_rate_scale=0.0")
    assert ended.code == 0
    assert "learning 40 BPE" not in ended.err
    assert (
        Path("runs/tiny/tokenizer.model").read_bytes()
        == (skilled_run / "tokenizer.model").read_bytes()
    )
    before, after = (weights(run / "model.safetensors") for run in (skilled_run, Path("runs/tiny")))
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_fine_tuning_resumes_without_the_initial_model(
    nmt: Run, tiny: Path, tiny_run: Path
) -> None:
    shutil.copy(tiny_run / "model.safetensors", "start.safetensors")
    options = ["--init-from", "start.safetensors"]
    nmt("train", tiny, "--run", "whole", *options)
    nmt("train", tiny, "--run", "parts", *options, "--max-updates", 4)
    Path("start.safetensors").unlink()
    assert nmt("train", tiny, "--run", "parts", *options).code == 0
    assert_same(Path("whole/model.safetensors"), Path("parts/model.safetensors"))


def test_a_model_of_another_shape_or_vocabulary_is_refused(
    nmt: Run, tiny: Path, tiny_run: Path
) -> None:
    model = tiny_run / "model.safetensors"
    other = ["--set", "model.d_ff=64", "--set", "tokenizer.vocab_size=50"]
    refused = nmt("train", tiny, "--init-from", model, *other)
    assert refused.code == 1
    assert "has model.d_ff=32, tokenizer.vocab_size=40, the recipe model.d_ff=64" in refused.err
    missing = nmt("train", tiny, "--init-from", "nothing.safetensors")
    assert missing.code == 1
    assert "nothing.safetensors" in missing.err
    assert "does not exist" in missing.err
    assert "--init-from" in missing.err


def test_tensorboard_shows_the_figures_of_metrics(nmt: Run, tiny: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    nmt("train", tiny, "--set", "train.tensorboard=true")
    events = accumulator.EventAccumulator("runs/tiny/tensorboard")
    events.Reload()
    shown = [(each.step, each.value) for each in events.Scalars("train/loss")]
    lines = [x for x in read_metrics(Path("runs/tiny")) if x["kind"] == "train"]
    assert [step for step, _ in shown] == [line["update"] for line in lines]
    assert [value for _, value in shown] == pytest.approx([line["loss"] for line in lines])


def test_bpe_dropout_changes_the_subwords_and_repeats(nmt: Run, tiny: Path) -> None:
    for run, share in (("none", 0.0), ("some", 0.3), ("again", 0.3)):
        nmt("train", tiny, "--run", run, "--set", f"train.bpe_dropout={share}")
    assert_same(Path("some/model.safetensors"), Path("again/model.safetensors"))
    assert losses(Path("none")) != losses(Path("some"))


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
