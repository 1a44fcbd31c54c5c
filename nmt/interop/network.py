"""Describe a model's network for other programs: sub-layers, names of weights, positions.

`weight_shapes` in `nmt.recipe.size` has the names and the shapes of our weights. Here are the names
that Hugging Face's transformers gives to the same weights, which imports and exports share, and the
tables of positions, which most programs read from a file.
"""

from collections.abc import Mapping

import numpy
from numpy.typing import NDArray

from nmt.config import ModelSettings
from nmt.errors import NmtError
from nmt.kernels.array_functions import SINUSOIDS, Floats
from nmt.runs.model_file import Weights
from nmt.runs.trained_model import TrainedModel

Array = NDArray[numpy.float32]

# The sub-layers of a layer, in their order.
SUBLAYERS = {
    "encoder": ("self_attention", "feed_forward"),
    "decoder": ("self_attention", "cross_attention", "feed_forward"),
}
GATES = {"glu": "sigmoid", "reglu": "relu", "geglu": "gelu", "swiglu": "silu"}  # activations
# The parts of a layer in transformers. A matrix of ours may hold several, one above the other.
PARTS = {
    "self_attention.query_key_value": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention.out": ("self_attn.out_proj",),
    "self_attention_norm.norm": ("self_attn_layer_norm",),
    "cross_attention.query": ("encoder_attn.q_proj",),
    "cross_attention.key_value": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    "cross_attention.out": ("encoder_attn.out_proj",),
    "cross_attention_norm.norm": ("encoder_attn_layer_norm",),
    "feed_forward.inner": ("fc1",),
    "feed_forward.outer": ("fc2",),
    "feed_forward_norm.norm": ("final_layer_norm",),
}
# The matrices and the bias outside of layers in transformers.
SHARED = "model.shared.weight"
SOURCE, TARGET = "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"
SOFTMAX, BIAS = "lm_head.weight", "final_logits_bias"
POSITIONS = ("model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight")


def sublayers(settings: ModelSettings, stack: str) -> list[str]:
    """Return the names of the sub-layers of a stack, such as "encoder.0.feed_forward"."""
    count = settings.encoder_layers if stack == "encoder" else settings.decoder_layers
    return [f"{stack}.{number}.{part}" for number in range(count) for part in SUBLAYERS[stack]]


def transformers_names(name: str) -> list[str]:
    """Return the names in transformers of the parts of a weight in the stacks; else none."""
    stack, _, rest = name.partition(".")
    if stack in ("encoder_norm", "decoder_norm"):
        return [f"model.{stack.removesuffix('_norm')}.layer_norm.{rest}"]
    if stack not in SUBLAYERS:
        return []
    number, _, rest = rest.partition(".")
    part, _, kind = rest.rpartition(".")
    return [f"model.{stack}.layers.{number}.{theirs}.{kind}" for theirs in PARTS[part]]


def matrix_name(weights: Mapping[str, object], use: str) -> str:
    """Return our name of the matrix for the source, the target or the softmax."""
    own = f"embeddings.own_{use}_weight"
    return own if own in weights else "embeddings.weight"


def check_network(settings: ModelSettings) -> None:
    """Raise NmtError for an architecture or a positional encoding that no export has."""
    missing = ""
    if settings.is_recurrent:
        missing = "architecture=recurrent"
    elif settings.positions not in (*SINUSOIDS, "learned", "rotary"):
        missing = f"positions={settings.positions}"
    if missing:
        raise NmtError(f"no format of nmt export has model.{missing}; translate with nmt itself")


def position_table(
    weights: Weights, settings: ModelSettings, side: str, length: int
) -> Floats | None:
    """Return the positions (length, d_model) that are added to embeddings; None if they rotate.

    side: "source" or "target".
    """
    if settings.positions == "rotary":
        return None
    if settings.positions == "learned":
        return weights[f"embeddings.{side}_positions.table"]
    return SINUSOIDS[settings.positions](length, settings.d_model)


def longest_text(model: TrainedModel, fewest: int) -> int:
    """Return the most tokens of a text, its end included; without a limit at least `fewest`."""
    return model.recipe.model.position_limit or max(fewest, model.recipe.data.max_length + 1)
