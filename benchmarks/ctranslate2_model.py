"""A model of ours in CTranslate2's format, to time both on the same weights.

    pip install ctranslate2
    python benchmarks/ctranslate2_model.py runs/multi30k_en_de/model.safetensors ct2/

What CTranslate2 knows is written: norms before or after, ReLU or a gate, sinusoids or rotations;
one embedding matrix, d_k = d_v = d_model / heads.
"""

from pathlib import Path
from typing import Any

import click
import torch
from ctranslate2.specs import TransformerSpec
from ctranslate2.specs.common_spec import Activation
from ctranslate2.specs.transformer_spec import TransformerDecoderSpec, TransformerEncoderSpec
from torch import Tensor, nn

from nmt.artifacts.model_file import TrainedModel, load_model
from nmt.config import ModelSettings
from nmt.model.layers import NORM_EPSILON, AddNorm, DecoderLayer, EncoderLayer, FeedForward
from nmt.model.positions import sinusoids
from nmt.text.tokenizer import Tokenizer

POSITIONS = 1024  # written; longer segments are cut before that
ACTIVATIONS = {
    "relu": Activation.RELU,
    "reglu": Activation.RELU,
    "geglu": Activation.GELU,
    "swiglu": Activation.SWISH,
    "glu": Activation.Sigmoid,
}


def convert(model: TrainedModel, folder: Path) -> None:
    """Write the folder that CTranslate2 loads."""
    network, settings = model.network, model.network.settings
    spec = empty_spec(settings)
    for side, embeddings in (
        (spec.encoder, spec.encoder.embeddings[0]),
        (spec.decoder, spec.decoder.embeddings),
    ):
        embeddings.weight = array(network.embedding)
        embeddings.multiply_by_sqrt_depth = True
        if settings.positions == "sinusoidal":
            side.position_encodings.encodings = array(sinusoids(POSITIONS, settings.d_model))
    if settings.norm == "pre":
        norm(spec.encoder.layer_norm, network.encoder_norm)
        norm(spec.decoder.layer_norm, network.decoder_norm)
    for target, layer in zip(spec.encoder.layer, network.encoder, strict=True):
        assert isinstance(layer, EncoderLayer)  # noqa: S101 (for the type checker)
        self_attention(target.self_attention, layer)
        feed_forward(target.ffn, layer.feed_forward, layer.feed_forward_norm)
    for target, layer in zip(spec.decoder.layer, network.decoder, strict=True):
        assert isinstance(layer, DecoderLayer)  # noqa: S101 (for the type checker)
        self_attention(target.self_attention, layer)
        cross_attention(target.attention, layer)
        feed_forward(target.ffn, layer.feed_forward, layer.feed_forward_norm)
    spec.decoder.projection.weight = array(network.embedding)
    pieces = [model.tokenizer.source.piece(number) for number in range(len(model.tokenizer))]
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces)
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = NORM_EPSILON
    spec.validate()
    spec.optimize(quantization=None)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


def empty_spec(settings: ModelSettings) -> Any:
    """CTranslate2's model of this shape, without weights; ClickException if it has none."""
    if not settings.d_k == settings.d_v == settings.d_model // settings.heads:
        raise click.ClickException("CTranslate2 wants d_k = d_v = d_model / heads")
    for name in ("norm_kind", "tied"):
        if getattr(settings, name) != getattr(ModelSettings(), name):
            raise click.ClickException(f"only the paper's model.{name} is written")
    if settings.positions == "learned":
        raise click.ClickException("learned positions are not written")
    shape: dict[str, Any] = {
        "num_heads": settings.heads,
        "pre_norm": settings.norm == "pre",
        "activation": ACTIVATIONS[settings.activation],
        "ffn_glu": settings.activation != "relu",
        "rotary_dim": settings.d_k if settings.positions == "rotary" else None,
    }
    return TransformerSpec(
        TransformerEncoderSpec(settings.encoder_layers, **shape),
        TransformerDecoderSpec(settings.decoder_layers, **shape),
    )


def self_attention(target: Any, layer: EncoderLayer | DecoderLayer) -> None:
    """Queries, keys and values as one product, as ours."""
    attention = layer.self_attention
    target.linear[0].weight = array(attention.in_weight)
    target.linear[1].weight = array(attention.out.weight)
    norm(target.layer_norm, layer.self_attention_norm.norm)


def cross_attention(target: Any, layer: DecoderLayer) -> None:
    """Queries apart from keys and values."""
    attention = layer.cross_attention
    queries = attention.widths[0]
    target.linear[0].weight = array(attention.in_weight[:queries])
    target.linear[1].weight = array(attention.in_weight[queries:])
    target.linear[2].weight = array(attention.out.weight)
    norm(target.layer_norm, layer.cross_attention_norm.norm)


def feed_forward(target: Any, layer: FeedForward, add_norm: AddNorm) -> None:
    """Both products with their biases; a gate's rows apart from those it multiplies."""
    gates = [target.linear_0, target.linear_0_noact] if layer.gate else [target.linear_0]
    for linear, weight, bias in zip(
        gates,
        layer.inner.weight.chunk(len(gates)),
        layer.inner.bias.chunk(len(gates)),
        strict=True,
    ):
        linear.weight, linear.bias = array(weight), array(bias)
    target.linear_1.weight = array(layer.outer.weight)
    target.linear_1.bias = array(layer.outer.bias)
    norm(target.layer_norm, add_norm.norm)


def norm(target: Any, ours: nn.Module) -> None:
    """Gain and bias."""
    target.gamma = array(ours.get_parameter("weight"))
    target.beta = array(ours.get_parameter("bias"))


def array(tensor: Tensor) -> Any:
    """A tensor as CTranslate2 takes it."""
    return tensor.detach().float().contiguous().numpy()


def convert_file(path: Path, folder: Path) -> Tokenizer:
    """Write a model file and its tokenizer into a folder."""
    model = load_model(path, torch.device("cpu"))
    convert(model, folder)
    (folder / "tokenizer.model").write_bytes(model.tokenizer.model)
    return model.tokenizer


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def command(model: Path, folder: Path) -> None:
    """Write MODEL into FOLDER in CTranslate2's format."""
    convert_file(model, folder)


if __name__ == "__main__":
    command()
