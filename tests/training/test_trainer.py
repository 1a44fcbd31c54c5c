"""The training loop through its public interface: exact sums, resuming, averaging, stopping."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.checkpoint import read_model
from nmt.run import RunFolder
from tests.conftest import Run


def weights(path: Path) -> dict[str, Tensor]:
    """A model file's weights."""
    return read_model(path).weights


def assert_same(one: Path, other: Path) -> None:
    """Two model files hold the same weights, bit for bit."""
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name


def test_a_resumed_run_equals_an_uninterrupted_one(nmt: Run, tiny: Path) -> None:
    """Ended at its 6th update and raised to 12, with dropout, against 12 in one go."""
    assert nmt("train", tiny, "--run", "whole").code == 0
    assert nmt("train", tiny, "--run", "parts", "--max-updates", 6).code == 0
    assert nmt("train", tiny, "--run", "parts", "--max-updates", 12).code == 0
    for name in ("model", "best", "checkpoints/update-00000012"):
        assert_same(Path(f"whole/{name}.safetensors"), Path(f"parts/{name}.safetensors"))


def test_a_finished_run_says_so_and_changes_nothing(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny)
    before = Path("runs/tiny/model.safetensors").read_bytes()
    again = nmt("train", tiny)
    assert again.code == 0
    assert "is done at update 12" in again.err
    assert Path("runs/tiny/model.safetensors").read_bytes() == before


def test_model_is_the_mean_of_the_last_checkpoints(nmt: Run, tiny: Path) -> None:
    """Checkpoints at 4, 8 and 12, of which the recipe averages 2 and keeps no more."""
    nmt("train", tiny)
    run = Path("runs/tiny")
    names = sorted(path.name for path in (run / "checkpoints").glob("*.safetensors"))
    assert names == ["update-00000008.safetensors", "update-00000012.safetensors"]
    first, second = (weights(run / "checkpoints" / name) for name in names)
    for name, mean in weights(run / "model.safetensors").items():
        expected = ((first[name].double() + second[name].double()) / 2).float()
        assert torch.equal(mean, expected)


@pytest.mark.parametrize("tokens", [1, 30])
def test_accumulated_updates_equal_whole_ones(nmt: Run, tiny: Path, tokens: int) -> None:
    """Micro-batches add up: the same losses and, after 12 updates, weights but for rounding."""
    options = ["--set", "model.dropout=0.0"]
    nmt("train", tiny, "--run", "whole", *options)
    nmt("train", tiny, "--run", "parts", *options, "--set", f"train.micro_batch_tokens={tokens}")
    curves = [
        [line["loss"] for line in read_metrics(Path(run)) if line["kind"] == "train"]
        for run in ("whole", "parts")
    ]
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)
    whole, parts = (weights(Path(f"{run}/model.safetensors")) for run in ("whole", "parts"))
    for name, tensor in whole.items():
        assert float((tensor - parts[name]).norm() / tensor.norm()) < 1e-3, name


