"""An evaluation card: an evaluation with all that it takes to cite it or to do it again."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nmt import __version__
from nmt.config import Recipe
from nmt.errors import UsageError
from nmt.evaluation.markdown import as_markdown

CARD_VERSION = 1
PACKAGES = ("torch", "sentencepiece", "sacrebleu", "sacremoses", "numpy")
WRITERS = {
    ".json": lambda card: json.dumps(card, indent=1, ensure_ascii=False) + "\n",
    ".md": as_markdown,
}


def check_paths(cards: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Refuse cards of unknown kind, one named twice, or one that would replace an input."""
    for index, path in enumerate(cards):
        if path.suffix not in WRITERS:
            raise UsageError(f"--card {path} must end in {' or '.join(WRITERS)}")
        if path.resolve() in [each.resolve() for each in (*inputs, *cards[:index])]:
            raise UsageError(f"--card {path} is named twice; name another file")


def make_card(
    report: dict[str, Any], recipe: Recipe | None, command: Sequence[str], left_out: Sequence[str]
) -> dict[str, Any]:
    """A report with its circumstances: date, command line, versions and the resolved recipe."""
    return {
        "evaluation_card": CARD_VERSION,
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": [*command],
        "versions": versions(),
        **report,
        "left_out": [*left_out],
        "recipe": asdict(recipe) if recipe else None,
    }


def versions() -> dict[str, str]:
    """Of this program, Python and the packages that a score depends on."""
    found = {"nmt": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def written(card: dict[str, Any], path: Path) -> str:
    """A card in the notation that a file's ending asks for."""
    return WRITERS[path.suffix](card)
