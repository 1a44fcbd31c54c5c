"""Hold a finding of a diagnosis: what is seen, what it means, and what to change."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["warning", "note"]


@dataclass(frozen=True)
class Finding:
    """Describe one fault of a training, or a note on it, in plain words."""

    kind: str  # such as "overfitting"
    severity: Severity
    title: str
    since: int | None  # update from which on it is seen; None: known before the first, or a note
    seen: str  # a sentence with numbers
    meaning: str  # a sentence
    change: str  # a setting with a value, or a command

    @property
    def heading(self) -> str:
        """Return the title and the update from which on the fault is seen."""
        return f"{self.title}, since update {self.since:,}" if self.since else self.title

    def lines(self) -> list[str]:
        """Return the finding as lines of text."""
        return [
            f"{self.severity}: {self.heading}",
            f"  seen: {self.seen}",
            f"  meaning: {self.meaning}",
            f"  to do: {self.change}",
        ]
