"""Export a model to a folder that Hugging Face's transformers loads without code of ours.

Dimensions: V tokens, d the model's width.
"""

import re
from pathlib import Path
from typing import Any

import numpy
from safetensors.numpy import save

from nmt.config import ModelSettings
from nmt.decoding.search.rules import special_ids
from nmt.errors import NmtError
from nmt.interop import network
from nmt.interop.network import Array, matrix_name, sublayers, transformers_names
from nmt.interop.opus.model import write_subwords
from nmt.kernels.array_functions import SINUSOIDS, sinusoids_in_halves
from nmt.runs.model_file import Weights
from nmt.runs.trained_model import TrainedModel
from nmt.system.atomic import write_text
from nmt.system.json_data import json_text
from nmt.text.subwords.tokenizer import BOS, EOS, PAD, UNK

# The encoder-decoders of transformers, by their type.
CLASSES = {
    "marian": "MarianMTModel",
    "pegasus": "PegasusForConditionalGeneration",
    "blenderbot": "BlenderbotForConditionalGeneration",
}
ACTIVATIONS = ("relu", "silu", "gelu")  # the names are ours and theirs
EPSILON = 1e-5  # of all norms in transformers
FEWEST_POSITIONS = 512  # of sinusoids; transformers makes the table when it loads the model
# The dimension of each weight that has the model's width; others do not touch it.
WIDE_ROWS = re.compile(r"(\.out|\.outer|norm)\.(weight|bias)$")
WIDE_COLUMNS = re.compile(
    r"(^embeddings\.(own_\w+_)?weight|\.(query|key|query_key)\w*\.weight|\.inner\.weight|\.table)$"
)
# The weights of a sub-layer that read the sums of the residual connections, or add to them.
READERS = ("query_key_value.weight", "query.weight", "inner.weight")
WRITERS = ("out.weight", "out.bias", "outer.weight", "outer.bias")
START_AND_END = {  # an output is not forced to end
    "pad_token_id": PAD,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
    "decoder_start_token_id": BOS,
    "forced_eos_token_id": None,
}


def write(model: TrainedModel, path: Path, quantization: str) -> None:
    """Write weights, configuration and tokenizer into an empty folder.

    Equal models give equal bytes. quantization: "". Raises NmtError, naming the setting, for a
    model whose architecture transformers does not have.
    """
    kind = choose_type(model.recipe.model)
    positions = network.longest_text(model, FEWEST_POSITIONS)
    weights = huggingface_weights(model.weights, model.recipe.model, kind, positions)
    (path / "model.safetensors").write_bytes(save(weights, {"format": "pt"}))
    for name, content in (
        ("config.json", configuration(model, kind, positions)),
        ("generation_config.json", generation(model, positions)),
        ("tokenizer_config.json", tokenization(model, positions)),
    ):
        write_text(path / name, f"{json_text(content, indent=2)}\n")
    write_subwords(model.tokenizer, path)


def choose_type(settings: ModelSettings) -> str:
    """Return the type that a model has in transformers.

    Marian is the paper's architecture, Pegasus that with pre-norm, and Blenderbot has learned
    positions in addition. Raises NmtError, naming the setting, if none computes the same.
    """
    s = settings
    is_pre_norm = s.norm == "pre"
    reasons = {
        f"model.activation={s.activation}": s.activation not in ACTIVATIONS,
        f"model.norm_kind={s.norm_kind}": s.norm_kind != "layer",
        f"model.positions={s.positions}": s.positions not in (*SINUSOIDS, "learned"),
        "model.positions=learned with model.norm=post": s.positions == "learned"
        and not is_pre_norm,
        f"model.tied={s.tied} with model.norm=pre": s.tied != "all" and is_pre_norm,
        "model.d_k and model.d_v are not model.d_model / model.heads": (
            {s.d_k * s.heads, s.d_v * s.heads} != {s.d_model}
        ),
        f"model.norm_epsilon={s.norm_epsilon:g}": s.norm_epsilon > EPSILON,
        f"model.target_order={s.target_order}": s.is_right_to_left,
    }
    for reason, is_missing in reasons.items():
        if is_missing:
            raise NmtError(
                f"transformers has no encoder-decoder that computes what this model does: {reason};"
                " --to onnx exports every model"
            )
    if not is_pre_norm:
        return "marian"
    return "pegasus" if s.positions in SINUSOIDS else "blenderbot"


def configuration(model: TrainedModel, kind: str, positions: int) -> dict[str, Any]:
    """Return the content of config.json."""
    s = model.recipe.model
    return {
        "architectures": [CLASSES[kind]],
        "model_type": kind,
        "activation_function": s.activation,
        "d_model": s.d_model,
        "encoder_layers": s.encoder_layers,
        "encoder_attention_heads": s.heads,
        "encoder_ffn_dim": s.d_ff,
        "encoder_layerdrop": 0.0,
        "decoder_layers": s.decoder_layers,
        "decoder_attention_heads": s.heads,
        "decoder_ffn_dim": s.d_ff,
        "decoder_layerdrop": 0.0,
        "dropout": s.dropout,
        "attention_dropout": s.attention_dropout,
        "activation_dropout": 0.0,
        "scale_embedding": True,
        "vocab_size": len(model.tokenizer),
        "decoder_vocab_size": len(model.tokenizer),
        "share_encoder_decoder_embeddings": s.tied == "all",
        "tie_word_embeddings": s.tied != "none",
        "max_position_embeddings": positions,
        "is_encoder_decoder": True,
        "dtype": "float32",
        **START_AND_END,
    }


