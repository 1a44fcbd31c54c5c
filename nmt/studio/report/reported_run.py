"""Read a run folder: its recipe, metrics, evaluation cards and model size, without torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nmt.errors import NmtError
from nmt.evaluation.card import Data, read_cards
from nmt.evaluation.metrics import Measure, score_measure
from nmt.runs.history import History, Record, read_history
from nmt.runs.model_file import open_model
from nmt.runs.run_folder import RunFolder
from nmt.system.log import note

TRAIN_FIGURES = ("loss", "perplexity", "learning_rate", "tokens_per_second", "gradient_norm")
DEV_FIGURES = ("loss", "perplexity", "score")


@dataclass(frozen=True)
class Curve:
    """A figure over updates; a value is None where it was no finite number."""

    updates: tuple[int, ...]
    values: tuple[float | None, ...]  # rounded to 6 significant digits


@dataclass(frozen=True)
class ReportedRun(History):
    """Everything that a run folder says about its training so far; it has at least one record."""

    measure: Measure  # what validations are scored by
    cards: tuple[Data, ...]  # the newest last
    parameters: int | None  # of the run's model; None before the first one is saved


def curves(records: Sequence[Record], figures: Sequence[str]) -> dict[str, Curve]:
    """Return the curves of some figures, which are names of the records' fields."""
    updates = tuple(record.update for record in records)
    return {
        figure: Curve(updates, tuple(rounded(getattr(record, figure)) for record in records))
        for figure in figures
    }


def rounded(value: float | None) -> float | None:
    """Return a value with 6 significant digits, which is more than a curve can show."""
    return None if value is None else float(f"{value:.6g}")


def read_run(run: RunFolder, notify: Callable[[str], None] = note) -> ReportedRun:
    """Return what a run folder says about its training.

    notify: receives a note on each file with damage; damaged parts are left out. Raises NmtError if
    the folder is not a run folder or has no metrics yet.
    """
    if not run.recipe.is_file():
        raise NmtError(f"{run.path} is not a run folder: it has no recipe.toml")
    recipe = run.load_recipe()
    records = read_history(run.metrics, recipe, notify).records
    if not records:
        raise NmtError(f"{run.metrics} reports no update yet; train the run with `nmt train`")
    cards = read_cards(run.path, notify)
    return ReportedRun(recipe, records, score_measure(recipe), cards, stored_parameters(run))


def stored_parameters(run: RunFolder) -> int | None:
    """Return the number of parameters by the header of the run's model file, None without one."""
    try:
        with open_model(run.translation_model()) as model:
            return model.parameters
    except NmtError:
        return None
