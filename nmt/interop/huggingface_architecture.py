"""Choose the architecture of Hugging Face's transformers that computes what a model computes."""

from dataclasses import dataclass

from nmt.config import ModelSettings
from nmt.errors import NmtError
from nmt.interop.position_tables import check_positions
from nmt.kernels.array_functions import SINUSOIDS


@dataclass(frozen=True)
class Architecture:
    """An encoder-decoder of transformers."""

    model_type: str
    class_name: str
    final_norm: bool = False  # one after each stack
    positions: bool = True  # the file has their tables


# It makes its sinusoids, and does not save them.
MARIAN = Architecture("marian", "MarianMTModel", positions=False)
PEGASUS = Architecture("pegasus", "PegasusForConditionalGeneration", final_norm=True)
BLENDERBOT = Architecture("blenderbot", "BlenderbotForConditionalGeneration", final_norm=True)

ACTIVATIONS = {"relu": "relu", "silu": "silu", "gelu": "gelu"}  # ours and theirs
EPSILON = 1e-5  # of all norms in transformers


def architecture_of(settings: ModelSettings) -> Architecture:
    """Return the architecture that a model has in transformers.

    Marian is the paper's architecture, Pegasus that with pre-norm, and Blenderbot has learned
    positions in addition. Raises NmtError, naming the setting, if none computes the same, or
    as `check_positions` does.
    """
    check_positions(settings)
    if reason := why_none(settings):
        raise NmtError(
            f"transformers has no encoder-decoder that computes what this model does: {reason};"
            " --to onnx exports every model"
        )
    if settings.norm == "post":
        return MARIAN
    return PEGASUS if settings.positions in SINUSOIDS else BLENDERBOT


def why_none(settings: ModelSettings) -> str:
    """Return the setting that no architecture has; "" if there is one."""
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
    return next((reason for reason, is_missing in reasons.items() if is_missing), "")
