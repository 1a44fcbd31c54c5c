"""List the weights of a model one by one and layer by layer."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from nmt.config import ModelSettings
from nmt.recipe.size import weight_shapes

LAYER = re.compile(r"(encoder|decoder)\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Weight:
    """A tensor of parameters with its name in the model file."""

    name: str
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        """Return the number of parameters."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Part:
    """The weights of one layer, or of several equal layers in a row."""

    name: str  # such as "encoder layer"; "" for weights outside the layers
    times: int  # number of equal layers
    weights: tuple[Weight, ...]  # of one layer, with their names within it

    @property
    def parameters(self) -> int:
        """Return the number of parameters of one layer."""
        return sum(each.parameters for each in self.weights)


def weights_of(settings: ModelSettings, vocab_size: int) -> list[Weight]:
    """Return every weight of a model."""
    return [Weight(*each) for each in weight_shapes(settings, vocab_size).items()]


def parts_of(weights: Iterable[Weight]) -> list[Part]:
    """Return weights layer by layer, with equal layers in a row as one part."""

    def layer_of(weight: Weight) -> tuple[str, str]:
        found = LAYER.fullmatch(weight.name)
        return (found[1], found[2]) if found else ("", "")

    layers = [
        (f"{stack} layer" if stack else "", tuple(map(name_in_layer, members)))
        for (stack, _), members in groupby(weights, layer_of)
    ]
    return [Part(name, len(list(equal)), members) for (name, members), equal in groupby(layers)]


def name_in_layer(weight: Weight) -> Weight:
    """Return a weight with its name within its layer."""
    found = LAYER.fullmatch(weight.name)
    return Weight(found[3], weight.shape) if found else weight
