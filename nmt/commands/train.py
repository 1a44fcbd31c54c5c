"""`nmt train`: train a model on parallel text."""

import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.artifacts.run_folder import RunFolder
from nmt.artifacts.runs import newest_model
from nmt.commands.options import (
    device_option,
    flags_as_overrides,
    recipe_and_run,
    recipe_or_run_argument,
    run_data_dir_option,
    run_option,
    set_option,
    settings_help,
)
from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.system.reading import is_present

if TYPE_CHECKING:
    from nmt.training.outcome import TrainingOutcome


@click.command("train", context_settings={"allow_extra_args": True}, epilog=settings_help())
@recipe_or_run_argument
@run_option
@run_data_dir_option
@device_option
@click.option(
    "--seed",
    type=int,
    help="Seed of the initial weights, the batch order and dropout."
    "  [default: train.seed of the recipe]",
)
@click.option(
    "--max-updates",
    type=int,
    help="Optimiser updates to train for.  [default: train.max_updates of the recipe]",
)
@click.option(
    "--init-from",
    help="Model to start from: its weights and its tokenizer.  [default: random weights]",
)
@set_option
def command(
    recipe: str,
    run: Path | None,
    data_dir: Path | None,
    device: str,
    seed: int | None,
    max_updates: int | None,
    init_from: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Train the model of RECIPE, or resume the training of RUN.

    RECIPE is the name of a shipped recipe or the path of a TOML file; the default is "pocket",
    whose corpus is included. The corpus is prepared if needed. The run folder receives the
    checkpoints, the best model (best.safetensors), the average of the last checkpoints
    (model.safetensors), the metrics and a report.

    If the training was stopped, the same command resumes it. `nmt train RUN`, where RUN is the run
    folder, also resumes it. No other option is needed, because the run folder holds the settings
    and the path of the data folder. With torchrun, several processes train one model together.

    \b
    Examples:
      nmt train
      nmt train multi30k_en_de --data-dir corpora
      nmt train my.toml --max-updates 2000 --set model.dropout=0.3
      nmt train runs/my --max-updates 4000
      nmt train mine.toml --init-from runs/wmt14_en_de_base/model.safetensors
      torchrun --nproc-per-node 8 -- cli.py train wmt14_en_de_base
    """
    check_one_argument(recipe)
    flags = flags_as_overrides("train", seed=seed, max_updates=max_updates, init_from=init_from)
    resolved, folder = recipe_and_run(recipe, run, [*overrides, *flags])

    from nmt.api import train

    outcome = train(
        resolved,
        run=folder.path,
        data_dir=data_dir,
        device=device,
        on_end=lambda outcome: print_outcome(outcome, resolved, folder),
    )
    if outcome.stopped_by is not None:
        sys.exit(128 + outcome.stopped_by)


def check_one_argument(recipe: str) -> None:
    """Raise UsageError for further arguments; two files are probably parallel text."""
    more = click.get_current_context().args
    if len(more) == 1 and is_present(Path(recipe)) and is_present(Path(more[0])):
        files = f"{shlex.quote(recipe)} {shlex.quote(more[0])}"
        raise UsageError(f"train takes a recipe; `nmt init {files}` writes one for two text files")
    if more:
        raise UsageError(f"train takes one recipe, but {len(more) + 1} names were given")


def print_outcome(outcome: "TrainingOutcome", recipe: Recipe, run: RunFolder) -> None:
    """Print on stderr how a training ended, where its models are and which one is used."""
    from nmt.system.log import note

    if outcome.stopped_by is not None:
        note(outcome.resuming)
        return
    if outcome.averaged_score is not None:
        score = f"dev {outcome.measure} {outcome.averaged_score:.2f}"
        note(f"model: {run.model}, {score}; `{translate_command(run)}` uses it")
    elif outcome.checkpoint is not None:
        note(
            f"{run.path} is done at update {outcome.updates:,}; raise train.max_updates to continue"
        )
    else:
        note(
            f"{run.path} is done at update {outcome.updates:,}; its checkpoints are missing, so"
            " it cannot continue; start a new run from its model with --init-from"
            f" {run.model} --run NEW"
        )
    if outcome.best_score is not None and is_present(run.best):
        best = f"dev {outcome.measure} {outcome.best_score:.2f} at update {outcome.best_update:,}"
        better = ""
        if is_best_better(outcome, recipe):
            better = (
                "; it is better than the average, as is common in a short training; use it with"
                f" --model {run.best}"
            )
        note(f"best: {run.best}, {best}{better}")


def translate_command(run: RunFolder) -> str:
    """Return the command that translates with a run's model."""
    with suppress(NmtError):  # another run cannot be read
        if newest_model() == run.translation_model():
            return "nmt translate"
    return f"nmt translate --model {run.path}"


def is_best_better(outcome: "TrainingOutcome", recipe: Recipe) -> bool:
    """Return whether the best model has a better score on the dev set than the average."""
    from nmt.evaluation.tasks import task_metrics

    if outcome.averaged_score is None or outcome.best_score is None:
        return False
    measure = task_metrics(recipe.data.metric, recipe.data.target_language).measures[0]
    return measure.beats(outcome.best_score, outcome.averaged_score)
