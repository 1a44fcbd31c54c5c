"""The settings that Marian's models need, in every command from training to translation."""

import re
from pathlib import Path

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
OPTIONS = [part for pair in MARIAN.items() for part in ("--set", "=".join(pair))]
BIAS = re.compile(r".*(attention\.\w+\.bias|softmax_bias)")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a small model with all of these settings; do not write into it."""
    folder = tmp_path_factory.mktemp("marian")
    return train_skilled(folder, **{key.replace(".", "__"): value for key, value in MARIAN.items()})


def test_training_reduces_the_loss_and_moves_every_bias(nmt: Run, run: Path, source: Path) -> None:
    first, *_, last = losses(run)
    assert last < 0.6 * first
    found = weights(run / "model.safetensors")
    biases = [weight for name, weight in found.items() if BIAS.fullmatch(name)]
    assert len(biases) == 2 + 5 + 1  # of the encoder's layer, of the decoder's, of the softmax
    assert all(bias.count_nonzero() > 0.9 * bias.numel() for bias in biases)
    assert translate(nmt, run, source).out.startswith("MOON SUN\n\n")


def test_a_model_is_averaged_explained_and_continued(nmt: Run, tiny: Path) -> None:
    """With R-Drop, own matrices, GELU, and outputs from right to left."""
    others = ["tied=none", "target_order=right_to_left", "activation=gelu"]
    options = [*OPTIONS, *(f"--set=model.{other}" for other in others), "--set=train.r_drop=5"]
    assert nmt("train", tiny, *options).code == 0
    assert nmt("average", "runs/tiny", "--output", "mean.safetensors").code == 0
    assert nmt("explain", "sun moon", "--model", "runs/tiny", "--output", "page.html").code == 0
    without = [*options, "--set", "model.softmax_bias=false"]
    refused = nmt("train", tiny, *without, "--init-from", "mean.safetensors", "--run", "no")
    assert (refused.code, "model.softmax_bias=True" in refused.err) == (1, True)
