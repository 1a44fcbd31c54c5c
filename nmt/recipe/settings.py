"""Look settings up by their names, change them, and compare two recipes.

A setting is named `section.key`, such as `model.d_model`. Later values replace earlier ones: the
default, that of the recipe that a recipe extends, the recipe's, an override (`--set
section.key=value`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from datetime import date, time
from typing import Any

from nmt.config import DECLARED, Recipe
from nmt.errors import NmtError, UsageError, shown, suggestion
from nmt.recipe.toml import REMOVED, build_value, parse_value, with_key

# Settings that a resumed run must keep.
FIXED_SETTINGS = tuple(
    name for name, declared in DECLARED.items() if not declared.metadata["may_change"]
)


@dataclass(frozen=True)
class SettingDifference:
    """A setting that two recipes have different values for."""

    name: str  # section.key
    old: Any
    new: Any

    def __str__(self) -> str:
        """Return the name with both values, unless they are lists of files or other tables."""
        if isinstance(self.old, tuple | dict):
            return self.name
        return f"{self.name} ({self.old} -> {self.new})"


def get_setting(recipe: Recipe, name: str) -> Any:
    """Return the value of a setting, such as `get_setting(recipe, "model.d_model")`.

    Raises UsageError for an unknown name.
    """
    check_name(name)
    section, key = name.split(".")
    return getattr(getattr(recipe, section), key)


def check_name(name: str) -> None:
    """Raise UsageError, with the nearest valid name, unless a setting has this name."""
    if name in REMOVED:
        raise UsageError(f"{name} was removed: {REMOVED[name].reason}; leave it out")
    if name not in DECLARED:
        near = suggestion(name, DECLARED, with_key(name))
        raise UsageError(f"unknown setting {shown(name)}{near}")


def recipe_differences(
    old: Recipe, new: Recipe, names: Iterable[str] = tuple(DECLARED)
) -> tuple[SettingDifference, ...]:
    """Return the settings that differ between two recipes, in the order of `names`.

    names: the settings to compare, all by default; `FIXED_SETTINGS` are those that a resumed run
    must keep.
    """
    pairs = (
        SettingDifference(name, get_setting(old, name), get_setting(new, name)) for name in names
    )
    return tuple(pair for pair in pairs if pair.old != pair.new)


def with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Return a recipe with some settings changed.

    settings: values by name. A value is what TOML holds (numbers, texts, lists and tables), or what
    a recipe holds (tuples, `TextFiles` and `Download`). Raises UsageError for an unknown name or a
    bad value; `check_together` checks that the settings fit each other.
    """
    if not isinstance(settings, Mapping):
        raise UsageError(f"settings are {shown(settings)} but must be values by name")
    for name, value in settings.items():
        checked = checked_value(name, value)
        section, key = name.split(".")
        recipe = replace(recipe, **{section: replace(getattr(recipe, section), **{key: checked})})
    return recipe


def checked_value(name: str, value: Any) -> Any:
    """Return a value as a recipe holds it; raises UsageError for an unknown name or a bad value."""
    check_name(name)
    try:
        return build_value(name, as_toml(value), DECLARED[name])
    except NmtError as error:
        raise UsageError(str(error)) from error
    except RecursionError as error:
        raise UsageError(f"{name} is nested too deeply") from error


def as_toml(value: Any) -> Any:
    """Return a value in TOML's types: dataclasses become tables, tuples become lists."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {key: as_toml(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_toml(item) for item in value]
    return value


def parse_overrides(overrides: Iterable[str]) -> dict[str, Any]:
    """Return the values by name that `section.key=value` texts set; a later text wins.

    A value is written in TOML; a word needs no quotes. Raises UsageError for a text without `=`, an
    unknown name or a bad value.
    """
    settings = {}
    for text in overrides:
        name, equals, raw = (part.strip() for part in str(text).partition("="))
        if not equals:
            raise UsageError(f"--set takes section.key=value, not {shown(text)}")
        check_name(name)
        value = parse_value(raw)
        is_text = isinstance(DECLARED[name].metadata["default"], str)
        # nan, true and 2026-11-28 are words, too.
        is_word = is_text and isinstance(value, (bool, int, float, date, time)) and "#" not in raw
        settings[name] = checked_value(name, raw if is_word else value)
    return settings
