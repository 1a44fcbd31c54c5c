"""What a run's folder tells of its training, read without torch."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.evaluation.scores import Measure
from nmt.evaluation.tasks import task_metrics
from nmt.system.log import note

# Figures of metrics.jsonl by the kind of line that has them; "score" is the task's own measure.
CURVES = {
    "train": ("loss", "perplexity", "learning_rate", "tokens_per_second", "gradient_norm"),
    "dev": ("loss", "perplexity", "score"),
}


@dataclass(frozen=True)
class History:
    """One run, as far as it has come."""

    path: Path
    recipe: Recipe
    lines: list[dict[str, Any]]  # of metrics.jsonl, in order; validations with their "score"
    measure: Measure  # what that is
    cards: list[dict[str, Any]]  # evaluation cards that were written into its folder
    parameters: int | None  # none before the first model

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one kind."""
        return [line for line in self.lines if line["kind"] == kind]

    def curve(self, kind: str, figure: str) -> dict[str, list[Any]]:
        """A figure over updates; none where it was not a number."""
        lines = self.of(kind)
        return {
            "updates": [line["update"] for line in lines],
            "values": [rounded(number(line.get(figure))) for line in lines],
        }

    @property
    def average(self) -> dict[str, Any] | None:
        """The last average's line."""
        return next(reversed(self.of("average")), None)

    @property
    def best(self) -> dict[str, Any] | None:
        """The validation with the best score."""
        best: dict[str, Any] | None = None
        for line in self.of("dev"):
            score = number(line.get("score"))
            if score is not None and (best is None or self.measure.beats(score, best["score"])):
                best = line
        return best

    def samples(self) -> list[dict[str, Any]]:
        """Of each validation that kept any: its update and the samples."""
        return [
            {"update": line["update"], "kind": line["kind"], "samples": line["samples"]}
            for line in self.lines
            if line["kind"] in ("dev", "average") and are_samples(line.get("samples"))
        ]


def read_history(run: RunFolder, report: Callable[[str], None] = note) -> History:
    """Reports what is damaged; raises NmtError if the folder is no run's or tells nothing yet."""
    if not run.recipe.is_file():
        raise NmtError(f"{run.path} is not a run folder: it has no recipe.toml")
    lines = sorted(run.read_metrics(report), key=lambda line: line["update"])
    if not lines:
        raise NmtError(f"{run.metrics} tells of no update yet; `nmt train` writes it")
    recipe = run.load_recipe()
    measure = task_metrics(recipe.data.metric, recipe.data.target_language).measures[0]
    scored = [
        {**line, "score": line[measure.key]} if measure.key in line else line for line in lines
    ]
    cards = read_cards(run.path, report)
    return History(run.path, recipe, scored, measure, cards, count_weights(run))


def read_cards(folder: Path, report: Callable[[str], None]) -> list[dict[str, Any]]:
    """Evaluation cards, the newest last: JSON files of the folder that say they are one."""
    found = []
    for path in folder.glob("*.json"):
        try:
            # What is no number in JSON, such as NaN, is none on the page either.
            content = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
        except (OSError, ValueError):
            report(f"{path}: left out, as it is no JSON that can be read")
            continue
        if isinstance(content, dict) and "evaluation_card" in content:
            found.append({"file": path.name, **content})
    return sorted(found, key=lambda card: (str(card.get("date")), card["file"]))


def count_weights(run: RunFolder) -> int | None:
    """Numbers in the run's model, by its header alone."""
    try:
        with safe_open(run.translation_model(), "np") as file:
            names = [name for name in file.keys() if name != "tokenizer.model"]  # noqa: SIM118 (no dict)
            return sum(size_of(file.get_slice(name).get_shape()) for name in names)
    except (NmtError, SafetensorError, OSError):
        return None


def number(value: Any) -> float | None:
    """A finite number; none of anything else that a file may hold in its place."""
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return value if is_number else None


def are_samples(found: Any) -> bool:
    """Whether they can be shown: a list of `nmt.training.validation`'s samples."""
    return (
        isinstance(found, list)
        and bool(found)
        and all(
            isinstance(each, dict)
            and isinstance(each.get("source"), str)
            and isinstance(each.get("translation"), str)
            and isinstance(each.get("references"), list)
            for each in found
        )
    )


def rounded(value: float | None) -> float | None:
    """To 6 significant digits, more than a curve can show."""
    return None if value is None else float(f"{value:.6g}")


def size_of(shape: list[int]) -> int:
    """Numbers in a tensor."""
    size = 1
    for each in shape:
        size *= each
    return size
