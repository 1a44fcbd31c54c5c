"""The weights of a model by its settings alone."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch

from nmt.config import ModelSettings
from nmt.model import make_network
from nmt.recipe.files import load_recipe, shipped_recipes
from nmt.recipe.size import count_parameters, weight_shapes

V = 17
SMALL = ModelSettings(
    "transformer", 2, 3, d_model=10, d_ff=7, heads=3, d_k=4, d_v=2, max_positions=9
)
VARIANTS = {
    "positions": ("sinusoidal", "learned", "rotary"),  # halves have no weights either
    "norm": ("post", "pre"),
    "norm_kind": ("layer", "rms"),
    "activation": ("relu", "silu", "swiglu"),
    "tied": ("all", "target", "none"),
}
BIASES = {
    "positions": ("sinusoidal", "learned"),
    "tied": ("all", "none"),
    "attention_bias": (False, True),
    "softmax_bias": (False, True),
}


def assert_weights_are_those_of_the_network(settings: ModelSettings) -> None:
    """Compare names and shapes, and the number of weights."""
    with torch.device("meta"):
        network = make_network(settings, V, pad_id=0)
    state = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    assert weight_shapes(settings, V) == state
    assert count_parameters(settings, V) == sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("name", shipped_recipes())
def test_weights_of_each_recipe(name: str) -> None:
    assert_weights_are_those_of_the_network(load_recipe(name).model)


@pytest.mark.parametrize("variants", [VARIANTS, BIASES], ids=["parts", "biases"])
def test_weights_of_each_variant(variants: dict[str, tuple[Any, ...]]) -> None:
    for values in product(*variants.values()):
        changes: dict[str, Any] = dict(zip(variants, values, strict=True))
        assert_weights_are_those_of_the_network(replace(SMALL, **changes))
