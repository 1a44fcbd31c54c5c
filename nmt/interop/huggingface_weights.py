"""Give a model's weights the names, shapes and order that transformers expects.

Dimensions: V tokens, d the model's width.
"""

import re
from collections.abc import Iterator

import numpy
from numpy.typing import NDArray

from nmt.config import ModelSettings
from nmt.interop.huggingface_architecture import EPSILON, Architecture
from nmt.kernels.array_functions import sinusoids_in_halves
from nmt.runs.model_file import Weights

Array = NDArray[numpy.float32]

LAYERS = {
    "self_attention.": "self_attn.",
    "self_attention_norm.norm": "self_attn_layer_norm",
    "cross_attention.": "encoder_attn.",
    "cross_attention_norm.norm": "encoder_attn_layer_norm",
    "feed_forward.inner": "fc1",
    "feed_forward.outer": "fc2",
    "feed_forward_norm.norm": "final_layer_norm",
}
# A matrix of ours that holds several of theirs, one above the other.
STACKED = {
    "query_key_value": ("q_proj", "k_proj", "v_proj"),
    "query": ("q_proj",),
    "key_value": ("k_proj", "v_proj"),
    "out": ("out_proj",),
}
# The dimension of each weight that has the model's width; others do not touch it.
WIDE_ROWS = re.compile(r"(\.out|\.outer|norm)\.(weight|bias)$")
WIDE_COLUMNS = re.compile(
    r"(^embeddings\.(own_\w+_)?weight|\.(query|key|query_key)\w*\.weight|\.inner\.weight|\.table)$"
)


# Sub-layers of a layer, in their order.
SUBLAYERS = {
    "encoder": ("self_attention", "feed_forward"),
    "decoder": ("self_attention", "cross_attention", "feed_forward"),
}
READERS = ("query_key_value.weight", "query.weight", "inner.weight")
WRITERS = ("out.weight", "out.bias", "outer.weight", "outer.bias")


def huggingface_weights(
    weights: Weights, settings: ModelSettings, architecture: Architecture, length: int
) -> dict[str, Array]:
    """Return the weights by their names in transformers.

    Attention there has biases: they are zeros if the model has none. Sines come before cosines
    there; the dimensions of a model whose sinusoids alternate are reordered, in every weight that
    reads or writes them. That changes no result: a norm does not depend on the order.

    length: positions of a table of sinusoids.
    """
    if settings.positions == "sinusoidal":
        weights = reordered(weights, settings.d_model)
    if settings.positions != "learned":
        table = sinusoids_in_halves(length, settings.d_model)
        names = (f"embeddings.{side}_positions.table" for side in ("source", "target"))
        weights = {**weights, **dict.fromkeys(names, table)}
    weights = with_epsilon(weights, settings)
    found = embeddings(weights, settings, architecture)
    for name, array in weights.items():
        stack, number, rest = (*name.split(".", 2), "")[:3]
        if stack in ("encoder", "decoder"):
            for theirs, part in layer_weights(rest, array):
                layer = f"model.{stack}.layers.{number}."
                found[layer + theirs] = part
                if theirs.endswith("_proj.weight"):  # its bias may come before or after it
                    bias = layer + theirs.removesuffix("weight") + "bias"
                    found.setdefault(bias, numpy.zeros(len(part), numpy.float32))
        elif stack in ("encoder_norm", "decoder_norm"):
            found[f"model.{stack.removesuffix('_norm')}.layer_norm.{number}"] = array
    return {name: numpy.ascontiguousarray(each) for name, each in found.items()}


def with_epsilon(weights: Weights, settings: ModelSettings) -> dict[str, Array]:
    """Return weights with which the norms may add transformers' epsilon instead of the model's.

    A norm of c x that adds c^2 e equals the norm of x that adds e. So the sums that the norms read
    are c times as large, and what reads them otherwise divides by c.
    """
    factor = (EPSILON / settings.norm_epsilon) ** 0.5
    scales = post_norm_scales if settings.norm == "post" else pre_norm_scales
    found = dict(weights)
    for name, scale in scales(settings, factor).items():
        if name in found:
            found[name] = found[name] * numpy.float32(scale)
    return found


