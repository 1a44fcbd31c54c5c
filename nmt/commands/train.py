"""`nmt train`: from parallel text to a model."""

import sys
from contextlib import ExitStack
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
from nmt.errors import NmtError
from nmt.recipe import parse_recipe, to_toml
from nmt.run import RunFolder


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

    from nmt.log import note
    from nmt.text.corpus import DataFolder
    from nmt.text.prepare import open_prepared, prepare
    from nmt.threads import threads_for
    from nmt.training.beginning import given_tokenizer, initial_model, resolve_precision
    from nmt.training.trainer import Trainer
    from nmt.training.validation import DevSet
    from nmt.training.workers import join_workers, local_device

    data = DataFolder(data_dir)
    chosen = local_device(pick_device(device))
    with join_workers(chosen) as workers, ExitStack() as held:

        def begin() -> str:
            held.enter_context(folder.lock())
            begun = resolve_precision(settled, folder, chosen)
            folder.settle_recipe(begun)
            initial = initial_model(begun, folder)
            prepare(begun, data, folder, note, given_tokenizer(begun, folder, initial))
            return to_toml(begun)

        begun = parse_recipe(workers.first(begin), settled.name, str(folder.recipe))
        prepared = open_prepared(begun, folder)
        share_out = workers.map if workers.count > 1 else threads_for(chosen).map
        dev = DevSet(begun, data, prepared.tokenizer, share_out)
        initial = initial_model(begun, folder)
        outcome = Trainer(begun, prepared, dev, folder, chosen, workers, initial).train()
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
        report(folder)


def report(folder: RunFolder) -> None:
    """Write the run's page; a training that is done does not fail for want of it."""
    from nmt.log import note
    from nmt.report.page import write_report

    try:
        write_report([folder], folder.report)
    except (NmtError, OSError) as error:
        note(f"no report was written: {error}")
    else:
        note(f"report: {folder.report}")
