"""Evaluation cards: an evaluation with everything that is needed to cite it or to repeat it."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from nmt import __version__
from nmt.config import Recipe
from nmt.evaluation.results import Evaluation

PACKAGES = ("torch", "sentencepiece", "sacrebleu", "sacremoses", "numpy")


@dataclass(frozen=True)
class Card:
    """An evaluation, when and how it was made, and the recipe of the model."""

    evaluation: Evaluation
    date: str  # ISO 8601, with the time zone
    command: tuple[str, ...]
    versions: dict[str, str]  # by package
    recipe: Recipe | None  # as resolved; None: a file of translations was scored


def make_card(evaluation: Evaluation, recipe: Recipe | None, command: Sequence[str]) -> Card:
    """Return a card of an evaluation made now by a command line."""
    date = datetime.now().astimezone().isoformat(timespec="seconds")
    return Card(evaluation, date, tuple(command), versions(), recipe)


def versions() -> dict[str, str]:
    """Return the versions of this program, of Python and of the packages that scores depend on."""
    found = {"nmt": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