def post_norm_scales(settings: ModelSettings, factor: float) -> dict[str, float]:
    """Return the factor of each weight of a post-norm model.

    The sums before the first norm of a stack stay as they are, since Marian's sinusoids have a
    fixed size: there the epsilons differ.
    """
    scales: dict[str, float] = {}
    for stack in SUBLAYERS:
        names = sublayers(settings, stack)
        for name in names:
            before = 1.0 if name == names[0] else factor
            after = 1.0 if name == names[-1] else factor
            scales |= {f"{name}.{each}": 1 / before for each in READERS}
            scales |= {f"{name}.{each}": before for each in WRITERS}
            scales |= {f"{name}_norm.norm.{each}": after for each in ("weight", "bias")}
    return scales


def pre_norm_scales(settings: ModelSettings, factor: float) -> dict[str, float]:
    """Return the factor of each weight of a pre-norm model, whose file has its positions."""
    scales = {f"embeddings.{side}_positions.table": factor for side in ("source", "target")}
    scales["embeddings.weight"] = factor  # it is the matrix of the softmax, too
    scales |= {f"decoder_norm.{each}": 1 / factor for each in ("weight", "bias")}
    names = (name for stack in SUBLAYERS for name in sublayers(settings, stack))
    return scales | {f"{name}.{each}": factor for name in names for each in WRITERS}


def sublayers(settings: ModelSettings, stack: str) -> list[str]:
    """Return the names of the sub-layers of a stack, in their order."""
    count = settings.encoder_layers if stack == "encoder" else settings.decoder_layers
    return [f"{stack}.{number}.{each}" for number in range(count) for each in SUBLAYERS[stack]]


def reordered(weights: Weights, width: int) -> dict[str, Array]:
    """Return weights with the even dimensions of the model's width before the odd ones."""
    order = numpy.concatenate([numpy.arange(0, width, 2), numpy.arange(1, width, 2)])
    found = {}
    for name, array in weights.items():
        if WIDE_ROWS.search(name):
            found[name] = array[order]
        elif WIDE_COLUMNS.search(name):
            found[name] = array[:, order]
        else:
            found[name] = array
    return found


def embeddings(
    weights: Weights, settings: ModelSettings, architecture: Architecture
) -> dict[str, Array]:
    """Return the embeddings, the matrix and the bias of the softmax, and the positions."""
    target = weights["embeddings.weight"]
    bias = weights.get("embeddings.softmax_bias", numpy.zeros(len(target), numpy.float32))
    found = {"final_logits_bias": bias[None]}
    if settings.tied == "all":
        found["model.shared.weight"] = target
    else:
        found["model.encoder.embed_tokens.weight"] = weights["embeddings.own_source_weight"]
        found["model.decoder.embed_tokens.weight"] = target
    if settings.tied == "none":
        found["lm_head.weight"] = weights["embeddings.own_softmax_weight"]
    if architecture.positions:
        for stack, side in (("encoder", "source"), ("decoder", "target")):
            table = weights[f"embeddings.{side}_positions.table"]
            found[f"model.{stack}.embed_positions.weight"] = table
    return found


def layer_weights(name: str, array: Array) -> Iterator[tuple[str, Array]]:
    """Yield a weight of a layer in the parts that transformers has, with their names.

    name: such as "self_attention.out.weight".
    """
    module, _, kind = name.rpartition(".")
    ours = next(each for each in sorted(LAYERS, reverse=True) if module.startswith(each))
    module = LAYERS[ours] + module.removeprefix(ours)
    place, _, last = module.rpartition(".")
    if last not in STACKED:
        yield f"{module}.{kind}", array
        return
    parts = STACKED[last]
    for part, each in zip(parts, numpy.split(array, len(parts)), strict=True):
        yield f"{place}.{part}.{kind}", each
