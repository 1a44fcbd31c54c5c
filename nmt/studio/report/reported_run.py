"""Read a run folder: its recipe, metrics, evaluation cards and model size, without torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.evaluation.metrics import Measure, score_measure
from nmt.runs.history import History, Record, read_history
from nmt.runs.model_file import open_model
from nmt.runs.run_folder import RunFolder
from nmt.system.files import entries, read_bytes
from nmt.system.json_data import convert, parse_object
from nmt.system.log import note

TRAIN_FIGURES = ("loss", "perplexity", "learning_rate", "tokens_per_second", "gradient_norm")
DEV_FIGURES = ("loss", "perplexity", "score")


@dataclass(frozen=True)
class Curve:
    """A figure over updates; a value is None where it was no finite number."""

    updates: tuple[int, ...]
    values: tuple[float | None, ...]  # rounded to 6 significant digits


@dataclass(frozen=True)
class CardKey:
    """The fields that every evaluation card has."""

    evaluation_card: int  # version of the format
    date: str = ""  # ISO 8601


@dataclass(frozen=True)
class EvaluationCard:
    """An evaluation card in a run folder, as `nmt evaluate --card` writes it."""

    file: str  # its name in the run folder
    content: Mapping[str, Any]


@dataclass(frozen=True)
class ReportedRun(History):
    """Everything that a run folder says about its training so far; it has at least one record."""

    measure: Measure  # what validations are scored by
    cards: tuple[EvaluationCard, ...]  # the newest last
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


def read_cards(folder: Path, notify: Callable[[str], None]) -> tuple[EvaluationCard, ...]:
    """Return the evaluation cards among a folder's JSON files, in the order of their dates.

    notify: receives a note on each JSON file that is damaged or cannot be read.
    """
    dated = []
    for path in entries(folder):
        if path.suffix != ".json" or not path.is_file():  # a pipe could be waited for for ever
            continue
        try:
            content = parse_object(read_bytes(path, "the file"), str(path))
            if "evaluation_card" in content:
                key = convert(content, CardKey, str(path))
                dated.append((key.date, EvaluationCard(path.name, content)))
        except NmtError as error:
            notify(f"left out: {error}")
    return tuple(card for _, card in sorted(dated, key=lambda each: (each[0], each[1].file)))


def stored_parameters(run: RunFolder) -> int | None:
    """Return the number of parameters by the header of the run's model file, None without one."""
    try:
        with open_model(run.translation_model()) as model:
            return model.parameters
    except NmtError:
        return None
