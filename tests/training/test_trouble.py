"""A training counts, reports and survives what goes wrong."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.kernels.loss import LossSums
from nmt.kernels.projected_loss import projected_loss
from tests.conftest import Run
from tests.training.conftest import assert_same, read_metrics, weights


def test_weights_without_a_training_state_are_refused(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny)
    for state in Path("runs/tiny/checkpoints").glob("*.state.pt"):
        state.unlink()
    refused = nmt("train", tiny, "--max-updates", 16)
    assert refused.code == 1
    assert "no checkpoint to resume from" in refused.err


def test_files_without_a_manifest_do_not_stop_a_run(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    """They are left from kills during the first checkpoint, at different updates."""
    nmt("prepare", tiny)
    for update in (3, 4):
        left = Path(f"runs/tiny/checkpoints/update-{update:08}.safetensors")
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_bytes(b"half a model")
    assert nmt("train", tiny).code == 0
    assert_same(tiny_run / "model.safetensors", Path("runs/tiny/model.safetensors"))
    assert not Path("runs/tiny/checkpoints/update-00000003.safetensors").exists()


def test_an_average_that_was_not_validated_is_validated(nmt: Run, tiny: Path) -> None:
    """The run was killed between writing the average and writing its score."""
    nmt("train", tiny)
    metrics = Path("runs/tiny/metrics.jsonl")
    lines = metrics.read_text().splitlines(keepends=True)
    metrics.write_text("".join(lines[:-1]))
    ended = nmt("train", tiny)
    assert "average of 2 checkpoints" in ended.err
    again = metrics.read_text().splitlines(keepends=True)
    assert again[:-1] == lines[:-1]
    assert json.loads(again[-1])["bleu"] == json.loads(lines[-1])["bleu"]
    assert "is done at update 12" in nmt("train", tiny).err


def test_metrics_on_a_full_disk_are_an_error(nmt: Run, tiny: Path) -> None:
    nmt("prepare", tiny)
    Path("runs/tiny/metrics.jsonl").symlink_to("/dev/full")
    ended = nmt("train", tiny)
    assert ended.code == 1
    assert "metrics.jsonl: No space left on device; free some space, then the same" in ended.err


def test_too_little_memory_for_a_state_is_not_called_a_damage(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nmt("train", tiny, "--max-updates", 4).code == 0

    def load(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("nmt.training.checkpoints.torch.load", load)
    ended = nmt("train", tiny)
    assert ended.code == 1
    assert "out of memory" in ended.err
    assert "another version" not in ended.err


def test_an_initial_model_has_the_byte_fallback_of_the_recipe(
    nmt: Run, tiny: Path, tiny_run: Path
) -> None:
    options = ("--init-from", tiny_run, "--set", "tokenizer.byte_fallback=true")
    ended = nmt("train", tiny, *options)
    assert ended.code == 1
    assert "it has tokenizer.byte_fallback=false, the recipe tokenizer.byte_fallback=true" in (
        ended.err
    )


@pytest.mark.parametrize("name", ["dev", "train"])
@pytest.mark.parametrize("key", ["references", "labels"])
def test_only_test_sets_have_references_and_labels(
    nmt: Run, tiny: Path, name: str, key: str
) -> None:
    value = "['dev.tgt']" if key == "references" else "'dev.tgt'"
    files = f"data.{name}=[{{source='dev.src', target='dev.tgt', {key}={value}}}]"
    ended = nmt("train", tiny, "--set", files)
    assert ended.code == 1
    assert f"dev.src' in data.{name} has {key}, which only test sets use" in ended.err


def break_weights(monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    """Train at a rate that no setting allows."""
    monkeypatch.setattr("nmt.training.updates.inverse_sqrt", lambda *_, **__: rate)


def test_a_dev_set_without_a_finite_loss_scores_nothing(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first update that breaks all weights gives no best model; its figures are null."""
    break_weights(monkeypatch, 1e300)
    options = ["--set", "train.validate_updates=1", "--set", "train.early_stopping_metric=loss"]
    ended = nmt("train", tiny, *options)
    assert ended.code == 1
    assert "NaN or infinite 5 times in a row" in ended.err
    dev = [line for line in read_metrics(Path("runs/tiny")) if line["kind"] == "dev"]
    assert (dev[0]["loss"], dev[0]["bleu"]) == (None, 0.0)
    assert not Path("runs/tiny/best.safetensors").exists()


@pytest.mark.parametrize("text", ["\n" * 10, "sun " * 300 + "\n"])
def test_a_dev_set_of_blank_or_too_long_segments(nmt: Run, tiny: Path, text: str) -> None:
    """Blank sources are no error; a dev set without a pair that counts for the loss is one."""
    Path("dev.src").write_text(text)
    Path("dev.tgt").write_text("SUN\n" * text.count("\n"))
    ended = nmt("train", tiny)
    if text.isspace():
        assert ended.code == 0
    else:
        assert ended.code == 1
        assert "every pair of the dev set is longer than data.max_length=250" in ended.err


