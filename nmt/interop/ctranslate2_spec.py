"""Copy a model's weights into CTranslate2's specification of a Transformer.

Dimensions: V tokens, h heads, d the width of a head.
"""

from typing import Any

import numpy
from ctranslate2.specs import TransformerSpec
from ctranslate2.specs.common_spec import Activation
from ctranslate2.specs.transformer_spec import TransformerDecoderSpec, TransformerEncoderSpec

from nmt.artifacts.model_file import Weights
from nmt.artifacts.trained_model import TrainedModel
from nmt.config import DecodeSettings, ModelSettings
from nmt.errors import NmtError
from nmt.kernels.array_functions import SINUSOIDS

FEWEST_POSITIONS = 1024  # in a table of sinusoids
ACTIVATIONS = {
    "relu": Activation.RELU,
    "silu": Activation.SWISH,
    "gelu": Activation.GELU,
    "reglu": Activation.RELU,
    "geglu": Activation.GELU,
    "swiglu": Activation.SWISH,
    "glu": Activation.Sigmoid,
}


def spec_of(model: TrainedModel) -> Any:
    """Return CTranslate2's specification of a model, complete and checked.

    Raises NmtError, naming the setting, if CTranslate2 cannot run such a model.
    """
    weights, settings = model.weights, model.recipe.model
    spec = empty_spec(settings)
    fill_embeddings(spec, model)
    for side, layers in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        if settings.norm == "pre":
            fill_norm(layers.layer_norm, weights, f"{side}_norm")
        for number, layer in enumerate(layers.layer):
            fill_layer(layer, weights, f"{side}.{number}.", settings)
    for register, subwords in zip(
        (spec.register_source_vocabulary, spec.register_target_vocabulary),
        model.tokenizer.sides,
        strict=True,
    ):
        register([subwords.piece(number) for number in range(len(subwords))])
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = settings.norm_epsilon
    spec.validate()
    return spec


def empty_spec(settings: ModelSettings) -> Any:
    """Return CTranslate2's model of this shape, without weights; errors are those of `spec_of`."""
    if not settings.d_k == settings.d_v == settings.d_model // settings.heads:
        raise NmtError("CTranslate2 needs d_k = d_v = d_model / heads")
    shape: dict[str, Any] = {
        "num_heads": settings.heads,
        "pre_norm": settings.norm == "pre",
        "activation": ACTIVATIONS[settings.activation],
        "ffn_glu": settings.is_gated,
        "rms_norm": settings.norm_kind == "rms",
        "rotary_dim": settings.d_k if settings.positions == "rotary" else None,
    }
    return TransformerSpec(
        TransformerEncoderSpec(settings.encoder_layers, **shape),
        TransformerDecoderSpec(settings.decoder_layers, **shape),
    )


def fill_embeddings(spec: Any, model: TrainedModel) -> None:
    """Copy the embeddings, the projection to the softmax and the positions.

    Rows beyond the vocabulary of a language have no meaning and are left out.
    """
    weights, settings = model.weights, model.recipe.model
    source_size, target_size = map(len, model.tokenizer.sides)
    shared = weights["embeddings.weight"]
    source = weights.get("embeddings.own_source_weight", shared)
    softmax = weights.get("embeddings.own_softmax_weight", shared)
    source_embeddings = spec.encoder.embeddings[0]
    source_embeddings.weight = source[:source_size]
    spec.decoder.embeddings.weight = shared[:target_size]
    spec.decoder.projection.weight = softmax[:target_size]
    if settings.softmax_bias:
        spec.decoder.projection.bias = weights["embeddings.softmax_bias"][:target_size]
    for embeddings in (source_embeddings, spec.decoder.embeddings):
        embeddings.multiply_by_sqrt_depth = True
    if settings.positions == "rotary":
        return
    for side, name in ((spec.encoder, "source"), (spec.decoder, "target")):
        side.position_encodings.encodings = (
            weights[f"embeddings.{name}_positions.table"]
            if settings.positions == "learned"
            else SINUSOIDS[settings.positions](
                position_count(model.recipe.decode), settings.d_model
            )
        )


def position_count(settings: DecodeSettings) -> int:
    """Return the positions that a table of sinusoids needs for the longest source and output."""
    longest = settings.max_segment_tokens + settings.max_extra_tokens
    return max(FEWEST_POSITIONS, longest + 1, settings.min_length + 1)


def fill_layer(target: Any, weights: Weights, name: str, settings: ModelSettings) -> None:
    """Copy a layer of the encoder or of the decoder; its weights' names begin with `name`."""
    own = f"{name}self_attention."
    for linear, part in zip(target.self_attention.linear, ("query_key_value", "out"), strict=True):
        fill_linear(linear, weights, f"{own}{part}")
    fill_norm(target.self_attention.layer_norm, weights, f"{name}self_attention_norm.norm")
    if f"{name}cross_attention.query.weight" in weights:
        cross = f"{name}cross_attention."
        for linear, part in zip(
            target.attention.linear, ("query", "key_value", "out"), strict=True
        ):
            fill_linear(linear, weights, f"{cross}{part}")
        fill_norm(target.attention.layer_norm, weights, f"{name}cross_attention_norm.norm")
    fill_feed_forward(target.ffn, weights, f"{name}feed_forward", has_gate=settings.is_gated)


def fill_feed_forward(target: Any, weights: Weights, name: str, *, has_gate: bool) -> None:
    """Copy both linear layers; CTranslate2 keeps the gate's rows in a layer of their own."""
    inner = [target.linear_0, target.linear_0_noact] if has_gate else [target.linear_0]
    for linear, weight, bias in zip(
        inner,
        numpy.split(weights[f"{name}.inner.weight"], len(inner)),
        numpy.split(weights[f"{name}.inner.bias"], len(inner)),
        strict=True,
    ):
        linear.weight, linear.bias = weight, bias
    fill_linear(target.linear_1, weights, f"{name}.outer")
    fill_norm(target.layer_norm, weights, f"{name}_norm.norm")


def fill_linear(target: Any, weights: Weights, name: str) -> None:
    """Copy a linear layer; it may have no bias."""
    target.weight = weights[f"{name}.weight"]
    bias = weights.get(f"{name}.bias")
    if bias is not None:
        target.bias = bias


def fill_norm(target: Any, weights: Weights, name: str) -> None:
    """Copy gain and bias; RMSNorm has no bias."""
    target.gamma = weights[f"{name}.weight"]
    bias = weights.get(f"{name}.bias")
    if bias is not None:
        target.beta = bias
