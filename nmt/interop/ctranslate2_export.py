"""Export a model to a folder that CTranslate2 loads, with its tokenizer and its recipe.

Weights are really copied into CTranslate2's specification of a Transformer, because CTranslate2
quantizes them in place. It has all that `model` settings can ask for, except for what
`check_network` refuses. The order of an output's tokens (`model.target_order`)
does not affect the weights.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy

from nmt.config import DecodeSettings, ModelSettings
from nmt.decoding.models.alignment import aligning_attention
from nmt.errors import NmtError
from nmt.interop.network import GATES, check_network, matrix_name, position_table
from nmt.interop.opus.model import SENTENCEPIECE_FILES, pieces_by_id
from nmt.kernels.array_functions import Floats
from nmt.recipe.toml import to_toml
from nmt.runs.model_file import AligningAttention
from nmt.runs.trained_model import TrainedModel
from nmt.system.files import is_present, read_bytes
from nmt.text.subwords.tokenizer import Tokenizer

RECIPE = "recipe.toml"
JOINT = "tokenizer.model"  # a SentencePiece model, if both languages have the same
TOKENIZER = "tokenizer.bin"  # of nmt, beside two SentencePiece models
POSITIONS = "positions"  # in the manifest of a folder: those of the table
FEWEST_POSITIONS = 1024  # of sinusoids
# The names of activations there.
ACTIVATIONS = {"relu": "RELU", "silu": "SWISH", "gelu": "GELU", "sigmoid": "Sigmoid"}
# The parts of a layer in CTranslate2's specification.
PARTS = {
    "self_attention.query_key_value": "self_attention/linear_0",
    "self_attention.out": "self_attention/linear_1",
    "self_attention_norm.norm": "self_attention/layer_norm",
    "cross_attention.query": "attention/linear_0",
    "cross_attention.key_value": "attention/linear_1",
    "cross_attention.out": "attention/linear_2",
    "cross_attention_norm.norm": "attention/layer_norm",
    "feed_forward.inner": "ffn/linear_0",
    "feed_forward.outer": "ffn/linear_1",
    "feed_forward_norm.norm": "ffn/layer_norm",
}
NORM_KINDS = {"weight": "gamma", "bias": "beta"}


def write(model: TrainedModel, path: Path, quantization: str) -> None:
    """Write CTranslate2's files, the SentencePiece models and the recipe into an empty folder.

    Equal models give equal bytes. quantization: a type of CTranslate2, "" for float32. Raises
    NmtError without the package.
    """
    require_ctranslate2()
    spec = make_spec(model)
    spec.optimize(quantization=quantization or None)
    spec.save(str(path))
    write_tokenizer(model.tokenizer, path)
    (path / RECIPE).write_text(to_toml(model.recipe), encoding="utf-8", newline="\n")


def require_ctranslate2() -> None:
    """Raise NmtError unless the package is installed."""
    try:
        import ctranslate2  # noqa: F401 (only whether it is here)
    except ImportError as error:
        raise NmtError(
            "CTranslate2 is not installed: pip install 'attention-nmt[ctranslate2]'"
        ) from error


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write a tokenizer for other programs, and so that `read_tokenizer` returns it."""
    if tokenizer.source is tokenizer.target and tokenizer.source.sentencepiece == tokenizer.model:
        (folder / JOINT).write_bytes(tokenizer.model)
        return
    (folder / TOKENIZER).write_bytes(tokenizer.model)
    for name, side in zip(SENTENCEPIECE_FILES, tokenizer.sides, strict=True):
        (folder / name).write_bytes(side.sentencepiece)


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder; raises NmtError if it is not usable."""
    own = folder / TOKENIZER
    path = own if is_present(own) else folder / JOINT
    content = read_bytes(path, "the tokenizer", "export the model again with `nmt export`")
    return Tokenizer(content, str(path))


def make_spec(model: TrainedModel) -> Any:
    """Return CTranslate2's specification of a model, complete and checked."""
    from ctranslate2.specs.model_spec import index_spec

    settings = model.recipe.model
    check_network(settings)
    aligning = aligning_attention(model)
    spec = empty_spec(settings, aligning)
    fill_embeddings(spec, model)
    for name, weight in model.weights.items():
        if name.startswith("embeddings."):
            continue
        for path, part in convert_weight(name, weight, settings, aligning):
            owner, _, kind = path.rpartition("/")
            setattr(index_spec(spec, owner), kind, part)
    source, target = map(pieces_by_id, model.tokenizer.sides)
    spec.register_source_vocabulary(source)
    spec.register_target_vocabulary(target)
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = settings.norm_epsilon
    spec.validate()
    return spec