def generation(model: TrainedModel, positions: int) -> dict[str, Any]:
    """Return the content of generation_config.json.

    A length penalty has another meaning there: the power of the length that divides the
    log-probability.
    """
    decode = model.recipe.decode
    return {
        **START_AND_END,
        "num_beams": decode.beam_size,
        "length_penalty": decode.length_penalty,
        "max_length": positions,
        "suppress_tokens": sorted(special_ids(model.tokenizer).never),
        "encoder_no_repeat_ngram_size": 0,
        "no_repeat_ngram_size": decode.no_repeat_ngram,
    }


def tokenization(model: TrainedModel, positions: int) -> dict[str, Any]:
    """Return the content of tokenizer_config.json."""
    source_language, target_language = model.recipe.data.known_directions[0]
    special = {"pad_token": PAD, "unk_token": UNK, "bos_token": BOS, "eos_token": EOS}
    return {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": source_language,
        "target_lang": target_language,
        "separate_vocabs": not model.tokenizer.is_joint,
        "model_max_length": positions,
        **{name: model.tokenizer.source.piece(number) for name, number in special.items()},
    }


def huggingface_weights(
    weights: Weights, settings: ModelSettings, kind: str, length: int
) -> dict[str, Array]:
    """Return the weights by their names in transformers.

    Attention there has biases: they are zeros if the model has none. Sines come before cosines
    there; the dimensions of a model whose sinusoids alternate are reordered, in every weight that
    reads or writes them. That changes no result: a norm does not depend on the order.

    kind: its type there. length: positions of a table of sinusoids.
    """
    tables = [f"embeddings.{side}_positions.table" for side in ("source", "target")]
    if settings.positions == "sinusoidal":
        weights = reordered(weights, settings.d_model)
    if settings.positions != "learned":
        table = sinusoids_in_halves(length, settings.d_model)
        weights = {**weights, **dict.fromkeys(tables, table)}
    weights = with_epsilon(weights, settings)
    target = weights["embeddings.weight"]
    zeros = numpy.zeros(len(target), numpy.float32)
    found = {network.BIAS: weights.get("embeddings.softmax_bias", zeros)[None]}
    if settings.tied == "all":
        found[network.SHARED] = target
    else:
        found |= {network.SOURCE: weights[matrix_name(weights, "source")], network.TARGET: target}
    if settings.tied == "none":
        found[network.SOFTMAX] = weights[matrix_name(weights, "softmax")]
    if kind != "marian":  # it makes its sinusoids
        found |= {
            name: weights[table] for name, table in zip(network.POSITIONS, tables, strict=True)
        }
    for name, array in weights.items():
        if names := transformers_names(name):
            for theirs, part in zip(names, numpy.split(array, len(names)), strict=True):
                found[theirs] = part
                if theirs.endswith("_proj.weight"):  # its bias may come before or after it
                    bias = theirs.removesuffix("weight") + "bias"
                    found.setdefault(bias, numpy.zeros(len(part), numpy.float32))
    return {name: numpy.ascontiguousarray(array) for name, array in found.items()}


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
    for stack in network.SUBLAYERS:
        names = sublayers(settings, stack)
        for name in names:
            before = 1.0 if name == names[0] else factor
            after = 1.0 if name == names[-1] else factor
            scales |= {f"{name}.{reader}": 1 / before for reader in READERS}
            scales |= {f"{name}.{writer}": before for writer in WRITERS}
            scales |= {f"{name}_norm.norm.{kind}": after for kind in ("weight", "bias")}
    return scales


def pre_norm_scales(settings: ModelSettings, factor: float) -> dict[str, float]:
    """Return the factor of each weight of a pre-norm model, whose file has its positions."""
    scales = {f"embeddings.{side}_positions.table": factor for side in ("source", "target")}
    scales["embeddings.weight"] = factor  # it is the matrix of the softmax, too
    scales |= {f"decoder_norm.{kind}": 1 / factor for kind in ("weight", "bias")}
    names = (name for stack in network.SUBLAYERS for name in sublayers(settings, stack))
    return scales | {f"{name}.{writer}": factor for name in names for writer in WRITERS}


def reordered(weights: Weights, width: int) -> dict[str, Array]:
    """Return weights with the even dimensions of the model's width before the odd ones."""
    order = numpy.concatenate([numpy.arange(0, width, 2), numpy.arange(1, width, 2)])
    found = dict(weights)
    for name, array in weights.items():
        if WIDE_ROWS.search(name):
            found[name] = array[order]
        elif WIDE_COLUMNS.search(name):
            found[name] = array[:, order]
    return found
