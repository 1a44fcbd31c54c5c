"""The training loop: exact sums, resuming, averaging, stopping."""

import json
import signal
from functools import partial
from pathlib import Path

import pytest
import torch

from nmt.kernels.loss import reference_loss
from nmt.model.transformer import Transformer
from nmt.runs.model_file import read_model
from nmt.runs.run_folder import RunFolder
from nmt.text.batches import PairDataset
from nmt.text.plan import plan_epoch
from nmt.text.prepare import open_prepared
from nmt.text.tokenizer import PAD
from tests.conftest import Run
from tests.training.conftest import (
    assert_same,
    finish,
    losses,
    read_metrics,
    start_process,
    weights,
)
from tests.waiting import wait_until


def test_a_resumed_run_equals_an_uninterrupted_one(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    """6 updates raised to 12, with dropout, against 12 updates without a stop."""
    assert nmt("train", tiny, "--run", "parts", "--max-updates", 6).code == 0
    assert nmt("train", tiny, "--run", "parts", "--max-updates", 12).code == 0
    for name in ("model", "best", "checkpoints/update-00000012"):
        assert_same(tiny_run / f"{name}.safetensors", Path(f"parts/{name}.safetensors"))


def test_a_finished_run_says_so_and_changes_nothing(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny)
    before = Path("runs/tiny/model.safetensors").read_bytes()
    again = nmt("train", tiny)
    assert again.code == 0
    assert "is done at update 12" in again.err
    assert Path("runs/tiny/model.safetensors").read_bytes() == before


def test_model_is_the_mean_of_the_last_checkpoints(nmt: Run, tiny: Path) -> None:
    """The recipe averages and keeps the last two of the checkpoints at 4, 8 and 12."""
    nmt("train", tiny)
    run = Path("runs/tiny")
    names = sorted(path.name for path in (run / "checkpoints").glob("*.safetensors"))
    assert names == ["update-00000008.safetensors", "update-00000012.safetensors"]
    first, second = (weights(run / "checkpoints" / name) for name in names)
    for name, mean in weights(run / "model.safetensors").items():
        expected = ((first[name].double() + second[name].double()) / 2).float()
        assert torch.equal(mean, expected)


@pytest.mark.parametrize("tokens", [1, 30])
def test_updates_with_micro_batches_equal_whole_ones(nmt: Run, tiny: Path, tokens: int) -> None:
    """Losses and weights after 12 updates are equal except for rounding."""
    options = ["--set", "model.dropout=0.0"]
    nmt("train", tiny, "--run", "whole", *options)
    nmt("train", tiny, "--run", "parts", *options, "--set", f"train.micro_batch_tokens={tokens}")
    assert losses(Path("whole")) == pytest.approx(losses(Path("parts")), rel=1e-5)
    whole, parts = (weights(Path(f"{run}/model.safetensors")) for run in ("whole", "parts"))
    for name, tensor in whole.items():
        assert float((tensor - parts[name]).norm() / tensor.norm()) < 1e-3, name


def test_training_lowers_the_loss(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--max-updates", 60, "--set", "train.validate_updates=60")
    curve = losses(Path("runs/tiny"))
    assert curve[-1] < 0.8 * curve[0]


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


def test_the_gradient_norm_is_that_of_the_mean_loss_per_token(nmt: Run, tiny: Path) -> None:
    """The first update's norm equals that of the reference loss's gradient by autograd."""
    still = ["--set", "model.dropout=0.0", "--set", "train.report_updates=1"]
    nmt("train", tiny, "--max-updates", 1, *still)
    written = read_metrics(Path("runs/tiny"))[0]
    run = RunFolder(Path("runs/tiny"))
    recipe = run.load_recipe()
    prepared = open_prepared(recipe, run.prepared_folder())
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
    assert written["gradient_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert written["loss"] == pytest.approx(loss.item(), rel=1e-5)


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
    before = Path("runs/tiny/recipe.toml").read_text()
    refused = nmt("train", tiny, "--max-updates", 8)
    assert refused.code == 1
    assert "corpus of runs/tiny has changed since its training started" in refused.err
    assert before == Path("runs/tiny/recipe.toml").read_text()


def test_patience_stops(nmt: Run, tiny: Path) -> None:
    """With a learning rate of 0 nothing improves: the run ends two validations after the first."""
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
    """The end at 9 is a multiple neither of checkpoint_updates nor of validate_updates."""
    ended = nmt("train", tiny, "--max-updates", 9)
    assert [x["update"] for x in read_metrics(Path("runs/tiny")) if x["kind"] == "dev"] == [6, 9]
    assert read_model(Path("runs/tiny/model.safetensors")).updates == (8, 9)
    assert "best: runs/tiny/best.safetensors" in ended.err


def test_a_folder_in_use_is_refused(nmt: Run, tiny: Path) -> None:
    with RunFolder(Path("runs/tiny")).lock():
        refused = nmt("train", tiny)
    assert refused.code == 1
    assert "another nmt process is using runs/tiny" in refused.err


def test_seeds_differ_and_repeat(nmt: Run, tiny: Path) -> None:
    for run, seed in (("a", 1), ("b", 1), ("c", 2)):
        nmt("train", tiny, "--run", run, "--seed", seed, "--max-updates", 4)
    assert_same(Path("a/model.safetensors"), Path("b/model.safetensors"))
    a, c = weights(Path("a/model.safetensors")), weights(Path("c/model.safetensors"))
    assert not torch.equal(a["embeddings.weight"], c["embeddings.weight"])


def test_a_signal_saves_and_the_same_command_resumes(nmt: Run, tiny: Path) -> None:
    """A real process is stopped three times; at last it has the weights of an uninterrupted run."""
    # Long enough that the signals come before the end, also on a busy machine.
    options = ["--max-updates", "400", "--set", "train.checkpoint_updates=100"]
    options += ["--set", "train.validate_updates=200"]
    nmt("train", tiny, "--run", "whole", *options)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        known = len(read_metrics(Path("parts")))
        process = start_process("-m", "nmt", "train", tiny, "--run", "parts", *options)
        wait_until(partial(has_more_metrics, known), process)
        process.send_signal(number)
        ended, errors = finish(process)
        assert ended == code
        assert ("resumed at update" in errors) == bool(known)
        assert "checkpoint saved" in errors
        assert "Traceback" not in errors
    assert "resumed at update" in nmt("train", tiny, "--run", "parts", *options).err
    assert_same(Path("whole/model.safetensors"), Path("parts/model.safetensors"))


def has_more_metrics(known: int) -> bool:
    """Return True if the run `parts` has more lines of metrics than known."""
    return len(read_metrics(Path("parts"))) > known


@pytest.mark.parametrize("metric", ["bleu", "loss"])
def test_the_best_model_is_chosen_by_the_metric(nmt: Run, tiny: Path, metric: str) -> None:
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


def test_the_metrics_of_a_resumed_run_are_complete(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    """Stopped at 5, between the lines of updates 4 and 6: that of 6 still includes update 5."""
    nmt("train", tiny, "--run", "parts", "--max-updates", 5)
    nmt("train", tiny, "--run", "parts")
    figures = [
        [
            (x["update"], x["loss"], x["gradient_norm"])
            for x in read_metrics(run)
            if x["kind"] == "train"
        ]
        for run in (tiny_run, Path("parts"))
    ]
    assert figures[0] == figures[1]


def test_validation_bleu_is_what_evaluate_prints(nmt: Run, skilled_run: Path) -> None:
    """The tiny recipe's test set is its dev set, so that the scores must be equal.

    A validation does not search again where an output repeats itself.
    """
    options = ["--data-dir", skilled_run.parent.parent, "--set", "decode.odd_input=as_is"]
    printed = json.loads(nmt("evaluate", "--model", skilled_run, *options, "--json").out)
    averaged = read_metrics(skilled_run)[-1]
    assert averaged["kind"] == "average"
    assert averaged["bleu"] > 0
    assert printed["results"][0]["scores"]["BLEU"]["value"] == averaged["bleu"]
