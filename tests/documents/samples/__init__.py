"""Files of each format, as programs write them."""

from pathlib import Path

SAMPLES = Path(__file__).parent