def empty_spec(settings: ModelSettings, aligning: AligningAttention) -> Any:
    """Return CTranslate2's model of this shape, without weights.

    Its attention weights, which align words, are those that nmt aligns with.
    """
    from ctranslate2.specs import TransformerSpec
    from ctranslate2.specs.common_spec import Activation
    from ctranslate2.specs.transformer_spec import TransformerDecoderSpec, TransformerEncoderSpec

    width = head_width(settings)
    activation = GATES.get(settings.activation, settings.activation)
    shape: dict[str, Any] = {
        "num_heads": settings.heads,
        "pre_norm": settings.norm == "pre",
        "activation": Activation[ACTIVATIONS[activation]],
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
    source, target, softmax = (
        weights[matrix_name(weights, use)] for use in ("source", "target", "softmax")
    )
    source_embeddings = spec.encoder.embeddings[0]
    source_embeddings.weight = source[:source_size].copy()
    spec.decoder.embeddings.weight = target[:target_size].copy()
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


def position_count(settings: DecodeSettings) -> int:
    """Return the positions that a model needs for the longest source and output."""
    longest = settings.max_segment_tokens + settings.max_extra_tokens
    return max(FEWEST_POSITIONS, longest + 1, settings.min_length + 1)


def convert_weight(
    name: str, weight: Floats, settings: ModelSettings, aligning: AligningAttention
) -> Iterator[tuple[str, Any]]:
    """Yield the parts that a weight of the stacks has in CTranslate2, with their paths there.

    In the attention that aligns, the head that does is the first one.
    """
    stack, number, rest = (*name.split(".", 2), "")[:3]
    if stack in ("encoder_norm", "decoder_norm"):
        yield f"{stack.removesuffix('_norm')}/layer_norm/{NORM_KINDS[number]}", weight
        return
    part, _, kind = rest.rpartition(".")
    attention, _, projection = part.partition(".")
    path, wanted = f"{stack}/layer_{number}/{PARTS[part]}", head_width(settings)
    aligns = attention == "cross_attention" and int(number) == aligning.layer
    first = (aligning.head or 0) if aligns else 0
    heads = [first, *(head for head in range(settings.heads) if head != first)]
    d_k, d_v = settings.d_k, settings.d_v
    widths = {"query_key_value": [d_k, d_k, d_v], "query": [d_k], "key_value": [d_k, d_v]}
    if projection == "norm":
        yield f"{path}/{NORM_KINDS[kind]}", weight
    elif projection in widths:
        yield f"{path}/{kind}", widened(weight, heads, widths[projection], wanted)
        if projection.startswith("query") and d_k != wanted:
            scale = numpy.float32(d_k**-0.5)
            yield f"{path.removesuffix('/linear_0')}/queries_scale", scale
    elif projection == "out" and kind == "weight":
        yield f"{path}/{kind}", widened(weight.T, heads, [d_v], wanted).T.copy()
    elif projection == "inner" and settings.is_gated:  # the gate's rows are a layer of their own
        gate, inner = numpy.split(weight, 2)
        yield f"{path}/{kind}", gate.copy()
        yield f"{path}_noact/{kind}", inner.copy()
    else:
        yield f"{path}/{kind}", weight.copy()


def widened(rows: Floats, order: Sequence[int], widths: Sequence[int], wanted: int) -> Floats:
    """Return the rows of projections in an order of heads, with zeros after those of each head.

    rows: (heads * sum of widths, ...), of matrices one after the other. The result has
    heads * wanted rows for each of them.
    """
    heads = len(order)
    found = []
    for matrix, width in zip(
        numpy.split(rows, numpy.cumsum(widths)[:-1] * heads), widths, strict=True
    ):
        wide = numpy.zeros((heads, wanted, *rows.shape[1:]), numpy.float32)
        wide[:, :width] = matrix.reshape(heads, width, *rows.shape[1:])[[*order]]
        found.append(wide.reshape(heads * wanted, *rows.shape[1:]))
    return numpy.concatenate(found)