def test_damaged_lines_of_metrics_are_dropped_with_a_note(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--max-updates", 6)
    with Path("runs/tiny/metrics.jsonl").open("ab") as stream:
        stream.write(b'garbage\n{"kind": "train"}\n\xff\n')
    resumed = nmt("train", tiny)
    assert resumed.code == 0
    assert "runs/tiny/metrics.jsonl: damaged lines left out: 3" in resumed.err
    assert read_metrics(Path("runs/tiny"))[-1]["kind"] == "average"


def test_a_damaged_average_is_written_again(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny)
    model = Path("runs/tiny/model.safetensors")
    before = weights(model)[
        "embeddings.weight"
    ].clone()  # a copy: the tensor maps the file, which is cut below
    model.write_bytes(model.read_bytes()[:1000])
    assert nmt("train", tiny).code == 0
    assert torch.equal(weights(model)["embeddings.weight"], before)


def test_partial_files_of_killed_processes_are_removed(nmt: Run, tiny: Path) -> None:
    """The files of another running process stay; this process has written no file yet."""
    left = Path("runs/tiny/checkpoints/.update-00000003.safetensors.999999999.0123abcd.partial")
    half = Path("runs/tiny/prepared/train-0.ids.partial")
    part = Path("runs/tiny/prepared/train-0-012.json.m0123abcd.partial")
    former = Path(f"runs/tiny/.last3.safetensors.{os.getpid()}.0123abcd.partial")
    living = Path(f"runs/tiny/.last3.safetensors.{os.getppid()}.0123abcd.partial")
    for path in (left, half, part, former, living, Path("runs/tiny/.lock")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert nmt("train", tiny, "--max-updates", 4).code == 0
    assert [path.exists() for path in (left, half, part, former)] == [False] * 4
    assert living.exists()


def test_divergence_is_an_error_with_the_lines_of_the_batch(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_weights(monkeypatch, 1e30)
    ended = nmt("train", tiny)
    assert ended.code == 1
    assert "loss or gradient was NaN or infinite 5 times in a row" in ended.err
    assert "train.src + train.tgt, lines " in ended.err
    skipped = [line for line in read_metrics(Path("runs/tiny")) if line["kind"] == "skipped"]
    assert len(skipped) == 5
    assert skipped[0]["update"] <= 2
    lines = skipped[0]["lines"]["train.src + train.tgt"]
    assert lines == sorted({*lines})
    assert 1 <= lines[0] <= lines[-1] <= 120
    assert not list(Path("runs/tiny/checkpoints").glob("*"))  # all weights may be broken


def test_an_update_with_a_loss_of_nan_is_skipped(nmt: Run, tiny: Path, monkeypatch: Any) -> None:
    """The loss is NaN at update 3 and infinite at 6: the weights stay and the run continues."""
    real = projected_loss
    calls = iter(range(1, 100))
    wrong = {4: math.nan, 7: math.inf}  # by call; the first call checks the memory

    def sometimes_wrong(*arguments: Any) -> LossSums:
        sums = real(*arguments)
        return LossSums(sums.smoothed * wrong.get(next(calls), 1.0), sums.plain)

    monkeypatch.setattr("nmt.training.updates.projected_loss", sometimes_wrong)
    ended = nmt("train", tiny, "--set", "train.checkpoint_updates=1")
    assert ended.code == 0
    assert "update 3 skipped: its loss is NaN or infinite (1 skipped so far)" in ended.err
    assert "update 6 skipped: its loss is NaN or infinite (2 skipped so far)" in ended.err
    lines = read_metrics(Path("runs/tiny"))
    assert [line["update"] for line in lines if line["kind"] == "skipped"] == [3, 6]
    train = [line for line in lines if line["kind"] == "train"]
    assert [line["skipped"] for line in train] == [0, 1, 2, 2, 2, 2]
    assert all(math.isfinite(line["loss"]) for line in train)


def test_an_infinite_gradient_is_skipped_too(nmt: Run, tiny: Path, monkeypatch: Any) -> None:
    """The loss is finite, its gradient is not: the update's checkpoint is not written."""
    real = projected_loss
    calls = iter(range(1, 100))

    def steep(*arguments: Any) -> LossSums:
        sums = real(*arguments)
        if next(calls) == 5:  # update 4
            sums.smoothed.register_hook(lambda gradient: gradient * math.inf)
        return sums

    monkeypatch.setattr("nmt.training.updates.projected_loss", steep)
    options = ["--set", "train.checkpoint_updates=1", "--set", "train.average_checkpoints=9"]
    ended = nmt("train", tiny, *options)
    assert "update 4 skipped: its gradient is NaN or infinite" in ended.err
    there = {path.name for path in Path("runs/tiny/checkpoints").glob("*.safetensors")}
    assert "update-00000004.safetensors" not in there
    assert "update-00000005.safetensors" in there
