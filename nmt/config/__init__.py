"""Every setting of a recipe with its default, unit, source and valid range, each written once.

Defaults are the base model of "Attention Is All You Need" (Vaswani et al., 2017, arXiv 1706.03762).
Each section of a recipe's TOML file is a class; `nmt.recipe` reads and writes recipes.
"""

from dataclasses import Field, dataclass, field, fields
from typing import Any

from nmt.config.decode import DecodeSettings
from nmt.config.settings import (
    SEPARATOR,
    DataSettings,
    Download,
    ModelSettings,
    TextFiles,
    TokenizerSettings,
    TrainSettings,
)

__all__ = [
    "DECLARED",
    "SECTIONS",
    "SEPARATOR",
    "DataSettings",
    "DecodeSettings",
    "Download",
    "ModelSettings",
    "Recipe",
    "TextFiles",
    "TokenizerSettings",
    "TrainSettings",
]


@dataclass(frozen=True)
class Recipe:
    """Everything that defines a run."""

    name: str
    data: DataSettings = field(default_factory=DataSettings)
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)


SECTIONS: dict[str, type[Any]] = {
    "data": DataSettings,
    "tokenizer": TokenizerSettings,
    "model": ModelSettings,
    "train": TrainSettings,
    "decode": DecodeSettings,
}

# The declaration of every setting by its name `section.key`, in reading order.
DECLARED: dict[str, Field[Any]] = {
    f"{section}.{declared.name}": declared
    for section, kind in SECTIONS.items()
    for declared in fields(kind)
}
