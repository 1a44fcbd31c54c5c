"""The weights of a model by its settings alone."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch

from nmt.config import ModelSettings
from nmt.model.transformer import Transformer
from nmt.recipe import load_recipe
from nmt.recipe.files import shipped_recipes
from nmt.recipe.size import count_parameters, weight_shapes

V = 17
SMALL = ModelSettings(2, 3, d_model=10, d_ff=7, heads=3, d_k=4, d_v=2, max_positions=9)
VARIANTS = {
    "positions": ("sinusoidal", "learned", "rotary"),
    "norm": ("post", "pre"),
    "norm_kind": ("layer", "rms"),
    "activation": ("relu", "glu", "reglu", "geglu", "swiglu"),
    "tied": ("all", "target", "none"),
}


def assert_weights_are_those_of_the_network(settings: ModelSettings) -> None:
    """Compare names and shapes in order, and their number."""
    with torch.device("meta"):
        network = Transformer(settings, V, pad_id=0)
    state = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    assert [*weight_shapes(settings, V).items()] == [*state.items()]
    assert count_parameters(settings, V) == sum(each.numel() for each in network.parameters())


@pytest.mark.parametrize("name", shipped_recipes())
def test_weights_of_each_recipe(name: str) -> None:
    assert_weights_are_those_of_the_network(load_recipe(name).model)


def test_weights_of_each_variant() -> None:
    for values in product(*VARIANTS.values()):
        changes: dict[str, Any] = dict(zip(VARIANTS, values, strict=True))
        assert_weights_are_those_of_the_network(replace(SMALL, **changes))
