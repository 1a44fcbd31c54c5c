"""`nmt train`: train a model on parallel text."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from inspect import unwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.commands import options
from nmt.commands.completion import complete_recipe_or_run
from nmt.commands.init import (
    both_directions,
    given_texts,
    languages,
    print_next,
    with_languages,
)
from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.recipe.files import DEFAULT_RECIPE
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.runs.run_folder import RunFolder, run_folder
from nmt.runs.runs import choose_model, find_recipe_and_run
from nmt.system.arguments import argument
from nmt.system.devices import choose_device
from nmt.system.files import is_present
from nmt.system.log import note
from nmt.text.reading.languages import is_text

if TYPE_CHECKING:
    from nmt.training.files.progress import TrainingOutcome

# Points of the dev score by which the best model beats the average, too many to be by chance.
LARGE_GAIN = 2.0


@click.command("train")
@click.argument(
    "names",
    nargs=-1,
    metavar="[RECIPE | RUN | SOURCE TARGET ...]",
    shell_complete=complete_recipe_or_run,
)
@options.run
@options.run_data_dir
@options.device
@options.number("--seed", int, "Seed of initial weights, batch order and dropout.")
@options.max_updates
@click.option(
    "--init-from", metavar="MODEL", help="Model to start from: a run folder or a .safetensors file."
)
@options.set_any
@languages
@both_directions
def command(
    names: tuple[str, ...],
    run: Path | None,
    data_dir: Path | None,
    device: str,
    seed: int | None,
    max_updates: int | None,
    init_from: str | None,
    overrides: tuple[str, ...],
    source_language: str | None,
    target_language: str | None,
    both_directions: bool,
) -> None:
    """Train a model by RECIPE or on SOURCE and TARGET, or resume RUN.

    RECIPE is the name of a shipped recipe or the path of a TOML file; the default is "pocket",
    whose corpus is included. The command prepares the corpus first. The run folder receives the
    checkpoints, the best model (best.safetensors), the final model (model.safetensors, the average
    of the last checkpoints or a moving average), the metrics and a report.

    SOURCE and TARGET are two aligned files. One file with both may be a table (.tsv), a translation
    memory (.tmx), .xlf, .xliff or .po. First, the text is checked as by `nmt check`; an error ends
    the command. Then dev and test sets are held out and a recipe is written, as by `nmt init`. For
    corpus.en and corpus.de, the recipe is corpus_en_de.toml in the current folder, and the sets are
    in corpus_en_de in the data folder. Then the training starts. Several corpora, in any
    languages, make one model: SOURCE TARGET SOURCE TARGET and so on. Then --target-language de,fr
    has a code for each.

    If the training was stopped, the same command resumes it. `nmt train RUN`, where RUN is the run
    folder, also resumes it. No other option is needed, because the run folder holds the settings
    and the path of the data folder. With torchrun, several processes train one model together.

    \b
    Examples:
      nmt train
      nmt train corpus.en corpus.de
      nmt train memory.tmx
      nmt train a.en a.de b.en b.fr --both-directions
      nmt train multi30k_en_de --data-dir corpora
      nmt train my.toml --max-updates 2000 --set model.dropout=0.3
      nmt train mine.toml --init-from runs/wmt14_en_de_base/model.safetensors
      torchrun --nproc-per-node 8 -- cli.py train wmt14_en_de_base
    """
    paths = find_files(names)
    given = [*overrides, *options.flags_as_overrides("train", seed=seed, max_updates=max_updates)]
    if not paths:
        name = names[0] if names else DEFAULT_RECIPE
        if source_language or target_language or both_directions:
            raise UsageError(
                "--source-language, --target-language and --both-directions are for SOURCE and"
                " TARGET; a recipe has its own languages, which --set data.source_language=CODE"
                " corrects"
            )
        given += options.flags_as_overrides("train", init_from=init_from)
    else:
        from nmt.corpora.new_recipe import RecipeRequest, make_recipe
        from nmt.corpora.presets import read_start_model
        from nmt.corpora.train_files import needs_recipe, recipe_path

        texts = given_texts(paths, source_language, target_language)
        for text in texts:
            text.check_files()
        start = read_start_model(Path(init_from)) if init_from else None
        texts = with_languages(texts, start)
        path = recipe_path(texts, both_directions=both_directions)
        name = str(path)
        data_dir = run_folder(Recipe(path.stem), run).data_dir(data_dir)
        request = RecipeRequest(
            *(texts, path, data_dir),
            has_gpu=choose_device(device).startswith("cuda"),
            start=start,
            command="nmt train",
            both_directions=both_directions,
        )
        recipe = with_settings(Recipe(request.name), parse_overrides(given))
        if needs_recipe(request, run_folder(recipe, run), note):
            make_recipe(request, note)
    resolved, folder = find_recipe_and_run(name, run, parse_overrides(given))

    from nmt.api import train

    # Errors name options here; the function's own name arguments.
    outcome: TrainingOutcome = unwrap(train)(
        resolved,
        run=folder.path,
        data_dir=data_dir,
        device=device,
        on_end=lambda outcome: print_outcome(outcome, resolved, folder),
    )
    if outcome.stopped_by is not None:
        sys.exit(128 + outcome.stopped_by)
    if paths:
        print_next(folder, resolved.data.directions)


def find_files(names: Sequence[str]) -> list[Path]:
    """Return the files of text that the arguments name; none if they name a recipe or a run.

    Raises UsageError for several names that are not files, or one of which is a recipe.
    """
    paths = [Path(name) for name in names]
    are_files = any(path.suffix or is_present(path) for path in paths)
    if len(paths) > 1 and not are_files:
        raise UsageError(
            f"train takes one recipe, or the files SOURCE and TARGET, but {len(names)} names were"
            f" given, and there are no files {names[0]} and {names[1]}"
        )
    recipes = [str(path) for path in paths if path.suffix == ".toml"]
    if len(paths) > 1 and recipes:
        raise UsageError(
            f"{recipes[0]} is a recipe by its name, which is given alone; SOURCE and TARGET are two"
            " texts"
        )
    if len(paths) > 1 or (paths and is_text(paths[0])):
        return paths
    return []


def print_outcome(outcome: "TrainingOutcome", recipe: Recipe, run: RunFolder) -> None:
    """Print on stderr how a training ended, where its models are and which one is used."""
    if outcome.stopped_by is not None:
        note(outcome.resuming)
        return
    if outcome.averaged_score is not None:
        score = f"dev {outcome.measure} {outcome.averaged_score:.2f}"
        note(f"model: {run.model}, {score}; `{translate_command(run)}` uses it")
    elif outcome.checkpoint is not None:
        note(
            f"{run.path} is done at update {outcome.updates:,}; {how_to_continue(outcome, recipe)}"
        )
    else:
        note(
            f"{run.path} is done at update {outcome.updates:,}; its checkpoints are missing, so"
            " it cannot continue; start a new run from its model with --init-from"
            f" {argument(run.model)} --run NEW"
        )
    from nmt.studio.diagnosis.training import NOTABLE_GAIN

    if outcome.best_score is not None and is_present(run.best):
        best = f"dev {outcome.measure} {outcome.best_score:.2f} at update {outcome.best_update:,}"
        better = ""
        gain = best_gain(outcome, recipe)
        is_late = 2 * outcome.best_update > outcome.updates
        if gain >= LARGE_GAIN and is_late and recipe.train.averaged > 1:
            better = (
                "; its dev score is much better than that of the average, which includes early"
                f" checkpoints; train longer, or use the best: --model {argument(run.best)}"
            )
        elif gain >= NOTABLE_GAIN:
            better = (
                "; its dev score is better than that of the final model, maybe by chance; to use"
                f" it, give --model {argument(run.best)}"
            )
        note(f"best: {run.best}, {best}{better}")


def how_to_continue(outcome: "TrainingOutcome", recipe: Recipe) -> str:
    """Return which setting to raise so that a finished training goes on."""
    patience = recipe.train.patience
    if outcome.updates >= recipe.train.max_updates or not patience:
        return (
            f"train.max_updates={recipe.train.max_updates} asks for no more; raise it above"
            f" {outcome.updates} to continue"
        )
    return (
        f"no better score on the dev set in {patience} validations; raise train.patience to"
        f" continue, for example with --set train.patience={2 * patience}"
    )


def translate_command(run: RunFolder) -> str:
    """Return the command that translates with a run's model."""
    with suppress(NmtError):  # another run cannot be read
        if choose_model().path == run.translation_model():
            return "nmt translate"
    return f"nmt translate --model {argument(run.path)}"


def best_gain(outcome: "TrainingOutcome", recipe: Recipe) -> float:
    """Return by how much the best model's score on the dev set is better than the average's."""
    from nmt.evaluation.metrics import score_measure

    if outcome.averaged_score is None or outcome.best_score is None:
        return 0.0
    gain = outcome.best_score - outcome.averaged_score
    return -gain if score_measure(recipe).lower_is_better else gain
