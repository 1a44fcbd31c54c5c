"""Convert a model to CTranslate2's format, so that both engines run the same weights.

    pip install ctranslate2
    python benchmarks/ctranslate2_model.py runs/multi30k_en_de/model.safetensors ct2/

It converts what CTranslate2 has: pre-norm or post-norm, ReLU or a gate, sinusoidal or rotary
positions; one embedding matrix, and d_k = d_v = d_model / heads.
"""

from pathlib import Path
from typing import Any

import click
from ctranslate2.specs import TransformerSpec
from ctranslate2.specs.common_spec import Activation
from ctranslate2.specs.transformer_spec import TransformerDecoderSpec, TransformerEncoderSpec
from torch import Tensor, nn

from nmt.artifacts.trained_model import TrainedModel, load_model
from nmt.config import ModelSettings
from nmt.kernels.array_functions import NORM_EPSILON
from nmt.model.decoder import DecoderLayer
from nmt.model.encoder import EncoderLayer
from nmt.model.feed_forward import FeedForward
from nmt.model.positions import sinusoids
from nmt.model.residual import AddAndNorm
from nmt.text.tokenizer import Tokenizer

POSITIONS = 1024  # in the converted model; CTranslate2 cuts longer segments
ACTIVATIONS = {
    "relu": Activation.RELU,
    "reglu": Activation.RELU,
    "geglu": Activation.GELU,
    "swiglu": Activation.SWISH,
    "glu": Activation.Sigmoid,
}


def convert(model: TrainedModel, folder: Path) -> None:
    """Write the folder that CTranslate2 loads; ClickException if it has no such model."""
    network, settings = model.network, model.network.settings
    spec = empty_spec(settings)
    for side, embeddings in (
        (spec.encoder, spec.encoder.embeddings[0]),
        (spec.decoder, spec.decoder.embeddings),
    ):
        embeddings.weight = array(network.embeddings.weight)
        embeddings.multiply_by_sqrt_depth = True
        if settings.positions == "sinusoidal":
            side.position_encodings.encodings = array(sinusoids(POSITIONS, settings.d_model))
    if settings.norm == "pre":
        fill_norm(spec.encoder.layer_norm, network.encoder_norm)
        fill_norm(spec.decoder.layer_norm, network.decoder_norm)
    for target, layer in zip(spec.encoder.layer, network.encoder, strict=True):
        assert isinstance(layer, EncoderLayer)  # noqa: S101 (for the type checker)
        fill_self_attention(target.self_attention, layer)
        fill_feed_forward(target.ffn, layer.feed_forward, layer.feed_forward_norm)
    for target, layer in zip(spec.decoder.layer, network.decoder, strict=True):
        assert isinstance(layer, DecoderLayer)  # noqa: S101 (for the type checker)
        fill_self_attention(target.self_attention, layer)
        fill_cross_attention(target.attention, layer)
        fill_feed_forward(target.ffn, layer.feed_forward, layer.feed_forward_norm)
    spec.decoder.projection.weight = array(network.embeddings.weight)
    subwords = [model.tokenizer.source.piece(number) for number in range(len(model.tokenizer))]
    spec.register_source_vocabulary(subwords)
    spec.register_target_vocabulary(subwords)
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = NORM_EPSILON
    spec.validate()
    spec.optimize(quantization=None)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


def empty_spec(settings: ModelSettings) -> Any:
    """Return CTranslate2's model of this shape, without weights.

    Raises ClickException if CTranslate2 has no such model.
    """
    if not settings.d_k == settings.d_v == settings.d_model // settings.heads:
        raise click.ClickException("CTranslate2 needs d_k = d_v = d_model / heads")
    for name in ("norm_kind", "tied"):
        if getattr(settings, name) != getattr(ModelSettings(), name):
            raise click.ClickException(f"only the paper's model.{name} can be converted")
    if settings.positions == "learned":
        raise click.ClickException("learned positions cannot be converted")
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


def fill_self_attention(target: Any, layer: EncoderLayer | DecoderLayer) -> None:
    """Copy self-attention: queries, keys and values are one matrix in both formats."""
    target.linear[0].weight = array(layer.self_attention.query_key_value.weight)
    target.linear[1].weight = array(layer.self_attention.out.weight)
    fill_norm(target.layer_norm, layer.self_attention_norm.norm)


def fill_cross_attention(target: Any, layer: DecoderLayer) -> None:
    """Copy attention to the encoder: one matrix for queries, one for keys and values."""
    target.linear[0].weight = array(layer.cross_attention.query.weight)
    target.linear[1].weight = array(layer.cross_attention.key_value.weight)
    target.linear[2].weight = array(layer.cross_attention.out.weight)
    fill_norm(target.layer_norm, layer.cross_attention_norm.norm)


def fill_feed_forward(target: Any, layer: FeedForward, add_and_norm: AddAndNorm) -> None:
    """Copy both linear layers; CTranslate2 keeps the gate's rows in a layer of their own."""
    has_gate = layer.input_matrices == 2
    inner = [target.linear_0, target.linear_0_noact] if has_gate else [target.linear_0]
    for linear, weight, bias in zip(
        inner,
        layer.inner.weight.chunk(len(inner)),
        layer.inner.bias.chunk(len(inner)),
        strict=True,
    ):
        linear.weight, linear.bias = array(weight), array(bias)
    target.linear_1.weight = array(layer.outer.weight)
    target.linear_1.bias = array(layer.outer.bias)
    fill_norm(target.layer_norm, add_and_norm.norm)


def fill_norm(target: Any, norm: nn.Module) -> None:
    """Copy gain and bias."""
    target.gamma = array(norm.get_parameter("weight"))
    target.beta = array(norm.get_parameter("bias"))


def array(tensor: Tensor) -> Any:
    """Return a tensor as the array that CTranslate2 takes."""
    return tensor.detach().float().contiguous().numpy()


def convert_file(path: Path, folder: Path) -> Tokenizer:
    """Convert a model file; write the model and its tokenizer into a folder."""
    model = load_model(path, "cpu")
    convert(model, folder)
    (folder / "tokenizer.model").write_bytes(model.tokenizer.model)
    return model.tokenizer


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def command(model: Path, folder: Path) -> None:
    """Convert MODEL to CTranslate2's format and write it into FOLDER."""
    convert_file(model, folder)


if __name__ == "__main__":
    command()
