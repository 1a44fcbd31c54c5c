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
@set_option
def command(
    recipe: str,
    run: Path | None,
    data_dir: Path,
    device: str,
    seed: int | None,
    max_updates: int | None,
    overrides: tuple[str, ...],
) -> None:
    """Train RECIPE, a shipped name or a path; without one, the embedded corpus "pocket".

    Prepares the corpus if needed, validates, and ends with the best model and the average of the
    last checkpoints in the run folder. The same command goes on where it was stopped.

    \b
    Examples:
      nmt train
      nmt train multi30k_en_de --data-dir corpora
      nmt train my.toml --max-updates 2000 --set model.dropout=0.3
    """
    flags = flags_as_overrides("train", seed=seed, max_updates=max_updates)
    settled, folder = recipe_and_run(recipe, run, [*overrides, *flags])

    from nmt.log import note
    from nmt.text.corpus import DataFolder
    from nmt.text.prepare import prepare
    from nmt.training.precision import resolve_precision
    from nmt.training.trainer import Trainer
    from nmt.training.validation import DevSet

    data = DataFolder(data_dir)
    chosen = pick_device(device)
    with folder.lock():
        settled = resolve_precision(settled, folder, chosen)
        folder.settle_recipe(settled)
        prepared = prepare(settled, data, folder, note)
        dev = DevSet(settled, data, prepared.tokenizer)
        outcome = Trainer(settled, prepared, dev, folder, chosen).train()
    if outcome.stopped_by is not None:
        note(f"stopped at update {outcome.updates:,}, checkpoint saved; the same command goes on")
        sys.exit(128 + outcome.stopped_by)
    if outcome.averaged_bleu is None:
        note(
            f"{folder.path} is done at update {outcome.updates:,}; raise train.max_updates to go on"
        )
    else:
        note(f"model: {folder.model}, dev BLEU {outcome.averaged_bleu:.2f}")
    note(f"best: {folder.best}, dev BLEU {outcome.best_bleu:.2f} at update {outcome.best_update:,}")
