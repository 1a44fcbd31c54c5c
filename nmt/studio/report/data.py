"""Turn a run into the JSON data that the report's scripts draw."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from nmt.config import DECLARED, SECTIONS, Recipe
from nmt.recipe.paper import compare
from nmt.recipe.toml import toml_value
from nmt.runs.history import ValidationRecord
from nmt.runs.run_folder import RunFolder
from nmt.studio.report.corpus import TrainingText, read_training_text
from nmt.studio.report.findings import find_faults
from nmt.studio.report.reported_run import (
    DEV_FIGURES,
    TRAIN_FIGURES,
    Curve,
    ReportedRun,
    curves,
    read_run,
)
from nmt.system.log import note

Data = dict[str, Any]


def run_data(run: RunFolder, name: str, notify: Callable[[str], None] = note) -> Data:
    """Return the data of one run.

    name: what the page calls the run. notify: receives a note on everything that is missing or
    damaged. Raises NmtError if the folder is not a run folder or has no metrics yet.
    """
    reported = read_run(run, notify)
    recipe = reported.recipe
    text = read_training_text(recipe, run)
    for problem in text.problems:
        notify(problem)
    return {
        "name": name,
        "recipe": recipe.name,
        "measure": reported.measure.name,
        "languages": [recipe.data.source_language, recipe.data.target_language],
        **progress_data(reported),
        "findings": [
            {**asdict(fault), "heading": fault.heading} for fault in find_faults(run, reported)
        ],
        "curves": {
            "train": curve_data(curves(reported.train_records, TRAIN_FIGURES)),
            "dev": curve_data(curves(reported.validations, DEV_FIGURES)),
        },
        "samples": [sample_data(scored) for scored in reported.scored if scored.samples],
        **recipe_data(recipe),
        **corpus_data(text),
        "cards": [*reported.cards],
    }


def progress_data(reported: ReportedRun) -> Data:
    """Return how far the run has come, and its results on the dev set."""
    last, best, average = reported.records[-1], reported.best, reported.average
    return {
        "updates": last.update,
        "epochs": last.epoch,
        "seconds": last.seconds,
        "skipped": len(reported.skipped_updates),
        "parameters": reported.parameters,
        "best": asdict(best.figures) if best else None,
        "average": asdict(average.figures) if average else None,
    }


def curve_data(found: Mapping[str, Curve]) -> Data:
    """Return curves by figure."""
    return {figure: asdict(curve) for figure, curve in found.items()}


def sample_data(validation: ValidationRecord) -> Data:
    """Return the translations of one validation."""
    return {
        "update": validation.update,
        "kind": validation.kind,
        "samples": [asdict(sample) for sample in validation.samples],
    }


def recipe_data(recipe: Recipe) -> Data:
    """Return a recipe's deviations from the paper and all its settings as TOML writes them."""
    return {
        "paper": paper_data(recipe),
        "settings": {
            section: {
                key: toml_value(value) for key, value in asdict(getattr(recipe, section)).items()
            }
            for section in SECTIONS
        },
    }


def paper_data(recipe: Recipe) -> Data:
    """Return the nearest row of the paper's tables, and what differs from it."""
    meanings = {name: declared.metadata["meaning"] for name, declared in DECLARED.items()}
    comparison = compare(recipe)
    deviations = [
        {**asdict(deviation), "meaning": meanings.get(deviation.setting, "")}
        for deviation in comparison.deviations
    ]
    return {"row": comparison.row.title, "deviations": deviations}


def corpus_data(text: TrainingText) -> Data:
    """Return the statistics of the training text, and which parts have none."""
    return {
        "corpus": [asdict(corpus) for corpus in text.corpora],
        "corpus_problems": list(text.problems),
    }
