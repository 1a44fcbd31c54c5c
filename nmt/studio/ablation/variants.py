"""A base recipe and what is set beside it: every variant resolved before any is trained."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product

from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.recipe import check_together, override, recipe_differences, with_settings
from nmt.studio.ablation.axes import Axis
from nmt.studio.inspection.deviations import shown

BASE = "base"
LONGEST_NAME = 120  # characters of a folder's name
NOT_VARIED = {
    "train.seed": "--seeds names seeds",
    "data.metric": "a table compares by one measure",
}


@dataclass(frozen=True)
class Change:
    """A setting that a variant has otherwise than the base."""

    setting: str
    value: str
    base: str

    def __str__(self) -> str:
        return f"{self.setting}={self.value}"


@dataclass(frozen=True)
class Variant:
    """The base, with no change, or one beside it."""

    recipe: Recipe
    changes: tuple[Change, ...] = ()
    axis: int | None = None  # whose step it is, counted from 0; none of the base, or of a grid

    @property
    def name(self) -> str:
        """Its changes, as `--vary` takes them."""
        return " ".join(map(str, self.changes)) or BASE

    @property
    def folder(self) -> str:
        """The changes as one folder's name, which tells them from all others."""
        plain = ",".join(map(str, self.changes)) or BASE
        name = re.sub(r"[^\w.=,+-]", "-", plain)
        if name == plain and len(name) <= LONGEST_NAME:
            return name
        digest = hashlib.sha256(plain.encode()).hexdigest()
        return f"{name[:LONGEST_NAME]}-{digest[:8]}"


def plan_variants(base: Recipe, axes: Sequence[Axis], *, grid: bool) -> list[Variant]:
    """The base, then each step of each axis by itself; of a grid, each combination of steps.

    What equals the base, or one before it, is no variant of its own. Raises UsageError for settings
    that are unknown, or wrong by themselves or together.
    """
    check_axes(axes, grid=grid)
    found = [Variant(base)]
    for number, step in steps(axes, grid=grid):
        recipe = override(base, step)
        if any(recipe == each.recipe for each in found):
            continue
        variant = Variant(recipe, changes(base, recipe), number)
        try:
            check_together(recipe)
        except NmtError as error:
            raise UsageError(f"variant {variant.name}: {error}") from error
        found.append(variant)
    if axes and len(found) == 1:
        raise UsageError("nothing varies: every value named is the base's own")
    return found


def check_axes(axes: Sequence[Axis], *, grid: bool) -> None:
    """Refuse settings that are no matter for `--vary`, or of two axes of a grid."""
    names = [name for axis in axes for name in axis.settings]
    for name, why in NOT_VARIED.items():
        if name in names:
            raise UsageError(f"--vary {name} is not possible: {why}")
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if grid and twice:
        raise UsageError(f"--grid crosses settings, but {twice[0]} stands in two of them")


def steps(axes: Sequence[Axis], *, grid: bool) -> Iterator[tuple[int | None, list[str]]]:
    """What each variant changes, with the axis that it is a step of."""
    if grid:
        for combination in product(*(axis.steps for axis in axes)):
            yield None, [*chain.from_iterable(combination)]
        return
    for number, axis in enumerate(axes):
        for step in axis.steps:
            yield number, [*step]


def changes(base: Recipe, recipe: Recipe) -> tuple[Change, ...]:
    """What sets a recipe apart from the base, in the order of the settings."""
    return tuple(
        Change(each.name, shown(each.new), shown(each.old))
        for each in recipe_differences(base, recipe)
    )


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The recipe that begins from a seed; raises UsageError for one out of range."""
    return with_settings(recipe, {"train.seed": seed})


def parse_seeds(text: str) -> list[int]:
    """`1,2,3`; raises UsageError."""
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--seeds takes whole numbers, as in 1,2,3, not '{text}'") from error
    if len({*seeds}) < len(seeds):
        raise UsageError(f"--seeds {text} names a seed twice")
    return seeds
