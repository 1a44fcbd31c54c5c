"""The weights of Marian models: their names and shapes, and our weights made of them.

Names are those of Hugging Face's transformers. Dimensions: V tokens, d = d_model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy
from numpy.typing import NDArray

from nmt.config import ModelSettings
from nmt.text.tokenizer import BOS

Array = NDArray[numpy.float32]
Shapes = dict[str, tuple[int, ...]]

SHARED = "model.shared.weight"
SOURCE = "model.encoder.embed_tokens.weight"
TARGET = "model.decoder.embed_tokens.weight"
SOFTMAX = "lm_head.weight"
BIAS = "final_logits_bias"
POSITIONS = ("model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight")
PROJECTIONS = ("q_proj", "k_proj", "v_proj")
# Our names of the sub-layers, and theirs.
ATTENTIONS = {"self_attention": "self_attn", "cross_attention": "encoder_attn"}
NEVER = -10_000.0  # logit of a token that a model does not have: its probability is 0


class Tensors(Protocol):
    """The weights in a file, by the names of Hugging Face."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes of all weights; none is loaded for it."""
        ...

    def get(self, name: str) -> Array:
        """Load a weight."""
        ...


@dataclass(frozen=True)
class Rows:
    """Which rows of a Marian model's embeddings ours are; -1: of zeros."""

    source: NDArray[numpy.int64]  # (V,)
    target: NDArray[numpy.int64]  # (V,)


@dataclass(frozen=True)
class Sharing:
    """Which of the three matrices of embeddings and softmax are one."""

    embeddings: bool  # those of source and target
    softmax: bool  # that of the softmax and the target's

    @property
    def names(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """The names that the matrices of source, target and softmax may have.

        A file may hold a shared matrix under several of its names.
        """
        target = (TARGET, SOFTMAX) if self.softmax else (TARGET,)
        if self.embeddings:
            target = (SHARED, *target, SOURCE)
        return (
            target if self.embeddings else (SOURCE,),
            target,
            target if self.softmax else (SOFTMAX,),
        )

    def tied(self, *, is_joint: bool) -> str:
        """Return our setting `model.tied`; is_joint: whether there is one vocabulary."""
        if self.softmax:
            return "all" if self.embeddings and is_joint else "target"
        return "none"


def first_name(tensors: Tensors, names: Sequence[str]) -> str:
    """Return the first of several names that a file has; the first of all if it has none."""
    return next((name for name in names if name in tensors.shapes), names[0])


def layers(settings: ModelSettings) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield our name of each layer, theirs, and our names of its attentions."""
    for number in range(settings.encoder_layers):
        yield f"encoder.{number}", f"model.encoder.layers.{number}", ("self_attention",)
    for number in range(settings.decoder_layers):
        yield f"decoder.{number}", f"model.decoder.layers.{number}", (*ATTENTIONS,)


def layer_shapes(settings: ModelSettings) -> Shapes:
    """Return the shapes of the weights of all layers."""
    d, inner = settings.d_model, settings.d_ff
    shapes: Shapes = {}
    for _, layer, attentions in layers(settings):
        for name in map(ATTENTIONS.__getitem__, attentions):
            for projection in (*PROJECTIONS, "out_proj"):
                shapes |= linear_shapes(f"{layer}.{name}.{projection}", d, d)
            shapes |= norm_shapes(f"{layer}.{name}_layer_norm", d)
        shapes |= linear_shapes(f"{layer}.fc1", inner, d) | linear_shapes(f"{layer}.fc2", d, inner)
        shapes |= norm_shapes(f"{layer}.final_layer_norm", d)
    return shapes


def linear_shapes(name: str, outputs: int, inputs: int) -> Shapes:
    """Return the shapes of a linear map with a bias."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm_shapes(name: str, width: int) -> Shapes:
    """Return the shapes of a normalisation."""
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def layer_weights(tensors: Tensors, settings: ModelSettings) -> dict[str, Array]:
    """Return our weights of all layers."""
    found: dict[str, Array] = {}
    for ours, theirs, attentions in layers(settings):
        for name in attentions:
            attention, other = f"{ours}.{name}", f"{theirs}.{ATTENTIONS[name]}"
            together: dict[str, Sequence[str]] = {"query_key_value": PROJECTIONS}
            if name == "cross_attention":
                together = {"query": PROJECTIONS[:1], "key_value": PROJECTIONS[1:]}
            for kind in ("weight", "bias"):
                for part, projections in together.items():
                    parts = [tensors.get(f"{other}.{each}.{kind}") for each in projections]
                    found[f"{attention}.{part}.{kind}"] = numpy.concatenate(parts)
                found[f"{attention}.out.{kind}"] = tensors.get(f"{other}.out_proj.{kind}")
                norm = tensors.get(f"{other}_layer_norm.{kind}")
                found[f"{attention}_norm.norm.{kind}"] = norm
        for kind in ("weight", "bias"):
            found[f"{ours}.feed_forward.inner.{kind}"] = tensors.get(f"{theirs}.fc1.{kind}")
            found[f"{ours}.feed_forward.outer.{kind}"] = tensors.get(f"{theirs}.fc2.{kind}")
            norm = tensors.get(f"{theirs}.final_layer_norm.{kind}")
            found[f"{ours}.feed_forward_norm.norm.{kind}"] = norm
    return found


def embedding_weights(
    tensors: Tensors, settings: ModelSettings, sharing: Sharing, rows: Rows
) -> dict[str, Array]:
    """Return our embeddings, softmax and its bias, with the rows in the order of our ids."""
    source, target, softmax = (first_name(tensors, names) for names in sharing.names)
    found = {"embeddings.weight": permuted(tensors.get(target), rows.target)}
    if settings.tied != "all":
        found["embeddings.own_source_weight"] = permuted(tensors.get(source), rows.source)
    if settings.tied == "none":
        found["embeddings.own_softmax_weight"] = permuted(tensors.get(softmax), rows.target)
    bias = permuted(tensors.get(BIAS).reshape(-1), rows.target, NEVER)
    bias[BOS] = NEVER
    return found | {"embeddings.softmax_bias": bias}


def permuted(array: Array, rows: NDArray[numpy.int64], absent: float = 0.0) -> Array:
    """Return the rows of an array in another order; `absent` stands in rows that it lacks."""
    found = array[rows]
    found[rows < 0] = absent
    return found
