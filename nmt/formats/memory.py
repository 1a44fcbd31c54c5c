"""Stand-in until the real module lands: replace this file."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nmt.decoding.marked import Marked


class Match(NamedTuple):
    """A translation of the memory."""

    target: Marked
    origin: str  # such as "memory 86 %"


class Memory:
    """Translations of earlier texts."""

    @classmethod
    def of(
        cls, paths: Sequence[Path], source: str, target: str, threshold: float = 1.0
    ) -> "Memory":
        """Read memories."""
        return cls()

    def find(self, source: Marked, context: str) -> Match | None:
        """Return the translation of a text."""
        return None

    def write(self, path: Path) -> None:
        """Write all that was added."""
