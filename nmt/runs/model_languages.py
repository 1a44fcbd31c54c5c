"""Correct the language pair of a run's models, which no weight depends on."""

from dataclasses import replace
from pathlib import Path

from nmt.config import Recipe
from nmt.recipe import to_toml
from nmt.runs.model_file import write_metadata
from nmt.runs.model_header import open_model
from nmt.runs.run_folder import RunFolder
from nmt.system.files import is_present
from nmt.system.log import Notify


def correct_languages(run: RunFolder, recipe: Recipe, notify: Notify) -> None:
    """Write a recipe's language pair into the models of a run whose recipe.toml has another.

    Call this before the recipe is saved, so that an interruption leaves it to be done again.
    """
    if not is_present(run.recipe) or languages(run.load_recipe()) == languages(recipe):
        return
    for path in filter(is_present, (run.model, run.best)):
        correct_model(path, recipe, notify)


def correct_model(path: Path, recipe: Recipe, notify: Notify) -> None:
    """Write a recipe's language pair into a model file, if it has another.

    Raises NmtError if the file is damaged or cannot be written.
    """
    with open_model(path, "np") as model:
        stored = model.header.recipe
    if languages(stored) != languages(recipe):
        write_languages(path, stored, *languages(recipe))
        notify(f"{path}: languages {pair(stored)} corrected to {pair(recipe)}")


def languages(recipe: Recipe) -> tuple[str, str]:
    """Return the source and the target language of a recipe."""
    return recipe.data.source_language, recipe.data.target_language


def pair(recipe: Recipe) -> str:
    """Return the languages of a recipe as a text such as "en-de"."""
    return "-".join(languages(recipe))


def write_languages(path: Path, recipe: Recipe, source: str, target: str) -> None:
    """Replace the languages in the recipe of a model file; recipe: the one in the file."""
    data = replace(recipe.data, source_language=source, target_language=target)
    write_metadata(path, "recipe", to_toml(replace(recipe, data=data)))
