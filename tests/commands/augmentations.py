"""Run `nmt augment` and look at its report."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from nmt.runs.model_file import correct_model, open_model
from tests.conftest import Run

LINES = 200  # several chunks: 32, 128 and 41 lines


def in_languages(run: Path, path: Path, source: str, target: str) -> Path:
    """Return a copy of a run's model that has other languages."""
    shutil.copy(run / "model.safetensors", path)
    with open_model(path) as model:
        recipe = model.recipe
    data = replace(recipe.data, source_language=source, target_language=target)
    correct_model(path, replace(recipe, data=data), lambda note: None)
    return path


def augment(nmt: Run, *arguments: object) -> dict[str, Any]:
    """Run the command, which must succeed, and return its report."""
    result = nmt("augment", *arguments, "--json")
    assert result.code == 0, result.err
    report: dict[str, Any] = json.loads(result.out)
    made = report["given"] + sum(each["kept"] for each in report["models"])
    texts = len(report["models"]) + (report["method"] == "diversification")
    assert made + sum(report["removed"].values()) == texts * report["lines"]
    return report
