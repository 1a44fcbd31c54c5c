"""The average of a run's last checkpoints as its model (section 6.1)."""

from nmt.artifacts.model_file import average, read_model, save_model
from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.training.checkpoints import WEIGHTS, averaged_updates, check, set_aside, weights_path


def is_averaged(run: RunFolder, recipe: Recipe, last: int) -> bool:
    """Whether the run's model is the average of the last checkpoints up to the update `last`."""
    try:
        return [*read_model(run.model).updates] == averaged_updates(run, recipe, last)
    except NmtError:  # none yet, or a damaged one: it is made anew
        return False


def write_average(run: RunFolder, recipe: Recipe, last: int) -> str:
    """Write the mean of those of them that are whole, damaged ones set aside; their updates.

    Raises NmtError if none is whole.
    """
    whole = []
    for update in averaged_updates(run, recipe, last):
        try:
            check(run, update, (WEIGHTS,))
            whole.append(update)
        except NmtError as error:
            set_aside(run, update, str(error))
    if not whole:
        raise NmtError(f"no checkpoint in {run.checkpoints} is whole; train anew")
    mean = average([weights_path(run, update) for update in whole])
    save_model(run.model, mean.weights, mean.tokenizer, recipe, whole)
    return ", ".join(map(str, whole))
