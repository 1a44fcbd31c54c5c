"""Copy a model's weights into CTranslate2's specification of a Transformer.

Matrices are really copied, because CTranslate2 quantizes them in place.
CTranslate2 has all that `model` settings can ask for, except for positional encodings that
`check_positions` refuses. The order of an output's tokens (`model.target_order`) does not affect
the weights.
"""

from collections.abc import Sequence
from typing import Any

import numpy
from ctranslate2.specs import TransformerSpec
from ctranslate2.specs.common_spec import Activation
from ctranslate2.specs.transformer_spec import TransformerDecoderSpec, TransformerEncoderSpec

from nmt.config import ModelSettings
from nmt.decoding.models.alignment import aligning_attention
from nmt.interop.position_tables import position_count, position_table
from nmt.kernels.array_functions import Floats
from nmt.runs.model_file import AligningAttention, Weights
from nmt.runs.trained_model import TrainedModel
from nmt.text.tokenizer import SubwordModel

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
    """Return CTranslate2's specification of a model, complete and checked."""
    weights, settings = model.weights, model.recipe.model
    aligning = aligning_attention(model)
    spec = empty_spec(settings, aligning)
    fill_embeddings(spec, model)
    for side, layers in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        if settings.norm == "pre":
            fill_norm(layers.layer_norm, weights, f"{side}_norm")
        for number, layer in enumerate(layers.layer):
            aligns = side == "decoder" and number == aligning.layer
            first_head = (aligning.head or 0) if aligns else 0
            fill_layer(layer, weights, f"{side}.{number}.", settings, first_head)
    source, target = model.tokenizer.sides
    spec.register_source_vocabulary(pieces_of(source))
    spec.register_target_vocabulary(pieces_of(target))
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = settings.norm_epsilon
    spec.validate()
    return spec


def pieces_of(subwords: SubwordModel) -> list[str]:
    """Return all pieces of a vocabulary, in the order of their ids."""
    return [subwords.piece(number) for number in range(len(subwords))]


def empty_spec(settings: ModelSettings, aligning: AligningAttention) -> Any:
    """Return CTranslate2's model of this shape, without weights.

    Its attention weights, which align words, are those that nmt aligns with.
    """
    width = head_width(settings)
    shape: dict[str, Any] = {
        "num_heads": settings.heads,
        "pre_norm": settings.norm == "pre",
        "activation": ACTIVATIONS[settings.activation],
        "ffn_glu": settings.is_gated,
        "rms_norm": settings.norm_kind == "rms",
        "head_dim": None if width * settings.heads == settings.d_model else width,
        "rotary_dim": settings.d_k if settings.positions == "rotary" else None,
    }
    return TransformerSpec(
        TransformerEncoderSpec(settings.encoder_layers, **shape),
        TransformerDecoderSpec(
            settings.decoder_layers,
            alignment_layer=aligning.layer,
            # CTranslate2 takes the mean of so many heads from the first one on.
            alignment_heads=settings.heads if aligning.head is None else 1,
            **shape,
        ),
    )


def head_width(settings: ModelSettings) -> int:
    """Return the larger of d_k and d_v; CTranslate2 has one width, so the smaller is padded."""
    return max(settings.d_k, settings.d_v)


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
    source_embeddings.weight = source[:source_size].copy()
    spec.decoder.embeddings.weight = shared[:target_size].copy()
    spec.decoder.projection.weight = softmax[:target_size].copy()
    if settings.softmax_bias:
        spec.decoder.projection.bias = weights["embeddings.softmax_bias"][:target_size]
    for embeddings in (source_embeddings, spec.decoder.embeddings):
        embeddings.multiply_by_sqrt_depth = True
    length = position_count(model.recipe.decode)
    for stack, side in ((spec.encoder, "source"), (spec.decoder, "target")):
        table = position_table(weights, settings, side, length)
        if table is not None:
            stack.position_encodings.encodings = table


