"""The positions of exported models, which other programs read from tables."""

from nmt.config import DecodeSettings, ModelSettings
from nmt.errors import NmtError
from nmt.kernels.array_functions import SINUSOIDS, Floats
from nmt.runs.model_file import Weights

FEWEST_POSITIONS = 1024  # in CTranslate2's table of sinusoids
POSITIONS = "positions"  # in the manifest of a folder for CTranslate2


def check_positions(settings: ModelSettings) -> None:
    """Raise NmtError for a positional encoding that no export has."""
    if settings.positions not in (*SINUSOIDS, "learned", "rotary"):
        raise NmtError(
            f"no format of nmt export has model.positions={settings.positions}; translate with nmt"
            " itself"
        )


def position_table(
    weights: Weights, settings: ModelSettings, side: str, length: int
) -> Floats | None:
    """Return the positions (length, d_model) that are added to embeddings; None if they rotate.

    side: "source" or "target". Raises NmtError as `check_positions` does.
    """
    check_positions(settings)
    if settings.positions == "rotary":
        return None
    if settings.positions == "learned":
        return weights[f"embeddings.{side}_positions.table"]
    return SINUSOIDS[settings.positions](length, settings.d_model)


def position_count(settings: DecodeSettings) -> int:
    """Return the positions that CTranslate2 needs for the longest source and output."""
    longest = settings.max_segment_tokens + settings.max_extra_tokens
    return max(FEWEST_POSITIONS, longest + 1, settings.min_length + 1)
