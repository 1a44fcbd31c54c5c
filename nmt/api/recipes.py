"""Train recipes, and evaluate models."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.api.arguments import check_callable, check_path, check_paths, names_arguments
from nmt.api.model import Model, Settings
from nmt.config import Recipe
from nmt.errors import UsageError
from nmt.recipe.rules import check_recipe
from nmt.runs.outputs import check_run_folder
from nmt.runs.run_folder import run_folder, run_of
from nmt.runs.runs import find_recipe_and_run
from nmt.system.arguments import AnyPath, check_type
from nmt.system.devices import AUTO, pick_device
from nmt.text.corpus import DataFolder

if TYPE_CHECKING:
    from nmt.evaluation.results import Evaluation
    from nmt.training.progress import TrainingOutcome


def train(
    recipe: Recipe | AnyPath,
    *,
    run: AnyPath | None = None,
    data_dir: AnyPath | None = None,
    device: str = AUTO,
    on_end: "Callable[[TrainingOutcome], None] | None" = None,
) -> "TrainingOutcome":
    """Train a recipe, as `nmt train` does; the same call resumes a training that was stopped.

    It prepares the corpus if needed and leaves the models, the metrics and the report in the run
    folder. Progress is printed on stderr. Started by torchrun, several processes train together.
    In the main thread, a signal (Ctrl-C, SIGTERM) stops it with a checkpoint at an update's end.
    The signal then has its usual effect: after Ctrl-C, that is a KeyboardInterrupt.

    Args:
        recipe: a recipe, the name of a shipped one, the path of a file, or a run folder to resume
            with its own settings.
        run: the run folder; by default runs/RECIPE.
        data_dir: folder of the recipe's files; by default that of the run's training, or "data".
        device: as in `load`.
        on_end: called with the outcome before the report is written, also after a signal.

    Raises:
        TypeError: for an argument of a wrong type.
        NmtError: for a corpus or a run folder that cannot be used.
        DivergenceError: if the losses are not numbers any more; the message says what to change.
        UsageError: for an unknown recipe, a setting out of range, or a device that cannot be used.
    """
    check_type("recipe", recipe, Recipe, str, Path)
    check_type("device", device, str)
    if on_end is not None:
        check_callable("on_end", on_end)
    given = None if run is None else check_path("run", run)
    if isinstance(recipe, Recipe):
        check_recipe(recipe)
        folder = run_folder(recipe, given)
    else:
        recipe, folder = find_recipe_and_run(recipe, given, {})
    check_run_folder(folder.path)
    chosen_data = None if data_dir is None else check_path("data_dir", data_dir)
    data = DataFolder(folder.data_dir(chosen_data))

    from nmt.diagnosis.live import live_diagnosis
    from nmt.studio.report.page import try_write_report
    from nmt.training.trainer import train as train_with
    from nmt.training.workers import join_workers, local_device

    chosen = pick_device(local_device(device))
    with join_workers(chosen) as workers:
        outcome = train_with(recipe, data, folder, chosen, workers, live_diagnosis)
    if on_end is not None:
        on_end(outcome)
    if outcome.stopped_by is not None:
        signal.raise_signal(outcome.stopped_by)
    elif workers.is_first:
        try_write_report(folder)
    return outcome


@names_arguments
def evaluate(
    model: Model,
    source: AnyPath | None = None,
    references: AnyPath | Sequence[AnyPath] = (),
    *,
    settings: Settings | None = None,
    data_dir: AnyPath | None = None,
) -> "Evaluation":
    """Translate and score test sets: by BLEU, chrF and TER, or by error rates.

    Args:
        model: its recipe gives the language, the metric and the test sets.
        source: a file of source segments to use instead of the test sets.
        references: the file of references for `source`, or a list of such files.
        settings, data_dir: as in `Model.translate` and in `train`.

    Returns:
        The scores; `test_sets[0].systems[0].scores[0]` is the main score of the first test set.

    Raises:
        TypeError: for an argument of a wrong type.
        NmtError: if a test set is missing or does not fit.
        UsageError: for an unknown setting, or if `source` has no references.
    """
    from nmt.evaluation.evaluate import evaluate_model

    check_type("model", model, Model)
    files = check_paths("references", references)
    if (source is None) != (not files):
        raise UsageError("evaluate takes a source and its references, or neither of them")
    if source is not None:
        files.insert(0, check_path("source", source))
    given = None if data_dir is None else check_path("data_dir", data_dir)
    return evaluate_model(
        model._trained,
        model.decode_settings(settings),
        DataFolder(run_of(model.paths[0]).data_dir(given)),
        model._notify,
        files=files,
    )
