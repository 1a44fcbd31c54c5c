"""The training loop through its public interface: exact sums, resuming, averaging, stopping."""

import json
import math
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
from nmt.model.transformer import Transformer
from nmt.run import RunFolder
from nmt.text.batches import PairDataset
from nmt.text.plan import plan_epoch
from nmt.text.prepare import open_prepared
from nmt.text.tokenizer import PAD
from nmt.training.loss import LossSums, reference_loss, smoothed_loss
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
    figures = {"loss", "perplexity", "learning_rate", "gradient_norm", "tokens_per_second"}
    assert figures | {"update", "epoch", "seconds"} <= {*train[0]}
    # Warm-up 10, d_model 16: at update 4, 16^-0.5 * 4 * 10^-1.5.
    assert train[1]["learning_rate"] == pytest.approx(0.25 * 4 * 10**-1.5)
    assert [line["update"] for line in lines if line["kind"] == "dev"] == [6, 12]
    assert lines[-1]["kind"] == "average"


def test_the_gradient_norm_is_that_of_the_loss_a_token(nmt: Run, tiny: Path) -> None:
    """Of the first update, against the gradient of the reference loss by autograd."""
    still = ["--set", "model.dropout=0.0", "--set", "train.report_updates=1"]
    nmt("train", tiny, "--max-updates", 1, *still)
    told = read_metrics(Path("runs/tiny"))[0]
    run = RunFolder(Path("runs/tiny"))
    recipe = run.load_recipe()
    prepared = open_prepared(recipe, run)
    dataset = PairDataset(prepared.shards, prepared.names)
    plan = plan_epoch(
        dataset.source_lengths,
        dataset.target_lengths,
        source_tokens=200,
        target_tokens=200,
        seed=1,
        epoch=0,
    )
    batch = dataset.batch(plan[0], 0)
    torch.manual_seed(1)
    network = Transformer(recipe.model, len(prepared.tokenizer), PAD)
    logits = network(batch.source, batch.target_input).flatten(0, 1)
    loss = reference_loss(logits, batch.labels.flatten(), 0.1, PAD).smoothed / batch.target_tokens
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    norm = torch.cat([each.flatten() for each in gradients]).norm()
    assert told["gradient_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert told["loss"] == pytest.approx(loss.item(), rel=1e-5)


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
    refused = nmt("train", tiny)
    assert refused.code == 1
    assert "no training state" in refused.err


def test_unsealed_leftovers_of_kills_do_not_stop_a_run(nmt: Run, tiny: Path) -> None:
    """Killed twice in its first checkpoint, at different updates."""
    nmt("train", tiny, "--run", "whole")
    for update in (3, 4):
        left = Path(f"runs/tiny/checkpoints/update-{update:08}.safetensors")
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_bytes(b"half a model")
    assert nmt("train", tiny).code == 0
    assert_same(Path("whole/model.safetensors"), Path("runs/tiny/model.safetensors"))
    assert not Path("runs/tiny/checkpoints/update-00000003.safetensors").exists()


def test_an_average_that_was_not_scored_is_scored(nmt: Run, tiny: Path) -> None:
    """Killed between writing the average and telling its score."""
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


def test_metrics_on_a_full_disk_are_told(nmt: Run, tiny: Path) -> None:
    nmt("prepare", tiny)
    Path("runs/tiny/metrics.jsonl").symlink_to("/dev/full")
    ended = nmt("train", tiny)
    assert ended.code == 1
    assert "cannot write runs/tiny/metrics.jsonl: No space left on device; make room" in ended.err


def test_a_dev_set_without_a_finite_loss_scores_nothing(nmt: Run, tiny: Path) -> None:
    """A first step that leaves no weight finite is no best model, and its figures are null."""
    options = ["--set", "train.learning_rate_scale=1e300", "--set", "train.validate_updates=1"]
    ended = nmt("train", tiny, *options, "--set", "train.early_stopping_metric=loss")
    assert ended.code == 1
    assert "not a number 5 times in a row" in ended.err
    dev = [line for line in read_metrics(Path("runs/tiny")) if line["kind"] == "dev"]
    assert (dev[0]["loss"], dev[0]["bleu"]) == (None, 0.0)
    assert not Path("runs/tiny/best.safetensors").exists()


@pytest.mark.parametrize("text", ["\n" * 10, "sun " * 300 + "\n"])
def test_a_dev_set_of_nothing_or_of_too_much(nmt: Run, tiny: Path, text: str) -> None:
    """Blank sources are no error; where no pair counts for the loss, that is told."""
    Path("dev.src").write_text(text)
    Path("dev.tgt").write_text("SUN\n" * text.count("\n"))
    ended = nmt("train", tiny)
    if text.isspace():
        assert ended.code == 0
    else:
        assert ended.code == 1
        assert "every pair of the dev set is longer than data.max_length=250" in ended.err


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
    """Files of a process that still runs, such as an average under way, stay.

    One of this process's own number is of a former one.
    """
    left = Path("runs/tiny/checkpoints/.update-00000003.safetensors.999999999.partial")
    half = Path("runs/tiny/prepared/train-0.ids.partial")
    former = Path(f"runs/tiny/.last3.safetensors.{os.getpid()}.partial")
    living = Path(f"runs/tiny/.last3.safetensors.{os.getppid()}.partial")
    for path in (left, half, former, living):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert nmt("train", tiny, "--max-updates", 4).code == 0
    assert [path.exists() for path in (left, half, former, living)] == [False] * 3 + [True]


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
    assert "loss or gradient was not a number 5 times in a row" in ended.err
    assert "train.src + train.tgt, lines " in ended.err
    skipped = [line for line in read_metrics(Path("runs/tiny")) if line["kind"] == "skipped"]
    assert len(skipped) == 5
    assert skipped[0]["update"] <= 2
    lines = skipped[0]["lines"]["train.src + train.tgt"]
    assert lines == sorted({*lines})
    assert 1 <= lines[0] <= lines[-1] <= 120
    assert not list(Path("runs/tiny/checkpoints").glob("*"))  # none whose weights are suspect


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
    monkeypatch.setattr("nmt.training.beginning.has_bf16", lambda device: True)
    nmt("train", tiny, *automatic, "--max-updates", 4)
    monkeypatch.setattr("nmt.training.beginning.has_bf16", lambda device: False)
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


def test_a_batch_that_is_no_number_is_skipped(nmt: Run, tiny: Path, monkeypatch: Any) -> None:
    """At update 3 the loss is made NaN, at 6 infinite: the weights stay, and the run goes on."""
    real = smoothed_loss
    calls = iter(range(1, 100))
    wrong = {4: math.nan, 7: math.inf}  # the first call is the probe's

    def sometimes_wrong(*arguments: Any) -> LossSums:
        sums = real(*arguments)
        return LossSums(sums.smoothed * wrong.get(next(calls), 1.0), sums.plain)

    monkeypatch.setattr("nmt.training.step.smoothed_loss", sometimes_wrong)
    ended = nmt("train", tiny, "--set", "train.checkpoint_updates=1")
    assert ended.code == 0
    assert "update 3 skipped: its loss is not a number (1 skipped so far)" in ended.err
    assert "update 6 skipped: its loss is not a number (2 skipped so far)" in ended.err
    lines = read_metrics(Path("runs/tiny"))
    assert [line["update"] for line in lines if line["kind"] == "skipped"] == [3, 6]
    train = [line for line in lines if line["kind"] == "train"]
    assert [line["skipped"] for line in train] == [0, 1, 2, 2, 2, 2]
    assert all(math.isfinite(line["loss"]) for line in train)


def test_an_infinite_gradient_is_skipped_too(nmt: Run, tiny: Path, monkeypatch: Any) -> None:
    """The loss is a number, its gradient is not; weights before and after are equal."""
    real = smoothed_loss
    calls = iter(range(1, 100))

    def steep(*arguments: Any) -> LossSums:
        sums = real(*arguments)
        if next(calls) == 5:  # update 4
            sums.smoothed.register_hook(lambda gradient: gradient * math.inf)
        return sums

    monkeypatch.setattr("nmt.training.step.smoothed_loss", steep)
    options = ["--set", "train.checkpoint_updates=1", "--set", "train.average_checkpoints=9"]
    ended = nmt("train", tiny, *options)
    assert "update 4 skipped: its gradient is not a number" in ended.err
    there = {path.name for path in Path("runs/tiny/checkpoints").glob("*.safetensors")}
    assert "update-00000004.safetensors" not in there
    assert "update-00000005.safetensors" in there


@pytest.mark.parametrize("metric", ["bleu", "loss"])
def test_the_best_model_is_picked_by_the_metric(nmt: Run, tiny: Path, metric: str) -> None:
    options = ["--max-updates", 40, "--set", f"train.early_stopping_metric={metric}"]
    ended = nmt("train", tiny, *options, "--set", "train.validate_updates=5")
    assert ended.code == 0
    dev = [line for line in read_metrics(Path("runs/tiny")) if line["kind"] == "dev"]
    best = (
        min(dev, key=lambda line: line["loss"])
        if metric == "loss"
        else max(dev, key=lambda line: line["bleu"])
    )
    assert read_model(Path("runs/tiny/best.safetensors")).updates == (best["update"],)
    assert f"at update {best['update']}" in ended.err


def test_the_report_of_a_resumed_run_misses_nothing(nmt: Run, tiny: Path) -> None:
    """Stopped at 5, between the reports of 4 and 6: that of 6 still counts update 5."""
    nmt("train", tiny, "--run", "whole")
    nmt("train", tiny, "--run", "parts", "--max-updates", 5)
    nmt("train", tiny, "--run", "parts")
    figures = [
        [
            (x["update"], x["loss"], x["gradient_norm"])
            for x in read_metrics(Path(run))
            if x["kind"] == "train"
        ]
        for run in ("whole", "parts")
    ]
    assert figures[0] == figures[1]


def test_fine_tuning_begins_with_the_model_and_keeps_its_tokenizer(
    nmt: Run, tiny: Path, skilled_run: Path
) -> None:
    """A learning rate of 0 leaves the weights as they came."""
    settings = ["model.d_model=32", "model.d_ff=64", "model.d_k=16", "model.d_v=16"]
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


def test_fine_tuning_goes_on_without_the_model_it_began_with(
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
    assert nmt("train", tiny, "--init-from", "nothing.safetensors").code == 1


def test_tensorboard_shows_the_figures_of_metrics(nmt: Run, tiny: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    nmt("train", tiny, "--set", "train.tensorboard=true")
    events = accumulator.EventAccumulator("runs/tiny/tensorboard")
    events.Reload()
    shown = [(each.step, each.value) for each in events.Scalars("train/loss")]
    lines = [x for x in read_metrics(Path("runs/tiny")) if x["kind"] == "train"]
    assert [step for step, _ in shown] == [line["update"] for line in lines]
    assert [value for _, value in shown] == pytest.approx([line["loss"] for line in lines])


def test_bpe_dropout_trains_on_other_pieces_each_epoch_and_repeats(nmt: Run, tiny: Path) -> None:
    for run, share in (("none", 0.0), ("some", 0.3), ("again", 0.3)):
        nmt("train", tiny, "--run", run, "--set", f"train.bpe_dropout={share}")
    assert_same(Path("some/model.safetensors"), Path("again/model.safetensors"))
    losses = [
        [x["loss"] for x in read_metrics(Path(run)) if x["kind"] == "train"]
        for run in ("none", "some")
    ]
    assert losses[0] != losses[1]


def test_validation_bleu_is_what_evaluate_prints(nmt: Run, skilled_run: Path) -> None:
    """The tiny recipe's test set is its dev set: one model, one set, one score."""
    data = skilled_run.parent.parent
    report = json.loads(nmt("evaluate", "--model", skilled_run, "--data-dir", data, "--json").out)
    averaged = read_metrics(skilled_run)[-1]
    assert averaged["kind"] == "average"
    assert averaged["bleu"] > 0
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
