"""Plan the variants of a base recipe, with every setting checked before any training.

`--vary` names one setting and its values, or several settings that change together.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import TypeVar

from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.recipe.rules import check_together
from nmt.recipe.settings import parse_overrides, recipe_differences, with_settings
from nmt.recipe.toml import format_value

Number = TypeVar("Number")
BASE = "base"
LONGEST_NAME = 120  # characters of a folder's name
# Settings that --vary refuses, and why.
NOT_VARIED = {
    "train.seed": "name seeds with --seeds",
    "data.metric": "results are compared by one measure",
}
OPENING, CLOSING, QUOTES = "[{(", "]})", "\"'"
EXAMPLE = "--vary model.d_ff=256,512"


@dataclass(frozen=True)
class Axis:
    """One `--vary` option: a dimension of the ablation."""

    text: str  # as given
    steps: tuple[tuple[str, ...], ...]  # the `section.key=value` overrides of each step

    @property
    def settings(self) -> tuple[str, ...]:
        """Return the names of the settings that change along the axis."""
        return tuple(text.partition("=")[0] for text in self.steps[0])


@dataclass(frozen=True)
class Change:
    """A setting that differs between a variant and the base; values are in recipe notation."""

    setting: str
    value: str
    base: str

    def __str__(self) -> str:
        return f"{self.setting}={self.value}"


@dataclass(frozen=True)
class Variant:
    """The base recipe, which has no changes, or a recipe that differs from it."""

    recipe: Recipe
    changes: tuple[Change, ...] = ()
    axis: int | None = None  # index of its axis; None for the base and in a grid

    @property
    def name(self) -> str:
        """Return the changes in the notation of `--vary`, or "base"."""
        return " ".join(map(str, self.changes)) or BASE

    @property
    def folder(self) -> str:
        """Return a folder name that no other variant has."""
        plain = ",".join(map(str, self.changes)) or BASE
        name = re.sub(r"[^\w.=,+-]", "-", plain)
        if name == plain and len(name) <= LONGEST_NAME:
            return name
        digest = hashlib.sha256(plain.encode()).hexdigest()
        return f"{name[:LONGEST_NAME]}-{digest[:8]}"


def parse_axis(text: str) -> Axis:
    """Return the axis that a text describes: `section.key=value,value...`, or several of these.

    Several settings are separated by blanks and change together: the first values make the first
    step, the second values the second. A single value holds for all steps. Raises UsageError.
    """
    columns: dict[str, list[str]] = {}
    for word in split(text, " \t\n"):
        name, _, listed = word.partition("=")
        values = split(listed, ",")
        if not name or not values:
            raise UsageError(f"--vary takes section.key=value,value..., not '{word}': {EXAMPLE}")
        if name in columns:
            raise UsageError(f"--vary '{text}' names {name} twice; write its values in one list")
        columns[name] = values
    if not columns:
        raise UsageError(f"--vary is empty; write, for instance, {EXAMPLE}")
    length = max(map(len, columns.values()))
    if any(len(values) not in (1, length) for values in columns.values()):
        counts = ", ".join(f"{name} has {len(values)}" for name, values in columns.items())
        raise UsageError(
            f"--vary '{text}': settings that change together need the same number of values, or one"
            f" value, but {counts}"
        )
    whole = {name: values * (length // len(values)) for name, values in columns.items()}
    rows = zip(*whole.values(), strict=True)
    return Axis(text, tuple(tuple(map("=".join, zip(whole, row, strict=True))) for row in rows))


def split(text: str, separators: Collection[str]) -> list[str]:
    """Return the parts of a text between separators, without blank parts.

    Separators inside quotes or brackets do not count, so that a TOML list, table or quoted text is
    one value.
    """
    parts, quote, depth = [""], "", 0
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in QUOTES:
            quote = character
        else:
            depth += (character in OPENING) - (character in CLOSING)
            if character in separators and depth <= 0:
                parts.append("")
                continue
        parts[-1] += character
    return [part for part in map(str.strip, parts) if part]


def plan_variants(base: Recipe, axes: Sequence[Axis], *, grid: bool) -> list[Variant]:
    """Return the base, followed by its variants.

    grid: False for a variant for each step of each axis, True for each combination of steps. A
    variant that equals the base or an earlier variant is left out. Raises UsageError for a setting
    that is unknown or has a wrong value, for settings that contradict each other, and if there is
    no variant.
    """
    check_axes(axes, grid=grid)
    found = [Variant(base)]
    steps: Iterable[tuple[int | None, Iterable[str]]]  # the axis and the overrides of each variant
    if grid:
        combinations = product(*(axis.steps for axis in axes))
        steps = ((None, chain.from_iterable(combination)) for combination in combinations)
    else:
        steps = ((number, step) for number, axis in enumerate(axes) for step in axis.steps)
    for number, step in steps:
        recipe = with_settings(base, parse_overrides(step))
        if any(recipe == variant.recipe for variant in found):
            continue
        changes = tuple(
            Change(changed.name, format_value(changed.new), format_value(changed.old))
            for changed in recipe_differences(base, recipe)
        )
        variant = Variant(recipe, changes, number)
        try:
            check_together(recipe)
        except NmtError as error:
            raise UsageError(f"variant {variant.name}: {error}") from error
        found.append(variant)
    if axes and len(found) == 1:
        raise UsageError("nothing varies: every value given is the value of the base")
    return found


def check_axes(axes: Sequence[Axis], *, grid: bool) -> None:
    """Raise UsageError for a setting that cannot be varied, or one on two axes of a grid."""
    names = [name for axis in axes for name in axis.settings]
    for name, why in NOT_VARIED.items():
        if name in names:
            raise UsageError(f"--vary {name} is not possible: {why}")
    twice = [name for index, name in enumerate(names) if name in names[:index]]
    if grid and twice:
        raise UsageError(f"--grid combines the --vary options, but {twice[0]} is in two of them")


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """Return the recipe with a seed; raises UsageError for a seed out of range."""
    return with_settings(recipe, {"train.seed": seed})


def parse_numbers(text: str | None, option: str, kind: Callable[[str], Number]) -> list[Number]:
    """Return the numbers of an option, such as "1,2,3", none if it was not given.

    Raises UsageError for anything else.
    """
    if text is None:
        return []
    try:
        numbers = [kind(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"{option} takes numbers, as in 1,2,3, not '{text}'") from error
    if len({*numbers}) < len(numbers):
        raise UsageError(f"{option} {text} names a number twice")
    return numbers
