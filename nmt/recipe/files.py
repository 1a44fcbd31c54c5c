"""Find recipe files, read them with the recipes or models they extend, and write them."""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nmt.config import Recipe
from nmt.errors import NmtError, UsageError, shown, suggestion
from nmt.recipe.rules import check_files, check_recipe, check_together
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.recipe.toml import LARGEST_TEXT, parse_toml, recipe_from_tables, to_toml, without_removed
from nmt.system import files
from nmt.system.atomic import write_text
from nmt.system.files import check_regular, is_present, reading, shipped

Chain = list[tuple[Path, dict[str, Any]]]  # files of which each extends the next, and their tables

DEFAULT_RECIPE = "pocket"
LONGEST_CHAIN = 20  # recipes of which each extends the next
STDIN = Path("/dev/stdin")
ENDING = ".safetensors"  # of a model file
LENGTH_BYTES = 8  # the length of a model file's header, before it
LONGEST_HEADER = 100_000_000  # bytes, by the format


def shipped_recipes() -> list[str]:
    """Return the names of the shipped recipes; one in a folder is named `folder/recipe`."""
    return sorted(recipe_name(path) for path in shipped("recipes").rglob("*.toml"))


def recipe_name(path: Path) -> str:
    """Return the name that a recipe has by its file, unless the recipe itself sets one."""
    with suppress(ValueError):
        relative = Path(os.path.realpath(path)).relative_to(os.path.realpath(shipped("recipes")))
        return relative.with_suffix("").as_posix()
    return path.stem


def load_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """Return a recipe with `section.key=value` texts applied; otherwise like `read_recipe`."""
    return read_recipe(name, parse_overrides(overrides))


