"""The positions that a converted model has: CTranslate2 reads them from a table."""

from nmt.config import DecodeSettings

FEWEST_POSITIONS = 1024  # in a table of sinusoids


POSITIONS = "positions"  # in the manifest of an exported folder


def position_count(settings: DecodeSettings) -> int:
    """Return the positions that a table of sinusoids needs for the longest source and output."""
    longest = settings.max_segment_tokens + settings.max_extra_tokens
    return max(FEWEST_POSITIONS, longest + 1, settings.min_length + 1)
