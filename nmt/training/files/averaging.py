"""The run's model: the average of its last checkpoints (section 6.1)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from nmt.config import Recipe
from nmt.errors import DamagedError, NmtError
from nmt.runs.model_file import AligningAttention, average, open_model, save_model
from nmt.runs.run_folder import AVERAGE, MANIFEST, WEIGHTS, RunFolder, model_metadata
from nmt.system.files import is_present
from nmt.training.files.checkpoints import averaged_updates, set_aside, verify


def is_averaged(run: RunFolder, recipe: Recipe, last: int) -> bool:
    """Return True if the run's model is the average of the last checkpoints up to update `last`.

    An average that `nmt average` wrote in its place counts too: the user wants it.
    """
    if not is_present(run.model):
        return False
    try:
        with open_model(run.model) as model:
            updates = [*model.updates]
        is_chosen = model_metadata(run.model).get("made_by") == AVERAGE
        return is_chosen or updates == averaged_updates(run, recipe, last)
    except DamagedError:
        return False


def write_average(run: RunFolder, recipe: Recipe, last: int) -> None:
    """Write the average of the last checkpoints up to update `last` as the run's model.

    Damaged checkpoints are set aside and left out. Raises NmtError if all are damaged or one cannot
    be read.
    """
    intact = []
    for update in averaged_updates(run, recipe, last):
        try:
            verify(run, update, (WEIGHTS,))
            intact.append(update)
        except DamagedError as error:
            set_aside(run, update, str(error))
    if not intact:
        raise NmtError(
            f"all checkpoints in {run.checkpoints} are damaged; train again with another --run"
        )
    mean = average([run.checkpoint(update, WEIGHTS) for update in intact])
    save_model(run.model, replace(mean, recipe=recipe))


def average_checkpoints(
    run: RunFolder, output: Path, *, last: int | None = None, updates: Sequence[int] = ()
) -> tuple[int, ...]:
    """Write the average of chosen checkpoints of a run as a model; return their updates.

    By default the checkpoints are those of the run's own average. last: how many of the newest
    checkpoints to average. updates: the updates of the checkpoints to average. Raises NmtError if
    one of them is missing or damaged.
    """
    available = run.updates_with(WEIGHTS, MANIFEST)
    if last:
        updates = available[-last:]
    elif not updates:
        if run.load_recipe().train.moving_average:
            raise NmtError(
                f"{run.path} keeps a moving average of its weights, which `nmt train` writes as"
                f" {run.model} at its end; to average checkpoints instead, name them with --last or"
                " --updates, and a file with --output"
            )
        updates = averaged_updates(run, run.load_recipe(), last=max(available, default=0))
    missing = sorted({*updates} - {*available})
    if missing:
        if is_present(run.checkpoint(missing[0], WEIGHTS)):
            verify(run, missing[0], (WEIGHTS,))  # says what it lacks
        has = f"it has {listed(available)}"
        raise NmtError(f"{run.path} has no checkpoint of update {missing[0]}; {has}")
    if last and len(updates) < last:
        raise NmtError(f"cannot average the last {last}: {run.path} has {listed(available)}")
    if not updates:
        raise NmtError(f"{run.path} has no checkpoints; `nmt train` writes them")
    for update in updates:
        verify(run, update, (WEIGHTS,))
    mean = average([run.checkpoint(update, WEIGHTS) for update in updates])
    recipe = run.load_recipe()  # its languages may have been corrected since the checkpoints
    save_model(output, replace(mean, recipe=recipe, alignment=chosen_alignment(run)), AVERAGE)
    return mean.updates


def chosen_alignment(run: RunFolder) -> AligningAttention | None:
    """Return the attention that the end of a training chose; None without one."""
    for path in filter(is_present, (run.model, run.best)):
        with suppress(NmtError), open_model(path) as model:
            if model.alignment is not None:
                return model.alignment
    return None


def listed(updates: Sequence[int]) -> str:
    """Return how many checkpoints there are and their updates, as a phrase."""
    count = f"{len(updates) or 'no'} checkpoint{'s' * (len(updates) != 1)}"
    return f"{count}: {', '.join(map(str, updates))}" if updates else count
