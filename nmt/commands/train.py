"""`nmt train`: train a model on parallel text."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.artifacts.run_folder import RunFolder
from nmt.commands.options import (
    data_dir_option,
    device_option,
    flags_as_overrides,
    recipe_and_run,
    recipe_argument,
    run_option,
    set_option,
    settings_help,
)

if TYPE_CHECKING:
    from nmt.training.trainer import TrainingOutcome


@click.command("train", epilog=settings_help())
@recipe_argument
@run_option
@data_dir_option
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
    data_dir: Path,
    device: str,
    seed: int | None,
    max_updates: int | None,
    init_from: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Train the model of RECIPE.

    RECIPE is the name of a shipped recipe or the path of a TOML file; the default is "pocket",
    whose corpus is included. The corpus is prepared if needed. The run folder receives the
    checkpoints, the best model (best.safetensors), the average of the last checkpoints
    (model.safetensors), the metrics and a report.

    If the training was stopped, the same command resumes it. Started by torchrun, several processes
    train one model together.

    \b
    Examples:
      nmt train
      nmt train multi30k_en_de --data-dir corpora
      nmt train my.toml --max-updates 2000 --set model.dropout=0.3
      nmt train mine.toml --init-from runs/wmt14_en_de_base/model.safetensors
      torchrun --nproc-per-node 8 cli.py train wmt14_en_de_base
    """
    flags = flags_as_overrides("train", seed=seed, max_updates=max_updates, init_from=init_from)
    resolved, folder = recipe_and_run(recipe, run, [*overrides, *flags])

    from nmt.api import train

    outcome = train(
        resolved,
        run=folder.path,
        data_dir=data_dir,
        device=device,
        on_end=lambda outcome: print_outcome(outcome, folder),
    )
    if outcome.stopped_by is not None:
        sys.exit(128 + outcome.stopped_by)


def print_outcome(outcome: "TrainingOutcome", run: RunFolder) -> None:
    """Print on stderr how a training ended and where its models are."""
    from nmt.system.log import note

    if outcome.stopped_by is not None:
        note(
            f"stopped at update {outcome.updates:,}, checkpoint saved; the same command resumes it"
        )
        return
    if outcome.averaged_score is None:
        note(f"{run.path} is done at update {outcome.updates:,}; raise train.max_updates to go on")
    else:
        note(f"model: {run.model}, dev {outcome.measure} {outcome.averaged_score:.2f}")
    if outcome.best_score is not None:
        best = f"dev {outcome.measure} {outcome.best_score:.2f} at update {outcome.best_update:,}"
        note(f"best: {run.best}, {best}")
