"""`nmt average`: the mean of chosen checkpoints."""

from pathlib import Path

import click

from nmt.artifacts.run_folder import RunFolder
from nmt.errors import NmtError, UsageError


@click.command("average")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--last", type=click.IntRange(min=1), help="Average the newest N checkpoints.")
@click.option("--updates", help="Average the checkpoints of these updates, as in 1000,1500,2000.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Model file to write.  [default: model.safetensors of the run]",
)
def command(run: Path, last: int | None, updates: str | None, output: Path | None) -> None:
    """Average the weights of checkpoints of RUN, a run folder, into one model (section 6.1).

    Without --last or --updates: those that its recipe's train.average_checkpoints names.

    \b
    Example:
      nmt average runs/multi30k_en_de --last 3 --output runs/multi30k_en_de/last3.safetensors
    """
    if last and updates:
        raise UsageError("--last and --updates exclude each other")
    wanted = parse_updates(updates) if updates else []
    folder = RunFolder(run)
    if not folder.recipe.is_file():
        raise NmtError(f"{run} is not a run folder: it has no recipe.toml")

    from nmt.artifacts.model_file import average, save_model
    from nmt.system.log import note
    from nmt.training.checkpoints import averaged_updates, updates_of, weights_path

    there = updates_of(folder, "safetensors")
    if last:
        wanted = there[-last:]
    elif not wanted:
        wanted = averaged_updates(folder, folder.load_recipe(), last=max(there, default=0))
    missing = sorted(set(wanted) - set(there))
    if missing or not wanted or (last and len(wanted) < last):
        lacking = f"update {missing[0]}" if missing else "so many"
        raise NmtError(f"{run} has no checkpoint of {lacking}; it has: {there or 'none'}")
    mean = average([weights_path(folder, update) for update in wanted])
    path = output or folder.model
    save_model(path, mean.weights, mean.tokenizer, mean.recipe, mean.updates)
    note(f"{path}: mean of the checkpoints of updates {', '.join(map(str, wanted))}")


def parse_updates(text: str) -> list[int]:
    """Comma-separated update numbers."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise UsageError(f"--updates takes numbers such as 1000,1500, not '{text}'")
    return sorted({int(part) for part in parts})
