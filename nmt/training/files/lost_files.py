"""Handle missing files of a run folder; results of a training are never overwritten.

The tokenizer and the best model are restored from other files of the run, and a corpus is prepared
again. Without a checkpoint a training cannot continue; it starts again only if the next start
computes the same files.
"""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from nmt.config import Recipe, TrainSettings
from nmt.errors import DamagedError, NmtError, join_words
from nmt.recipe.settings import FIXED_SETTINGS, recipe_differences
from nmt.runs.history import History, read_history
from nmt.runs.model_file import (
    TOKENIZER,
    correct_model,
    open_model,
    opens,
    write_alignment,
)
from nmt.runs.run_folder import WEIGHTS, RunFolder, check_fixed
from nmt.system.arguments import argument
from nmt.system.atomic import atomic_path, write_bytes
from nmt.system.files import is_present
from nmt.system.log import Notify, note
from nmt.training.files.progress import Progress, TrainingOutcome

# A finished training with these settings is finished whatever other settings may change.
END_SETTINGS = (*FIXED_SETTINGS, "train.max_updates", "train.patience")
LATE_UPDATES = 10  # after which a checkpoint is saved that is due by time; some may be skipped


@dataclass(frozen=True)
class Remains:
    """The files of a run that has no checkpoint to resume from."""

    run: RunFolder
    models: list[Path]  # the average and the best, as far as they exist
    weights: list[int]  # updates of checkpoints' weights
    history: History

    @property
    def last_update(self) -> int:
        """Return the last update that the metrics or a checkpoint name."""
        return max([*self.weights, self.history.update])

    def __str__(self) -> str:
        names = [path.name for path in self.models]
        names += ["metrics.jsonl"] * bool(self.history.records)
        names += ["weights in checkpoints/"] * bool(self.weights)
        return join_words(names)


def finished_before(recipe: Recipe, run: RunFolder) -> TrainingOutcome | None:
    """Return the outcome of a finished training whose checkpoints are gone; None for other runs.

    Raises NmtError if a training would replace what the run holds: there is no checkpoint to resume
    from, and starting again would not compute the same files; or if one cannot be read.
    """
    if run.is_resumable():
        return None
    models = [path for path in (run.model, run.best) if is_present(path)]
    history = read_history(run.metrics, recipe)
    remains = Remains(run, models, run.updates_with(WEIGHTS), history)
    is_empty = not (remains.models or remains.weights or remains.history.records)
    if is_empty or is_repeated(recipe, remains):
        return None
    outcome = rebuild_outcome(recipe, remains)
    if outcome is not None:
        return outcome
    model = next(filter(opens, reversed(remains.models)), None)
    on = ""
    if model:
        on = f"start a new run from its model (--init-from {argument(model)} --run NEW), "
    raise NmtError(
        f"{run.path} holds {remains}, which a new training would overwrite, but no checkpoint to"
        f" resume from; {on}name another folder (--run), or remove this one"
    )


def is_repeated(recipe: Recipe, remains: Remains) -> bool:
    """Return whether a new start computes again all that a killed training has computed.

    This is the case if there is no checkpoint yet. Raises NmtError if only changed settings prevent
    it.
    """
    run = remains.run
    is_new = not (is_present(run.model) or run.is_started() or remains.history.is_ended)
    if not is_new or not is_present(run.recipe):
        return False
    old = run.load_recipe()
    if remains.last_update > first_checkpoint(old.train, remains):
        return False
    if remains.models:
        if not remains.history.records:
            return False
        check_fixed(run.path, old, recipe)
    return True


def first_checkpoint(settings: TrainSettings, remains: Remains) -> float:
    """Return the latest update that a training can have come to without a checkpoint."""
    if not settings.checkpoint_minutes:
        return settings.checkpoint_updates
    if len(remains.weights) > 1:
        return remains.weights[0]
    interval = 60 * settings.checkpoint_minutes
    passed = (line for line in remains.history.records if (line.seconds or 0) >= interval)
    return min((line.update for line in passed), default=math.inf) + LATE_UPDATES


def rebuild_outcome(recipe: Recipe, remains: Remains) -> TrainingOutcome | None:
    """Return the outcome by recipe and metrics, or None if they do not say that it is finished."""
    run, history = remains.run, remains.history
    if not (is_present(run.model) and is_present(run.recipe) and history.is_ended):
        return None
    if recipe_differences(run.load_recipe(), recipe, END_SETTINGS):
        return None
    from nmt.evaluation.metrics import score_measure

    score, update = (history.best.score, history.best.update) if history.best else (None, 0)
    measure = score_measure(recipe)
    return TrainingOutcome(history.update, measure.name, score, update, None, None, None)


def restore_tokenizer(run: RunFolder, notify: Notify) -> None:
    """Write a lost tokenizer.model of a started run again, from a model of the run."""
    if is_present(run.tokenizer) or not run.is_started():
        return
    checkpoints = [run.checkpoint(update, WEIGHTS) for update in run.updates_with(WEIGHTS)]
    for path in (*reversed(checkpoints), run.best, run.model):
        if is_present(path):
            with open_model(path) as model:
                write_bytes(run.tokenizer, model.tensors.get_tensor(TOKENIZER).tobytes())
            notify(f"{run.tokenizer} is missing and is restored from {path}")
            return


def set_aside_damaged(path: Path) -> None:
    """Rename a model file to `*.damaged` if it is damaged, and print a note then."""
    if not is_present(path):
        return
    try:
        with open_model(path):
            pass
    except DamagedError:
        path.replace(path.with_name(f"{path.name}.damaged"))
        note(f"{path} is damaged and is renamed to *.damaged")


def restore_results(run: RunFolder, recipe: Recipe, progress: Progress) -> None:
    """Restore a lost best.safetensors of a resumed run, if the checkpoint of its update is kept.

    A damaged one is set aside. A note says what cannot be restored.
    """
    if progress.update and not is_present(run.metrics):
        note(f"{run.metrics} is missing; the curves will begin at update {progress.update:,}")
    update = progress.best_update
    set_aside_damaged(run.best)
    if not update or is_present(run.best):
        return
    from nmt.training.files.averaging import chosen_alignment  # PyTorch: `nmt prepare` needs none
    from nmt.training.files.checkpoints import verify

    weights, again = run.checkpoint(update, WEIGHTS), "is written again when a validation is better"
    if recipe.train.moving_average:  # checkpoints have other weights than the best model
        note(f"{run.best} is missing; it {again} than all earlier ones")
        return
    try:
        verify(run, update, (WEIGHTS,))
    except NmtError:
        note(
            f"{run.best} is missing, and so is an intact checkpoint of its update {update:,}; it"
            f" {again} than all earlier ones"
        )
        return
    with atomic_path(run.best) as partial:
        shutil.copyfile(weights, partial)
        shutil.copystat(weights, partial)  # or this model would be the newest one of a finished run
    chosen = chosen_alignment(run)
    if chosen is not None:
        write_alignment(run.best, chosen)
    correct_model(run.best, recipe, note)
    note(f"{run.best} is missing and is restored from {weights}")
