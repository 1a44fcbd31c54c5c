"""Find the runs in a folder, and the model that is used if none is named."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.recipe.files import read_recipe, shipped_recipes
from nmt.recipe.rules import check_together
from nmt.recipe.settings import with_settings
from nmt.runs.outputs import check_run_folder
from nmt.runs.run_folder import RUNS, SHIPPED_MODEL, RunFolder, is_folder, no_run, run_folder
from nmt.system.files import entries, is_present

# What the shipped model is for, where it comes from, and its BLEU on the test sets of its recipe.
ABOUT = (
    "short everyday sentences, English to German (BLEU 45.1) and back (BLEU 53.0), learned from"
    " Tatoeba (CC BY 2.0)"
)


@dataclass(frozen=True)
class ChosenModel:
    """A model that was found, and why it was chosen."""

    path: Path
    reason: str  # a phrase such as "the newest finished of 3 runs"; "" if there was no choice


def possible_runs(runs: Path) -> Iterator[RunFolder]:
    """Yield the folders that may be runs, at two depths: a recipe's name may hold a folder.

    Raises NmtError if a folder cannot be read.
    """
    for path in folders_in(runs):
        yield RunFolder(path)
        if not is_present(RunFolder(path).recipe):
            yield from map(RunFolder, folders_in(path))


def folders_in(path: Path) -> list[Path]:
    """Return the folders in a folder, sorted; none if it does not exist."""
    return [entry for entry in entries(path) if is_folder(entry)]


def find_newest_model(runs: Path = RUNS) -> ChosenModel | None:
    """Return the newest model of a finished training under `runs`, else the newest model, if any.

    Raises NmtError if a folder cannot be read.
    """
    found = []
    try:
        for run in possible_runs(runs):
            if is_present(run.model) or is_present(run.best):
                model = run.translation_model()  # the average, which ends a training, or the best
                found.append((model == run.model, model.stat().st_mtime_ns, model))
    except NmtError as error:
        raise NmtError(f"{error}; name a model (--model)") from error
    if not found:
        return None
    is_finished, _, path = max(found, key=lambda model: model[:2])
    if len(found) == 1:
        return ChosenModel(path, "")
    reason = f"the newest{' finished' * is_finished} of {len(found)} runs"
    return ChosenModel(path, reason if is_finished else f"{reason}, none of them finished")


def choose_model(runs: Path = RUNS) -> ChosenModel:
    """Return what `find_newest_model` finds, or else the shipped model."""
    reason = f"shipped, because {runs}/ has no trained model: {ABOUT}"
    return find_newest_model(runs) or ChosenModel(SHIPPED_MODEL, reason)


def newest_run(runs: Path = RUNS) -> RunFolder:
    """Return the run under `runs` that wrote metrics last; raises NmtError if there is none."""
    started = [run for run in possible_runs(runs) if is_present(run.metrics)]
    if not started:
        raise NmtError(f"no run under {runs}/; run `nmt train` first, or name a run folder")
    return max(started, key=lambda run: run.metrics.stat().st_mtime_ns)


def find_recipe_and_run(
    name: str | Path, run: Path | None, settings: Mapping[str, Any]
) -> tuple[Recipe, RunFolder]:
    """Return the recipe that a name stands for, with some settings changed, and its run folder.

    name: a shipped recipe, a recipe file, or a run folder, whose recipe is that of its training; of
    a recipe and a folder with the same name, the recipe. run: the run folder, `runs/RECIPE` by
    default. Errors are those of `read_recipe`, and UsageError if `run` is not the run folder that
    `name` stands for, or if the folder holds other files.
    """
    path = Path(name)
    if path.suffix == ".safetensors":
        raise UsageError(
            f"{path} is a model, not a recipe; name the run folder to resume its training, or a"
            " recipe and the model to start from (--init-from)"
        )
    if path.parts[:1] == RUNS.parts and not path.suffix and not is_present(path):
        raise UsageError(no_run(path))
    if not str(name) or str(name) in shipped_recipes() or not is_folder(path):
        recipe = read_recipe(name, settings)
        folder = run_folder(recipe, run)
        check_run_folder(folder.path)
        return recipe, folder
    if run is not None and os.path.realpath(run) != os.path.realpath(path):
        raise UsageError(
            f"{path} is a run folder but another is given, {run} (--run); name a recipe to train it"
            " in another folder"
        )
    resumed = RunFolder(path)
    recipe = with_settings(resumed.load_recipe(), settings)
    check_together(recipe)
    check_run_folder(path)
    return recipe, resumed


def check_named_once(models: Mapping[str, Sequence[Path]]) -> None:
    """Raise UsageError if an option names a model twice; models: by the option."""
    for option, paths in models.items():
        resolved = [*map(os.path.realpath, paths)]
        for index, path in enumerate(paths):
            if resolved[index] in resolved[:index]:
                raise UsageError(f"{option} {path} is named twice; name each model once")


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of paths, with as many parent folders as make different paths differ."""
    parts = [Path(os.path.realpath(path)).parts for path in paths]
    names: list[str] = []
    for length in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(set(parts)):
            break
    return names
