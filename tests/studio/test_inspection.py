"""Weights and costs of recipes, compared with real models and numbers worked out by hand."""

import pytest
import torch

from nmt.config import DataSettings, Recipe, TextFiles
from nmt.model.transformer import Transformer
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.recipe.size import Shapes
from nmt.studio.inspection import (
    Flops,
    Memory,
    Part,
    count_flops,
    group_layers,
    inspect_recipe,
    language_lines,
    training_memory,
)
from nmt.text.batches import make_batch
from nmt.text.subwords.tokenizer import PAD
from nmt.training.parallel.workers import Workers
from nmt.training.updates import Updater


def test_a_layer_that_differs_from_its_neighbours_is_a_separate_part() -> None:
    weights: Shapes = {f"encoder.{layer}.w": (size,) for layer, size in enumerate([5, 5, 7, 5])}
    five: Shapes = {"w": (5,)}
    seven: Shapes = {"w": (7,)}
    assert group_layers(weights | {"decoder.0.w": (5,)}) == [
        Part("encoder layer", 2, five),
        Part("encoder layer", 1, seven),
        Part("encoder layer", 1, five),
        Part("decoder layer", 1, five),
    ]


def test_directions_are_listed_if_there_are_several() -> None:
    pairs = [("en", "de"), ("de", "en"), ("en", "fr")]
    texts = (TextFiles(source_language=one, target_language=other) for one, other in pairs)
    recipe = Recipe("three", DataSettings(train=tuple(texts), context=2))
    assert language_lines(inspect_recipe(recipe, 30)) == [
        "directions: en-de, de-en, en-fr",
        "zero-shot: de-fr",
        "--to chooses the language: >>de<<, >>en<<, >>fr<<",
        "context: segments before, of the same document, up to 2",
    ]
    assert language_lines(inspect_recipe(Recipe("one"), 30)) == []


def costs(*changes: str) -> tuple[Flops, Memory]:
    """Return the costs of the paper's base model, changed, for sentences of 30 tokens."""
    recipe = with_settings(Recipe("base"), parse_overrides(changes))
    V = recipe.tokenizer.vocab_size
    return count_flops(recipe, V, 30), training_memory(recipe, V, 30)


def test_hand_worked_operations_of_base() -> None:
    """Count the multiplications of each token.

    A source token has 6 layers of 4 d² + 2 d d_ff and 30 scores, and 2 d² in each decoder layer for
    memory's keys and values. A target token has 6 layers of 6 d² + 2 d d_ff, with 15.5 scores on
    average in self-attention and 30 in the attention to memory, and the softmax.
    """
    d, d_ff, V = 512, 2048, 37_000
    score = 2 * d  # all heads' product with a key, and with its value
    source = 2 * 6 * (6 * d * d + 2 * d * d_ff + 30 * score)
    target = 2 * 6 * (6 * d * d + 2 * d * d_ff + (15.5 + 30) * score) + 2 * d * V
    flops, _ = costs()
    assert flops.forward_per_source_token == source == pytest.approx(44.4e6, rel=1e-3)
    assert flops.forward_per_target_token == target == pytest.approx(82.5e6, rel=1e-3)
    assert flops.training_per_update == 3 * 25_000 * (source + target)
    assert flops.training_run == 100_000 * flops.training_per_update


@pytest.mark.parametrize("setting", ["train.r_drop=5", "train.simcut=3"])
def test_two_passes_take_twice_the_operations_and_activations(setting: str) -> None:
    (flops, memory), (twice, more) = costs(), costs(setting)
    assert twice.training_run == 2 * flops.training_run
    assert twice.forward_per_source_token == flops.forward_per_source_token
    assert more.activations == 2 * memory.activations
    assert more.weights == memory.weights


def test_hand_worked_training_memory_base() -> None:
    """Weights, gradients and Adam's two moments have four bytes a parameter each."""
    _, memory = costs()
    assert memory.weights == memory.gradients == 4 * 63_045_632
    assert memory.moments == 8 * 63_045_632
    assert memory.total == 16 * 63_045_632 + memory.activations
    # Muon keeps one number, not two, of the 6 x (12 + 16) x 512 x 512 in its matrices.
    assert costs("train.optimizer=muon")[1].moments == memory.moments - 4 * 6 * 28 * 512**2


@pytest.mark.parametrize(
    "setting",
    ["train.moving_average=0", "train.moving_average=0.99", "train.optimizer=muon"],
)
def test_weights_and_moments_are_those_of_a_real_training(setting: str) -> None:
    """Both are float32 even if products are in bf16. Adam's step counts are not included."""
    small = ["model.d_model=16", "model.d_ff=20", "tokenizer.vocab_size=30"]
    recipe = with_settings(
        Recipe("small"), parse_overrides([*small, "train.precision=bf16", setting])
    )
    network = Transformer(recipe.model, 30, PAD)
    updater = Updater(recipe, network, Workers(), torch.device("cpu"))
    updater.set_up()
    updater.start([make_batch([([9, 10], [11, 12])])], 1, counts=True, stop=None)
    memory = training_memory(recipe, 30, 30)
    assert memory.weights == sum(weight.nbytes for weight in network.parameters())
    states = [state.values() for state in updater.optimizer.state.values()]
    moments = [moment for state in states for moment in state if moment.dim()]
    assert memory.moments == sum(moment.nbytes for moment in moments)


def test_micro_batches_and_bf16_need_less() -> None:
    (_, whole), (_, micro), (_, half) = (
        costs(),
        costs("train.micro_batch_tokens=2500"),
        costs("train.precision=bf16"),
    )
    assert (whole.tokens, micro.tokens) == (25_000, 2_500)
    assert micro.activations == pytest.approx(whole.activations / 10)
    assert 0.5 * whole.activations < half.activations < 0.7 * whole.activations
    _, larger = costs("train.micro_batch_tokens=99999")
    assert larger == whole
