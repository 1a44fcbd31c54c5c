"""A translated segment of the dev set, as each validation records some."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """A dev segment and its translation at one validation."""

    source: str
    references: tuple[str, ...]
    translation: str
