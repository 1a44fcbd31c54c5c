"""The files that `nmt ablate` writes."""

import json
from pathlib import Path
from typing import Any


def figures(output: Path) -> dict[str, Any]:
    """Return the content of ablation.json."""
    found: dict[str, Any] = json.loads((output / "ablation.json").read_text(encoding="utf-8"))
    return found


def rows(table: str) -> list[list[str]]:
    """Return the cells of the first table, its head first."""
    lines = table[table.index("| variant") :].split("\n\n", maxsplit=1)[0].splitlines()
    return [line.strip("| ").split(" | ") for line in (lines[0], *lines[2:])]
