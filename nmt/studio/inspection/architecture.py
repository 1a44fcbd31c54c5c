"""The weights of a model, one by one and layer by layer."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import torch

from nmt.config import ModelSettings
from nmt.model.transformer import Transformer

LAYER = re.compile(r"(encoder|decoder)\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Weight:
    """One tensor of parameters, by its name in the model file."""

    name: str
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Part:
    """Weights that belong together, and how many times in a row the model has their like."""

    name: str  # such as "encoder layer"; "" for what is in no layer
    times: int
    weights: tuple[Weight, ...]  # of one of them, by their names within it

    @property
    def parameters(self) -> int:
        """Of one of them."""
        return sum(each.parameters for each in self.weights)


def weights_of(settings: ModelSettings, vocab_size: int) -> list[Weight]:
    """Every weight of a model, which is built without memory for its numbers."""
    with torch.device("meta"):
        network = Transformer(settings, vocab_size, pad_id=0)
    return [Weight(name, tuple(each.shape)) for name, each in network.named_parameters()]


def parts_of(weights: Iterable[Weight]) -> list[Part]:
    """The same layer by layer, layers that are alike in a row as one."""

    def layer(weight: Weight) -> tuple[str, str]:
        found = LAYER.fullmatch(weight.name)
        return (found[1], found[2]) if found else ("", "")

    layers = [
        (f"{stack} layer" if stack else "", tuple(map(within_its_layer, members)))
        for (stack, _), members in groupby(weights, layer)
    ]
    parts = []
    for (name, members), alike in groupby(layers):
        parts.append(Part(name, len(list(alike)), members))
    return parts


def within_its_layer(weight: Weight) -> Weight:
    """The weight by its name in its layer."""
    found = LAYER.fullmatch(weight.name)
    return Weight(found[3], weight.shape) if found else weight
