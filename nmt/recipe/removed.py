"""Settings that were removed. Models and runs of older versions still have them in their recipes.

The recipe of a model or a run holds every setting. A removed setting with its default value changes
nothing and is ignored. Another value is ignored if the model or the run is only read; a training
refuses it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from nmt.errors import NmtError


class Removed(NamedTuple):
    """A removed setting."""

    default: Any  # the last one
    reason: str  # why it was removed, and what replaces it


AUGMENT = Removed(0.0, "it cost 0.6 to 2.0 BLEU, and decoding places tags instead")
REMOVED = {
    "train.augment_upper_case": AUGMENT,
    "train.augment_title_case": AUGMENT,
    "train.augment_typos": AUGMENT,
    "train.augment_placeholders": AUGMENT,
    "train.augment_tags": AUGMENT,
}


def used_removed(tables: Mapping[str, Any]) -> list[str]:
    """Return the names of removed settings that have another value than the default."""
    return [
        name
        for section, values in tables.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
        if (name := f"{section}.{key}") in REMOVED and value != REMOVED[name].default
    ]


def check_removed(tables: Mapping[str, Any]) -> None:
    """Raise NmtError if a removed setting has another value than the default."""
    for name in used_removed(tables):
        raise NmtError(
            f"{name} was removed: {REMOVED[name].reason}; leave it out, and train in a new"
            " run folder (--run)"
        )


def without_removed(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's tables without the removed settings, whatever their values."""
    return {
        section: {key: value for key, value in values.items() if f"{section}.{key}" not in REMOVED}
        if isinstance(values, dict)
        else values
        for section, values in tables.items()
    }
