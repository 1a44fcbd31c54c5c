"""Find recipe files, read them with the recipes they extend, and write them."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.recipe.rules import check_recipe, check_together
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.recipe.tables import recipe_from_tables, suggestion
from nmt.recipe.toml import parse_toml, to_toml
from nmt.system.atomic import write_text
from nmt.system.resources import shipped

DEFAULT_RECIPE = "pocket"
NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


def shipped_recipes() -> list[str]:
    """Return the names of the shipped recipes; one in a folder is named `folder/recipe`."""
    return sorted(recipe_name(path) for path in shipped("recipes").rglob("*.toml"))


def recipe_name(path: Path) -> str:
    """Return the name that a recipe has by its file, unless the recipe itself sets one."""
    with suppress(ValueError):
        return path.resolve().relative_to(shipped("recipes").resolve()).with_suffix("").as_posix()
    return path.stem


def load_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """Return a recipe with `section.key=value` texts applied; otherwise like `read_recipe`."""
    return read_recipe(name, parse_overrides(overrides))


def read_recipe(name: str | Path, settings: Mapping[str, Any] = NO_SETTINGS) -> Recipe:
    """Return the recipe with a shipped name or in a file, with some settings changed.

    settings: values by name, such as `{"train.max_updates": 500}`. Raises NmtError for a bad file
    or settings that contradict each other, UsageError for an unknown recipe, an unknown setting or
    a bad value.
    """
    path = find_recipe(str(name))
    recipe = recipe_from_tables(read_tables(path), recipe_name(path), str(path))
    recipe = with_settings(recipe, settings)
    check_together(recipe)
    return recipe


def write_recipe(recipe: Recipe, path: str | Path) -> None:
    """Write a recipe as TOML with every setting in it.

    The file appears whole or not at all. Raises NmtError if it cannot be written or if settings
    contradict each other, UsageError for a value out of range.
    """
    check_recipe(recipe)
    write_text(Path(path), to_toml(recipe))


def find_recipe(name: str, folder: Path = Path()) -> Path:
    """Return the file of a recipe.

    name: a path relative to `folder`, or a shipped name. Raises UsageError if it is neither.
    """
    path = folder / name
    if path.suffix == ".toml" or path.is_file():
        return path
    known = shipped_recipes()
    if name not in known:
        raise UsageError(f"no recipe '{name}'{suggestion(name, known)}")
    return shipped("recipes") / f"{name}.toml"


def read_tables(path: Path, extending: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return a recipe file's tables merged over those of the recipe that it extends.

    The key `extends` names a shipped recipe, or a file relative to the recipe's own folder.
    extending: the files that led to this one. Raises NmtError for a bad file or a circle.
    """
    tables = parse_toml(read_text(path), str(path))
    base = tables.pop("extends", None)
    if base is None:
        return tables
    if not isinstance(base, str) or not base:
        raise NmtError(f"{path}: extends is {base!r} but must name a recipe")
    chain = (*extending, path.resolve())
    try:
        found = find_recipe(base, path.parent)
    except UsageError as error:
        raise NmtError(f"{path} extends {base}: {error}") from error
    if found.resolve() in chain:
        raise NmtError(
            f"{path} extends {base}, which extends it in turn; remove one of these `extends` lines"
        )
    merged = read_tables(found, chain)
    merged.pop("name", None)
    for section, values in tables.items():
        old = merged.get(section, {})
        both = isinstance(old, dict) and isinstance(values, dict)
        merged[section] = {**old, **values} if both else values
    return merged


def read_text(path: Path) -> str:
    """Return the text of a recipe file; raises NmtError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise NmtError(f"cannot read the recipe {path}: {reason}") from error
