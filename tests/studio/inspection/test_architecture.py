"""The weights of a model, listed layer by layer."""

from dataclasses import replace

import pytest

from nmt.config import ModelSettings
from nmt.model.transformer import Transformer
from nmt.recipe.size import count_parameters
from nmt.studio.inspection.architecture import Part, Weight, parts_of, weights_of

SMALL = ModelSettings(3, 2, d_model=12, d_ff=20, heads=3, d_k=4, d_v=5)


@pytest.mark.parametrize("settings", [SMALL, replace(SMALL, positions="learned", max_positions=9)])
def test_weights_are_those_of_a_real_model(settings: ModelSettings) -> None:
    real = Transformer(settings, 17, 0).named_parameters()
    weights = weights_of(settings, 17)
    assert {each.name: each.shape for each in weights} == {name: w.shape for name, w in real}
    assert sum(each.parameters for each in weights) == count_parameters(settings, 17)


def test_equal_layers_are_one_part() -> None:
    weights = weights_of(SMALL, 17)
    parts = parts_of(weights)
    assert [(part.name, part.times) for part in parts] == [
        ("", 1),
        ("encoder layer", 3),
        ("decoder layer", 2),
    ]
    assert sum(part.times * part.parameters for part in parts) == count_parameters(SMALL, 17)
    assert parts[1].weights[0] == Weight(
        "self_attention.query_key_value.weight", (3 * (4 + 4 + 5), 12)
    )


def test_a_layer_that_differs_from_its_neighbours_is_a_separate_part() -> None:
    weights = [Weight(f"encoder.{layer}.w", (size,)) for layer, size in enumerate([5, 5, 7, 5])]
    weights.append(Weight("decoder.0.w", (5,)))
    five, seven = (Weight("w", (size,)) for size in (5, 7))
    assert parts_of(weights) == [
        Part("encoder layer", 2, (five,)),
        Part("encoder layer", 1, (seven,)),
        Part("encoder layer", 1, (five,)),
        Part("decoder layer", 1, (five,)),
    ]