def read_recipe(name: str | Path, settings: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe with a shipped name or in a file, with some settings changed.

    settings: values by name, such as `{"train.max_updates": 500}`. Raises NmtError for a bad file
    or settings that contradict each other, UsageError for an unknown recipe, an unknown setting or
    a bad value, TypeError for a name that is neither a str nor a Path.
    """
    check_name(name)
    path = find_recipe(str(name))
    recipe = merge_chain(read_chain(path))
    if settings is not None:
        recipe = with_settings(recipe, settings)
    check_files(recipe)
    check_together(recipe)
    return recipe


def parse_recipe(text: str, name: str, origin: str, *, will_train: bool = False) -> Recipe:
    """Return the recipe of a TOML text that extends no other, that of a model or a run.

    name: the recipe's name if the text has none. origin: names the text in errors. will_train:
    whether a training uses the recipe; values of removed settings are then errors, otherwise they
    are ignored. Raises NmtError for invalid TOML, an unknown key, a bad value or settings that
    contradict each other.
    """
    tables = parse_toml(text, origin)
    recipe = recipe_from_tables(tables if will_train else without_removed(tables), name, origin)
    try:
        check_together(recipe)
    except NmtError as error:
        raise NmtError(f"{origin}: {error}") from error
    return recipe


def write_recipe(recipe: Recipe, path: str | Path) -> None:
    """Write a recipe as TOML with every setting in it.

    The file appears whole or not at all. It replaces nothing but an empty file or another recipe.
    Raises NmtError if it cannot be written or if settings contradict each other, UsageError for a
    value out of range or a file of another kind, TypeError for an argument of a wrong type.
    """
    if not isinstance(recipe, Recipe):
        raise TypeError(f"write_recipe takes a Recipe, such as read_recipe's, not {shown(recipe)}")
    check_name(path)
    check_recipe(recipe)
    check_replaceable(Path(path))
    write_text(Path(path), to_toml(recipe))


def check_name(name: object) -> None:
    """Raise TypeError unless the name or the path of a recipe is a str or a Path."""
    if not isinstance(name, str | Path):
        raise TypeError(f"a recipe is named by a str or a Path, not {shown(name)}")


def check_replaceable(path: Path) -> None:
    """Raise UsageError unless a recipe may be written to a path: no file of another kind is lost.

    A file is a recipe if its TOML has only the keys and the types of a recipe.
    """
    if path.suffix != ".toml":
        raise UsageError(f"{shown(str(path))} must end in .toml, because it is a recipe")
    if not is_present(path) or not path.is_file() or not path.stat().st_size:
        return
    try:
        tables = parse_toml(read_text(path), str(path))
        tables.pop("extends", None)
        recipe_from_tables(tables, path.stem, str(path))
    except NmtError as error:
        raise UsageError(
            f"{path} is not a recipe, and is not replaced; name another file, or move it away"
        ) from error


def find_recipe(name: str, folder: Path = Path()) -> Path:
    """Return the file of a recipe.

    name: a path relative to `folder`, "-" for stdin, or a shipped name. Raises UsageError if it is
    none of them.
    """
    if "\0" in name:
        raise UsageError(f"no recipe {shown(name)}: no name holds a null character")
    path = STDIN if name == "-" else folder / name
    if path.suffix in (".toml", ENDING) or is_source(path):
        return path
    known = shipped_recipes()
    if name in known:
        return shipped("recipes") / f"{name}.toml"
    if is_source(path / "recipe.toml"):
        raise UsageError(f"{path} is a run folder; its recipe is {path / 'recipe.toml'}")
    if path.suffix:
        file = path if name.isprintable() else shown(str(path))
        raise UsageError(f"the file {file} does not exist")
    raise UsageError(f"no recipe {shown(name)}{suggestion(name, known)}")


def is_source(path: Path) -> bool:
    """Return whether there is a file, a pipe or a device at a path."""
    return os.path.exists(path) and not os.path.isdir(path)


def merge_chain(chain: Chain) -> Recipe:
    """Return the recipe of a chain; raises NmtError that names the file of a bad setting."""
    merged: dict[str, Any] = {}
    for _, tables in reversed(chain):
        merged.pop("name", None)
        for section, values in tables.items():
            old = merged.get(section, {})
            both = isinstance(old, dict) and isinstance(values, dict)
            merged[section] = {**old, **values} if both else values
    path = chain[0][0]
    try:
        return recipe_from_tables(merged, recipe_name(path), str(path))
    except NmtError:
        for base, tables in chain[1:]:
            recipe_from_tables(tables, "base", str(base))
        raise


def read_chain(path: Path) -> Chain:
    """Return a recipe file and its tables, followed by those of the recipes that it extends.

    The key `extends` names a shipped recipe, or a file relative to the recipe's own folder: a
    recipe, or a model file, which holds one. Raises NmtError for a bad file, a circle or too long a
    chain; UsageError if `path` is not TOML and has another ending, because it is probably text.
    """
    chain: Chain = []
    found: Path | None = path
    while found is not None:
        path = found
        try:
            if chain and path.suffix == ENDING:
                tables = without_removed(model_tables(path))
            else:
                tables = parse_toml(read_text(path), str(path))
        except NmtError as error:
            if chain or path.suffix == ".toml" or isinstance(error.__cause__, OSError):
                raise
            raise UsageError(
                f"{error}; the argument must be a recipe, and `nmt init SOURCE TARGET` writes one"
                " for two text files, `nmt init FILE` for one with both sides (.tsv, .tmx, .xlf,"
                " .xliff, .po); `nmt train` with these files writes such a recipe and trains"
            ) from error
        base = tables.pop("extends", None)
        chain.append((path, tables))
        found = extended_recipe(base, chain)
    return chain


def extended_recipe(base: Any, chain: Chain) -> Path | None:
    """Return the file of the recipe that the last one of a chain extends; None if it extends none.

    base: the value of `extends`. Raises NmtError if there is no such recipe, or if it is one of the
    chain, or if the chain is too long.
    """
    path = chain[-1][0]
    if base is None:
        return None
    if not isinstance(base, str) or not base:
        raise NmtError(f"{path}: extends is {shown(base)} but must name a recipe")
    try:
        found = find_recipe(base, path.parent)
    except UsageError as error:
        raise NmtError(f"{path} extends {shown(base)}: {error}") from error
    try:
        found.lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NmtError(
            f"{path} extends {shown(base)}, but {found} does not exist; correct `extends`"
        ) from error
    except OSError:
        pass  # reading it says why
    # Unlike Path.resolve, realpath raises no error for a link that leads to itself.
    if os.path.realpath(found) in {os.path.realpath(file) for file, _ in chain}:
        raise NmtError(
            f"{path} extends {shown(base)}, which extends it in turn; remove one of these `extends`"
            " lines"
        )
    if len(chain) >= LONGEST_CHAIN:
        raise NmtError(
            f"{path} extends {shown(base)}, but recipes may extend each other at most"
            f" {LONGEST_CHAIN} deep; merge some of them"
        )
    return found


def name_from(path: Path, folder: Path) -> str:
    """Return the name by which a recipe in a folder extends the recipe or the model at a path."""
    if path.is_absolute():
        return path.as_posix()
    # `..` goes up from where a link leads.
    base = os.path.relpath(os.path.realpath(path.parent), os.path.realpath(folder))
    return (Path(base) / path.name).as_posix()


def read_text(path: Path) -> str:
    """Return the text of a recipe file; raises NmtError if it cannot be read."""
    return files.read_text(path, "the recipe", most=LARGEST_TEXT)


def model_tables(path: Path) -> dict[str, Any]:
    """Return the tables of the recipe inside a model file.

    They lack `train.init_from`: whoever extends the recipe starts from this model, not from the one
    that this model started from. Raises NmtError if the file is not a model of this program.
    """
    recipe = read_metadata(path).get("recipe")
    if not isinstance(recipe, str):
        raise NmtError(
            f"{path} is not a model of this program, because it holds no recipe; `nmt import` makes"
            " one of an OPUS-MT model"
        )
    tables = parse_toml(recipe, f"the recipe inside {path}")
    if "extends" in tables:  # the file may come from another machine: it names no file of this one
        raise NmtError(f"the recipe inside {path} extends another, which it must not")
    train = tables.get("train")
    if isinstance(train, dict):
        train.pop("init_from", None)
    return tables


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata in the header of a .safetensors file, without its tensors.

    The header is read here, because settings are read without the package safetensors. Raises
    NmtError if the file cannot be read or is damaged.
    """
    check_regular(path, "the model")
    with reading("the model", path), path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        content = stream.read(length) if length <= LONGEST_HEADER else b""
    try:
        header = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NmtError(f"{path} is not an intact model file; name one that nmt wrote") from error
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return metadata if isinstance(metadata, dict) else {}
