"""`nmt average`: average checkpoints of a run."""

import os
from contextlib import nullcontext
from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.completion import complete_run
from nmt.commands.options import PATH
from nmt.errors import UsageError
from nmt.runs.outputs import check_output
from nmt.runs.run_folder import RunFolder
from nmt.system.log import note


@click.command("average")
@click.argument("run", type=PATH, shell_complete=complete_run)
@options.number("--last", click.IntRange(min=1), "Average the newest N checkpoints.")
@click.option("--updates", metavar="N,N,...", help="Average the checkpoints of these updates.")
@click.option(
    "-o", "--output", type=PATH, help="Model file to write.  [default: model.safetensors in RUN]"
)
def command(run: Path, last: int | None, updates: str | None, output: Path | None) -> None:
    """Average the weights of checkpoints into one model (section 6.1 of the paper).

    RUN is a run folder. By default, the last checkpoints are averaged, as many as the recipe's
    train.average_checkpoints. With train.moving_average, the run has an average already. To
    average checkpoints anyway, give --last or --updates, and --output.

    \b
    Examples:
      nmt average runs/my
      nmt average runs/my --last 3 --output last3.safetensors
      nmt average runs/my --updates 1000,1500 --output two.safetensors
    """
    if last and updates is not None:
        raise UsageError("--last and --updates exclude each other; give one of them")
    wanted = () if updates is None else parse_updates(updates)
    folder = RunFolder(run)
    recipe = folder.load_recipe()  # a folder that is no run is reported before torch is imported
    path = output or folder.model
    is_own = os.path.realpath(path) == os.path.realpath(folder.model)
    if recipe.train.moving_average and is_own and (last or wanted):
        raise UsageError(f"{path} is the run's moving average; name another file with --output")
    # The run's own model is always replaced: it is an average of the same checkpoints.
    check_output(path, command="average", own=folder.model)
    real = Path(os.path.realpath(path))
    if real.is_relative_to(os.path.realpath(folder.checkpoints)):
        raise UsageError(
            f"--output {path} is in {folder.checkpoints}, where `nmt train` removes files; name a"
            " file elsewhere"
        )
    is_file = real.is_file() or not real.exists()
    if is_file and ".safetensors" not in (path.suffix, real.suffix):
        raise UsageError(f"--output {path}: the name of a model ends in .safetensors; add that")

    from nmt.training.files.averaging import average_checkpoints

    # A training of this run writes the same model, and removes old checkpoints.
    with folder.lock() if is_own else nullcontext():
        averaged = average_checkpoints(folder, path, last=last, updates=wanted)
    note(f"{path}: average of the checkpoints of updates {', '.join(map(str, averaged))}")


def parse_updates(text: str) -> tuple[int, ...]:
    """Return comma-separated update numbers, sorted; raises UsageError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise UsageError(f"--updates takes numbers such as 1000,1500, not '{text}'")
    return tuple(sorted({int(part) for part in parts}))
