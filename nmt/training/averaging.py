"""The run's model: the average of its last checkpoints (section 6.1)."""

from collections.abc import Sequence
from pathlib import Path

from nmt.artifacts.model_file import average, read_model, save_model
from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.training.checkpoints import (
    WEIGHTS,
    averaged_updates,
    set_aside,
    updates_with,
    verify,
    weights_path,
)


def is_averaged(run: RunFolder, recipe: Recipe, last: int) -> bool:
    """Return True if the run's model is the average of the last checkpoints up to update `last`."""
    try:
        return [*read_model(run.model).updates] == averaged_updates(run, recipe, last)
    except NmtError:  # the model is missing or damaged
        return False


def write_average(run: RunFolder, recipe: Recipe, last: int) -> None:
    """Write the average of the last checkpoints up to update `last` as the run's model.

    Damaged checkpoints are set aside and left out. Raises NmtError if all are damaged.
    """
    intact = []
    for update in averaged_updates(run, recipe, last):
        try:
            verify(run, update, (WEIGHTS,))
            intact.append(update)
        except NmtError as error:
            set_aside(run, update, str(error))
    if not intact:
        raise NmtError(
            f"all checkpoints in {run.checkpoints} are damaged; train again with another --run"
        )
    mean = average([weights_path(run, update) for update in intact])
    save_model(run.model, mean.weights, mean.tokenizer, recipe, intact)


def average_checkpoints(
    run: RunFolder, output: Path, *, last: int | None = None, updates: Sequence[int] = ()
) -> tuple[int, ...]:
    """Write the average of chosen checkpoints of a run as a model; return their updates.

    By default the checkpoints are those of the run's own average. last: how many of the newest
    checkpoints to average. updates: the updates of the checkpoints to average. Raises NmtError if
    one of them is missing or damaged.
    """
    available = updates_with(run, WEIGHTS)
    if last:
        updates = available[-last:]
    elif not updates:
        updates = averaged_updates(run, run.load_recipe(), last=max(available, default=0))
    missing = sorted({*updates} - {*available})
    if missing or not updates or (last and len(updates) < last):
        lacking = f"checkpoint of update {missing[0]}" if missing else f"{last or 1} checkpoints"
        raise NmtError(f"{run.path} has no {lacking}; it has: {available or 'none'}")
    mean = average([weights_path(run, update) for update in updates])
    save_model(output, mean.weights, mean.tokenizer, mean.recipe, mean.updates)
    return mean.updates
