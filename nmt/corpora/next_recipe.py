"""Write a recipe that extends another by a corpus."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from nmt.config import Recipe, TextFiles
from nmt.corpora.held_out import read_held_out
from nmt.errors import UsageError
from nmt.recipe.files import check_replaceable, find_recipe, name_from, read_recipe, shipped_recipes
from nmt.recipe.rules import check_together
from nmt.recipe.toml import toml_value
from nmt.runs.model_file import read_model
from nmt.runs.outputs import check_output
from nmt.system.log import Notify
from nmt.text.corpus import DataFolder, name_below
from nmt.text.lines import STDIN
from nmt.text.prepare import find_openings
from nmt.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class RecipeWish:
    """Name the recipe to extend, and the one to write."""

    base: str  # the name or the file of a recipe
    path: Path
    data: DataFolder
    tag: str  # of the new corpus; "": none


def next_recipe(
    wish: RecipeWish,
    pairs: tuple[Path, Path],
    languages: tuple[str, str],
    given: Sequence[Path],
    writer: str,
    notify: Notify,
) -> tuple[str, frozenset[int]]:
    """Return the text of a recipe that extends another by a corpus, and its dev and test sets.

    Args:
        wish: the recipes.
        pairs: the files of the corpus.
        languages: those of the corpus.
        given: a text that is part of the corpus, which takes its place; empty: none.
        writer: the command that writes the recipe.
        notify: receives what a user should know.

    Raises:
        UsageError: if the recipe cannot be written or is for other languages.
        NmtError: if the recipe cannot be read, or its initial model does not have the tag.
    """
    data_dir = wish.data.path
    check_output(wish.path, [Path(wish.base)], "--write-recipe")
    check_replaceable(wish.path)
    if Path(wish.base) == STDIN:
        raise UsageError("the new recipe extends --recipe, so that must be a file, not stdin")
    base = read_recipe(wish.base)
    sets = (*base.data.dev, *base.data.test.values())
    set_files = [data_dir / name for files in sets for name in (*files.names, *files.references)]
    for path in pairs:
        check_output(path, set_files, "-o")
    own = base.data.known_directions
    if languages not in own:
        raise UsageError(
            f"recipe {base.name} trains a model {', '.join(map(' to '.join, own))}, but the new"
            f" pairs are {' to '.join(languages)}; give models of the other direction, or another"
            " --recipe"
        )
    source, target = (name_below(path, data_dir) for path in pairs)
    train = [files for files in base.data.train if not is_given(files, given, wish.data, base)]
    codes = languages if len(own) > 1 else ("", "")
    train.append(
        TextFiles(source, target, source_language=codes[0], target_language=codes[1], tag=wish.tag)
    )
    recipe = replace(base, name=wish.path.stem, data=replace(base.data, train=tuple(train)))
    check_together(recipe)
    if recipe.train.init_from and recipe.data.tags:
        start = read_model(Path(recipe.train.init_from))
        find_openings(recipe, Tokenizer(start.tokenizer, "the tokenizer of the initial model"))
    entries = "".join(f"    {toml_value(changed_keys(files))},\n" for files in train)
    text = f"# Recipe {base.name} with pairs of `{writer}`.\nextends = {toml_value(link(wish))}\n"
    return f"{text}\n[data]\ntrain = [\n{entries}]\n", read_held_out(base, wish.data, notify)


def is_given(files: TextFiles, given: Sequence[Path], folder: DataFolder, recipe: Recipe) -> bool:
    """Return whether a corpus of a recipe is a given text."""
    if len(files.names) != len(given):
        return False
    paths = [folder.find(name, recipe) for name in files.names]
    return [*map(os.path.realpath, paths)] == [*map(os.path.realpath, given)]


def link(wish: RecipeWish) -> str:
    """Return the name by which the new recipe extends the other."""
    if wish.base in shipped_recipes() and not Path(wish.base).exists():
        return wish.base
    return name_from(find_recipe(wish.base), wish.path.parent)


def changed_keys(files: TextFiles) -> dict[str, object]:
    """Return the keys of a corpus that are not their defaults."""
    values = {key: (getattr(files, key.name), key.metadata["default"]) for key in fields(files)}
    return {key.name: value for key, (value, default) in values.items() if value != default}