def fill_layer(
    target: Any, weights: Weights, name: str, settings: ModelSettings, first_head: int
) -> None:
    """Copy a layer of the encoder or of the decoder; its weights' names begin with `name`.

    first_head: the head of the attention to the source that becomes the first one, and aligns.
    """
    d_k, d_v = settings.d_k, settings.d_v
    parts = [("query_key_value", [d_k, d_k, d_v])]
    fill_attention(target.self_attention, weights, f"{name}self_attention", parts, settings, 0)
    if f"{name}cross_attention.query.weight" in weights:
        parts = [("query", [d_k]), ("key_value", [d_k, d_v])]
        attention = f"{name}cross_attention"
        fill_attention(target.attention, weights, attention, parts, settings, first_head)
    fill_feed_forward(target.ffn, weights, f"{name}feed_forward", has_gate=settings.is_gated)


def fill_attention(
    target: Any,
    weights: Weights,
    name: str,
    parts: Sequence[tuple[str, list[int]]],
    settings: ModelSettings,
    first_head: int,
) -> None:
    """Copy the projections of attention and its norm, with zeros where a head is too narrow.

    parts: the names of the layers that project to queries, keys and values, and for each the widths
    of a head in the matrices that it is made of.
    """
    wanted = head_width(settings)
    heads = [first_head, *(head for head in range(settings.heads) if head != first_head)]
    *inputs, output = target.linear
    for linear, (part, widths) in zip(inputs, parts, strict=True):
        linear.weight = widened(weights[f"{name}.{part}.weight"], heads, widths, wanted)
        bias = weights.get(f"{name}.{part}.bias")
        if bias is not None:
            linear.bias = widened(bias, heads, widths, wanted)
    fill_linear(output, weights, f"{name}.out")
    output.weight = widened(weights[f"{name}.out.weight"].T, heads, [settings.d_v], wanted).T.copy()
    if settings.d_k != wanted:
        target.queries_scale = numpy.float32(settings.d_k**-0.5)
    fill_norm(target.layer_norm, weights, f"{name}_norm.norm")


def widened(rows: Floats, order: Sequence[int], widths: Sequence[int], wanted: int) -> Floats:
    """Return the rows of projections in an order of heads, with zeros after those of each head.

    rows: (heads * sum of widths, ...), of matrices one after the other. The result has
    heads * wanted rows for each of them.
    """
    heads = len(order)
    matrices = numpy.split(rows, numpy.cumsum(widths)[:-1] * heads)
    return numpy.concatenate(
        [
            numpy.concatenate(
                [
                    matrix.reshape(heads, width, *rows.shape[1:])[[*order]],
                    numpy.zeros((heads, wanted - width, *rows.shape[1:]), numpy.float32),
                ],
                axis=1,
            ).reshape(heads * wanted, *rows.shape[1:])
            for matrix, width in zip(matrices, widths, strict=True)
        ]
    )


def fill_feed_forward(target: Any, weights: Weights, name: str, *, has_gate: bool) -> None:
    """Copy both linear layers; CTranslate2 keeps the gate's rows in a layer of their own."""
    inner = [target.linear_0, target.linear_0_noact] if has_gate else [target.linear_0]
    for linear, weight, bias in zip(
        inner,
        numpy.split(weights[f"{name}.inner.weight"], len(inner)),
        numpy.split(weights[f"{name}.inner.bias"], len(inner)),
        strict=True,
    ):
        linear.weight, linear.bias = weight.copy(), bias
    fill_linear(target.linear_1, weights, f"{name}.outer")
    fill_norm(target.layer_norm, weights, f"{name}_norm.norm")


def fill_linear(target: Any, weights: Weights, name: str) -> None:
    """Copy a linear layer; it may have no bias."""
    target.weight = weights[f"{name}.weight"].copy()
    bias = weights.get(f"{name}.bias")
    if bias is not None:
        target.bias = bias


def fill_norm(target: Any, weights: Weights, name: str) -> None:
    """Copy gain and bias; RMSNorm has no bias."""
    target.gamma = weights[f"{name}.weight"]
    bias = weights.get(f"{name}.bias")
    if bias is not None:
        target.beta = bias
