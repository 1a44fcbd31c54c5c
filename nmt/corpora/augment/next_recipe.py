"""Write a recipe that trains with the new pairs, too."""

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

from nmt.config import Recipe, TextFiles
from nmt.corpora.augment.held_out import HeldOut
from nmt.corpora.augment.material import Material
from nmt.errors import UsageError
from nmt.recipe.files import check_replaceable, find_recipe, read_recipe, shipped_recipes
from nmt.recipe.rules import check_together
from nmt.recipe.toml import toml_value
from nmt.runs.model_file import read_model
from nmt.runs.outputs import check_output
from nmt.system.log import Notify
from nmt.text.corpus import DataFolder, name_below
from nmt.text.opening import STDIN
from nmt.text.prepare import check_tags
from nmt.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class NextRecipe:
    """Hold a recipe to write."""

    path: Path
    text: str
    tag: str
    held_out: HeldOut  # of its dev and test sets


@dataclass(frozen=True)
class RecipeWish:
    """Name the recipe to extend, and the one to write."""

    base: str  # the name or the file of a recipe
    path: Path
    data_dir: Path
    tag: str | None = None  # None: that of the method


def next_recipe(
    wish: RecipeWish,
    material: Material,
    pairs: tuple[Path, Path],
    languages: tuple[str, str],
    command: str,
    notify: Notify,
) -> NextRecipe:
    """Return a recipe that extends another by a corpus.

    The pairs of a parallel text are in the corpus, which takes the place of that text.

    Args:
        wish: the recipes.
        material: what the corpus is made of.
        pairs: the files of the corpus.
        languages: those of the corpus.
        command: that writes the recipe.
        notify: receives what a user should know.

    Raises:
        UsageError: if the recipe cannot be written or is for other languages.
        NmtError: if the recipe cannot be read, or its initial model does not have the tag.
    """
    check_output(wish.path, [Path(wish.base)], "--write-recipe")
    check_replaceable(wish.path)
    if Path(wish.base) == STDIN:
        raise UsageError("the new recipe extends --recipe, so that must be a file, not stdin")
    base = read_recipe(wish.base)
    sets = (*base.data.dev, *base.data.test.values())
    set_files = [
        Path(wish.data_dir) / name for files in sets for name in (*files.names, *files.references)
    ]
    for path in pairs:
        check_output(path, set_files, "-o")
    own = base.data.source_language, base.data.target_language
    if own != languages:
        raise UsageError(
            f"recipe {base.name} trains a model {' to '.join(own)}, but the new pairs are"
            f" {' to '.join(languages)}; give models of the other direction, or another --recipe"
        )
    tag = material.method.tag if wish.tag is None else wish.tag
    names = [name_below(path, wish.data_dir) for path in pairs]
    added = TextFiles(names[0], names[1], tag=tag)
    train = [each for each in base.data.train if not is_text(each, base, wish, material)] + [added]
    recipe = replace(base, name=wish.path.stem, data=replace(base.data, train=tuple(train)))
    check_together(recipe)
    check_initial_model(recipe)
    lines = [
        f"# Recipe {base.name} with pairs of `nmt {command} {material.method.name}`.",
        f"extends = {toml_value(link(wish))}",
        "\n[data]\ntrain = [",
        *(f"    {toml_value(given_keys(each))}," for each in train),
        "]",
    ]
    held_out = HeldOut.of(base, DataFolder(wish.data_dir), notify)
    return NextRecipe(wish.path, "\n".join(lines) + "\n", tag, held_out)


def is_text(files: TextFiles, recipe: Recipe, wish: RecipeWish, material: Material) -> bool:
    """Return whether a training corpus is the parallel text that new pairs are made of."""
    if material.method.side is not None or len(files.names) != len(material.paths):
        return False
    paths = [DataFolder(wish.data_dir).find(name, recipe) for name in files.names]
    return [*map(os.path.realpath, paths)] == [*map(os.path.realpath, material.paths)]


def check_initial_model(recipe: Recipe) -> None:
    """Raise NmtError if the model that a recipe starts from lacks a tag of its corpora."""
    if recipe.train.init_from and recipe.data.tags:
        content = read_model(Path(recipe.train.init_from))
        check_tags(recipe, Tokenizer(content.tokenizer, "the tokenizer of the initial model"))


def link(wish: RecipeWish) -> str:
    """Return the name by which the new recipe extends the other."""
    path = find_recipe(wish.base)
    if wish.base in shipped_recipes() and not Path(wish.base).exists():
        return wish.base
    if path.is_absolute():
        return path.as_posix()
    folder = os.path.realpath(wish.path.parent)  # `..` goes up from where a link leads
    base = os.path.realpath(path.parent)
    return (Path(os.path.relpath(base, folder)) / path.name).as_posix()


def given_keys(files: TextFiles) -> dict[str, object]:
    """Return the keys of a corpus that are not their defaults."""
    values = {each.name: getattr(files, each.name) for each in fields(files)}
    defaults = {each.name: each.metadata["default"] for each in fields(files)}
    return {name: value for name, value in values.items() if value != defaults[name]}
