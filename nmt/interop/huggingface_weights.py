"""Give a model's weights the names, shapes and order that transformers expects.

Dimensions: V tokens, d the model's width.
"""

import re
from collections.abc import Iterator

import numpy
from numpy.typing import NDArray

from nmt.artifacts.model_file import Weights
from nmt.config import ModelSettings
from nmt.interop.huggingface_architecture import EPSILON, Architecture
from nmt.kernels.array_functions import sinusoids_in_halves

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
    if settings.norm == "post":
        weights = with_epsilon(weights, settings)
    if settings.positions == "sinusoidal":
        weights = reordered(weights, settings.d_model)
    if settings.positions != "learned":
        table = sinusoids_in_halves(length, settings.d_model)
        names = (f"embeddings.{side}_positions.table" for side in ("source", "target"))
        weights = {**weights, **dict.fromkeys(names, table)}
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
    """Return the weights of a post-norm model with which norms may add transformers' epsilon.

    A norm of c x with the epsilon c^2 e equals the norm of x with e. So all values between the
    layers are c times as large, and what reads them divides by c. Those before the first norm of a
    stack stay as they are, since the sinusoids have a fixed size: there the epsilons differ.
    """
    factor = (EPSILON / settings.norm_epsilon) ** 0.5
    found = dict(weights)
    for stack, count in (
        ("encoder", settings.encoder_layers),
        ("decoder", settings.decoder_layers),
    ):
        names = [f"{stack}.{number}.{each}" for number in range(count) for each in SUBLAYERS[stack]]
        for name in names:
            before = 1.0 if name == names[0] else factor
            after = 1.0 if name == names[-1] else factor
            scales = {
                **{f"{name}.{each}": 1 / before for each in READERS},
                **{f"{name}.{each}": before for each in WRITERS},
                **{f"{name}_norm.norm.{each}": after for each in ("weight", "bias")},
            }
            for each in scales.keys() & found.keys():
                found[each] = found[each] * numpy.float32(scales[each])
    return found


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