def test_training_lowers_the_loss(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--max-updates", 60, "--set", "train.validate_updates=60")
    losses = [x["loss"] for x in read_metrics(Path("runs/tiny")) if x["kind"] == "train"]
    assert losses[-1] < 0.8 * losses[0]


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_metrics_are_as_documented(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny)
    lines = read_metrics(Path("runs/tiny"))
    train = [line for line in lines if line["kind"] == "train"]
    assert [line["update"] for line in train] == [2, 4, 6, 8, 10, 12]
    assert {"loss", "perplexity", "learning_rate", "tokens_per_second", "seconds"} <= {*train[0]}
    # Warm-up 10, d_model 16: at update 4, 16^-0.5 * 4 * 10^-1.5.
    assert train[1]["learning_rate"] == pytest.approx(0.25 * 4 * 10**-1.5)
    assert [line["update"] for line in lines if line["kind"] == "dev"] == [6, 12]
    assert lines[-1]["kind"] == "average"


def test_a_changed_recipe_is_refused_by_name(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--max-updates", 4)
    refused = nmt("train", tiny, "--set", "model.dropout=0.2", "--set", "train.warmup_updates=9")
    assert refused.code == 1
    assert "model.dropout (0.1 -> 0.2), train.warmup_updates (10 -> 9)" in refused.err


def test_a_changed_corpus_is_refused(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--max-updates", 4)
    for side in ("src", "tgt"):
        file = tiny.with_name(f"train.{side}")
        file.write_text(file.read_text() + "sun\n")
    refused = nmt("train", tiny)
    assert refused.code == 1
    assert "changed since its training began" in refused.err


def test_patience_stops(nmt: Run, tiny: Path) -> None:
    """A learning rate of 0 never gains: two validations after the first, the run ends."""
    ended = nmt(
        *("train", tiny, "--max-updates", 100, "--set", "train.patience=2"),
        *("--set", "train.learning_rate_scale=0.0", "--set", "train.validate_updates=3"),
    )
    assert ended.code == 0
    assert read_metrics(Path("runs/tiny"))[-1]["update"] == 9


def test_patience_may_end_before_the_first_checkpoint(nmt: Run, tiny: Path) -> None:
    ended = nmt(
        *("train", tiny, "--set", "train.patience=1", "--set", "train.learning_rate_scale=0.0"),
        *("--set", "train.validate_updates=2", "--set", "train.checkpoint_updates=10"),
    )
    assert ended.code == 0
    assert read_model(Path("runs/tiny/model.safetensors")).updates == (4,)


def test_the_last_update_is_validated_and_averaged(nmt: Run, tiny: Path) -> None:
    """Off both grids: checkpoints at 4 and 8, validation at 6, the end at 9."""
    ended = nmt("train", tiny, "--max-updates", 9)
    assert [x["update"] for x in read_metrics(Path("runs/tiny")) if x["kind"] == "dev"] == [6, 9]
    assert read_model(Path("runs/tiny/model.safetensors")).updates == (8, 9)
    assert "best: runs/tiny/best.safetensors" in ended.err


def test_weights_without_a_state_are_not_averaged_into_another_run(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny)
    for state in Path("runs/tiny/checkpoints").glob("*.state.pt"):
        state.unlink()
    refused = nmt("train", tiny, "--seed", 5)
    assert refused.code == 1
    assert "no training state" in refused.err


def test_damaged_lines_of_metrics_are_dropped_and_told(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--max-updates", 6)
    with Path("runs/tiny/metrics.jsonl").open("ab") as stream:
        stream.write(b'garbage\n{"kind": "train"}\n\xff\n')
    resumed = nmt("train", tiny)
    assert resumed.code == 0
    assert "dropped 3 damaged lines" in resumed.err
    assert read_metrics(Path("runs/tiny"))[-1]["kind"] == "average"


def test_a_damaged_average_is_made_anew(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny)
    model = Path("runs/tiny/model.safetensors")
    before = weights(model)["embedding"].clone()  # the file is mapped, and cut below
    model.write_bytes(model.read_bytes()[:1000])
    assert nmt("train", tiny).code == 0
    assert torch.equal(weights(model)["embedding"], before)


def test_one_folder_is_one_training(nmt: Run, tiny: Path) -> None:
    with RunFolder(Path("runs/tiny")).lock():
        refused = nmt("train", tiny)
    assert refused.code == 1
    assert "another nmt is at work in runs/tiny" in refused.err


def test_what_a_killed_process_left_is_swept_up(nmt: Run, tiny: Path) -> None:
    """Files of a process that still runs, such as an average under way, stay."""
    left = Path("runs/tiny/checkpoints/.update-00000003.safetensors.999999999.partial")
    half = Path("runs/tiny/prepared/train-0.ids.partial")
    living = Path(f"runs/tiny/.last3.safetensors.{os.getpid()}.partial")
    for path in (left, half, living):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert nmt("train", tiny, "--max-updates", 4).code == 0
    assert [left.exists(), half.exists(), living.exists()] == [False, False, True]


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


def test_divergence_is_told(nmt: Run, tiny: Path) -> None:
    ended = nmt("train", tiny, "--set", "train.learning_rate_scale=1e30")
    assert ended.code == 1
    assert "the loss is not a number at update" in ended.err


def test_seeds_differ_and_repeat(nmt: Run, tiny: Path) -> None:
    for run, seed in (("a", 1), ("b", 1), ("c", 2)):
        nmt("train", tiny, "--run", run, "--seed", seed, "--max-updates", 4)
    assert_same(Path("a/model.safetensors"), Path("b/model.safetensors"))
    a, c = weights(Path("a/model.safetensors")), weights(Path("c/model.safetensors"))
    assert not torch.equal(a["embedding"], c["embedding"])


def test_bf16_stays_near_float32(nmt: Run, tiny: Path) -> None:
    for run, precision in (("full", "float32"), ("half", "bf16")):
        nmt("train", tiny, "--run", run, "--set", f"train.precision={precision}")
    full, half = (
        [x["loss"] for x in read_metrics(Path(run)) if x["kind"] == "train"]
        for run in ("full", "half")
    )
    assert half == pytest.approx(full, rel=0.02)
    assert weights(Path("half/model.safetensors"))["embedding"].dtype == torch.float32


def test_auto_precision_is_resolved_once(nmt: Run, tiny: Path, monkeypatch: Any) -> None:
    """What the machine has is written down; on another machine the run goes on with that."""
    automatic = ["--set", "train.precision=auto"]
    monkeypatch.setattr("nmt.training.precision.has_bf16", lambda device: True)
    nmt("train", tiny, *automatic, "--max-updates", 4)
    monkeypatch.setattr("nmt.training.precision.has_bf16", lambda device: False)
    assert nmt("train", tiny, *automatic).code == 0
    assert 'precision = "bf16"' in Path("runs/tiny/recipe.toml").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_same_command_goes_on(
    nmt: Run, tiny: Path, number: int, code: int
) -> None:
    """A real process is stopped in mid-run; resumed, it ends with the uninterrupted weights."""
    # Long enough that the process is still at it when the signal comes, however busy the machine.
    options = ["--max-updates", "400", "--set", "train.checkpoint_updates=100"]
    options += ["--set", "train.validate_updates=200"]
    nmt("train", tiny, "--run", "whole", *options)
    command = [sys.executable, "-m", "nmt", "train", str(tiny), "--run", "parts", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        metrics = Path("parts/metrics.jsonl")
        while not (metrics.is_file() and metrics.read_text()):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"checkpoint saved" in errors
    assert b"Traceback" not in errors
    resumed = nmt("train", tiny, "--run", "parts", *options)
    assert "resumed at update" in resumed.err
    assert_same(Path("whole/model.safetensors"), Path("parts/model.safetensors"))


def test_a_damaged_state_is_named(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--max-updates", 8)
    state = Path("runs/tiny/checkpoints/update-00000008.state.pt")
    state.write_bytes(state.read_bytes()[:100])
    refused = nmt("train", tiny)
    assert refused.code == 1
    assert str(state) in refused.err
    state.unlink()
    assert "resumed at update 4" in nmt("train", tiny).err


def test_validation_bleu_is_what_evaluate_prints(nmt: Run, tiny_run: Path) -> None:
    """The tiny recipe's test set is its dev set: one model, one set, one score."""
    data = tiny_run.parent.parent
    report = json.loads(nmt("evaluate", "--model", tiny_run, "--data-dir", data, "--json").out)
    averaged = read_metrics(tiny_run)[-1]
    assert averaged["kind"] == "average"
    assert report["results"][0]["scores"]["BLEU"]["value"] == averaged["bleu"]


@pytest.mark.slow
def test_compiled_training_is_the_same_training(nmt: Run, tiny: Path) -> None:
    """torch.compile changes rounding alone; it needs a C++ compiler."""
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("no C++ compiler here")
    options = ["--max-updates", 2, "--set", "model.dropout=0.0"]
    nmt("train", tiny, "--run", "plain", *options)
    compiled = nmt("train", tiny, "--run", "compiled", *options, "--set", "train.compile=true")
    assert compiled.code == 0
    plain, fast = (read_metrics(Path(run))[0]["loss"] for run in ("plain", "compiled"))
    assert fast == pytest.approx(plain, rel=1e-4)
