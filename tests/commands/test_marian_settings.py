"""The settings that Marian's models need, in every command from training to translation."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import translate
from tests.conftest import Run, train_skilled
from tests.training.conftest import losses, weights

MARIAN = {
    "model.activation": "silu",
    "model.positions": "sinusoidal_halves",
    "model.attention_bias": "true",
    "model.softmax_bias": "true",
    "model.norm_epsilon": "1e-5",
}
OPTIONS = [part for each in MARIAN.items() for part in ("--set", "=".join(each))]
BIAS = re.compile(r".*(attention\.\w+\.bias|softmax_bias)")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a small model with all of these settings; do not write into it."""
    folder = tmp_path_factory.mktemp("marian")
    return train_skilled(folder, **{key.replace(".", "__"): value for key, value in MARIAN.items()})


def test_training_reduces_the_loss_and_moves_every_bias(run: Path) -> None:
    first, *_, last = losses(run)
    assert last < 0.6 * first
    every = weights(run / "model.safetensors")
    biases = [each for name, each in every.items() if BIAS.fullmatch(name)]
    assert len(biases) == 2 + 5 + 1  # of the encoder's layer, of the decoder's, of the softmax
    assert all(each.count_nonzero() > 0.9 * each.numel() for each in biases)


def test_every_form_of_the_network_finds_the_same(nmt: Run, run: Path, source: Path) -> None:
    """NumPy's, PyTorch's, an ensemble's, and forced decoding's texts and scores."""
    by_arrays = translate(nmt, run, source, "--n-best", 2).out
    by_pytorch = translate(nmt, run, source, "--n-best", 2, "--token-scores").out
    checkpoint = max((run / "checkpoints").glob("*.safetensors"))  # the weights of the model
    by_both = translate(nmt, run, source, "--n-best", 2, "--model", checkpoint).out
    lines = [[json.loads(line) for line in each.splitlines()] for each in (by_arrays, by_both)]
    tokens = [json.loads(line) for line in by_pytorch.splitlines()]
    assert tokens[0]["translations"][0]["text"] == "MOON SUN"
    for line, *others in zip(tokens, *lines, strict=True):
        for other in others:
            assert_same(other["translations"], line["translations"])
    rows, expected = [], []
    for text, line in zip(source.read_text().splitlines(), tokens, strict=True):
        for each in line["translations"] if text else []:
            rows.append(f"{text}\t{' '.join(token['piece'] for token in each['tokens'])}\n")
            expected.append(each["log_prob"])
    pairs = source.with_suffix(".tsv")
    pairs.write_text("".join(rows))
    scored = nmt("score", pairs, "--columns", "1,2", "--pieces", "--model", run)
    assert scored.code == 0, scored.err
    found = [float(line.split("\t")[0]) for line in scored.out.splitlines()]
    assert found == pytest.approx(expected, abs=1e-4)


def assert_same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Compare texts and scores of a line's translations."""
    assert [each["text"] for each in found] == [each["text"] for each in expected]
    assert [each["score"] for each in found] == pytest.approx(
        [each["score"] for each in expected], abs=1e-4
    )


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_other_precisions_translate(nmt: Run, run: Path, source: Path, precision: str) -> None:
    found = translate(nmt, run, source, "--set", f"decode.precision={precision}").out
    assert found.startswith("MOON SUN\n\n")


def test_inspect_lists_each_as_a_deviation(nmt: Run, tiny: Path) -> None:
    out = nmt("inspect", tiny, *OPTIONS).out
    for deviation in (
        "model.activation = silu, paper: relu, section 3.3",
        "model.positions = sinusoidal_halves, paper: sinusoidal, section 3.5",
        "model.attention_bias = true, not in the paper",
        "model.softmax_bias = true, not in the paper",
        "model.norm_epsilon = 1e-05, not in the paper",
    ):
        assert deviation in out


def test_a_model_is_tuned_averaged_and_explained(nmt: Run, tiny: Path) -> None:
    """With R-Drop, own matrices, GELU, and outputs from right to left."""
    others = ["tied=none", "target_order=right_to_left", "activation=gelu"]
    options = [*OPTIONS, *(f"--set=model.{each}" for each in others), "--set=train.r_drop=5"]
    assert nmt("train", tiny, *options).code == 0
    run = Path("runs/tiny")
    assert nmt("average", run, "--output", "mean.safetensors").code == 0
    tuned = nmt("train", tiny, *options, "--init-from", "mean.safetensors", "--run", "tuned")
    assert tuned.code == 0, tuned.err
    assert nmt("explain", "sun moon", "--model", "tuned", "--output", "page.html").code == 0
    without = [*options, "--set", "model.softmax_bias=false"]
    refused = nmt("train", tiny, *without, "--init-from", "mean.safetensors", "--run", "no")
    assert refused.code == 1
    assert "model.softmax_bias=True" in refused.err
