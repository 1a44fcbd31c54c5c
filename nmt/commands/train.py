"""`nmt train`: from parallel text to a model."""

import sys
from pathlib import Path

import click

from nmt.commands.options import (
    data_dir_option,
    device_option,
    flags_as_overrides,
    pick_device,
    recipe_and_run,
    recipe_argument,
    run_option,
    set_option,
    settings_help,
)


@click.command("train", epilog=settings_help())
@recipe_argument
@run_option
@data_dir_option
@device_option
@click.option("--seed", type=int, help="Of initial weights, batch order and dropout.")
@click.option("--max-updates", type=int, help="Optimiser updates.")
@click.option("--init-from", help="Model file to begin with: its weights and its tokenizer.")
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
    """Train RECIPE, a shipped name or a path; without one, the embedded corpus "pocket".

    Prepares the corpus if needed, validates, and ends with the best model and the average of the
    last checkpoints in the run folder. The same command goes on where it was stopped. Started by
    torchrun, many workers train as one.

    \b
    Examples:
      nmt train
      nmt train multi30k_en_de --data-dir corpora
      nmt train my.toml --max-updates 2000 --set model.dropout=0.3
      nmt train mine.toml --init-from runs/wmt14_en_de_base/model.safetensors
      torchrun --nproc-per-node 8 cli.py train wmt14_en_de_base
    """
    flags = flags_as_overrides("train", seed=seed, max_updates=max_updates, init_from=init_from)
    settled, folder = recipe_and_run(recipe, run, [*overrides, *flags])

    from nmt.studio.report.page import leave_report
    from nmt.system.log import note
    from nmt.text.corpus import DataFolder
    from nmt.training.train import train
    from nmt.training.workers import join_workers, local_device

    chosen = local_device(pick_device(device))
    with join_workers(chosen) as workers:
        outcome = train(settled, DataFolder(data_dir), folder, chosen, workers)
    if outcome.stopped_by is not None:
        note(f"stopped at update {outcome.updates:,}, checkpoint saved; the same command goes on")
        sys.exit(128 + outcome.stopped_by)
    if outcome.averaged_score is None:
        note(
            f"{folder.path} is done at update {outcome.updates:,}; raise train.max_updates to go on"
        )
    else:
        note(f"model: {folder.model}, dev {outcome.measure} {outcome.averaged_score:.2f}")
    if outcome.best_score is not None:
        best = f"dev {outcome.measure} {outcome.best_score:.2f} at update {outcome.best_update:,}"
        note(f"best: {folder.best}, {best}")
    if workers.is_first:
        leave_report(folder)
