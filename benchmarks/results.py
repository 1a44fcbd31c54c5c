"""Write the data files of benchmarks/results; README.md describes their format."""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from nmt.system.atomic import write_text

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Cell:
    """A figure: one cell of a table."""

    row: str
    column: str
    value: int | float | str
    unit: str
    detail: str = ""
    goal: str = ""
    qualifier: str = ""

    def text(self) -> str:
        """Return the cell as a line of a data file."""
        named = {key: value for key, value in vars(self).items() if value != ""}
        parts = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in named.items())
        return f"  {{ {', '.join(parts)} }},"


def machine_name() -> str:
    """Return the GPUs and the cores of this machine."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    name = text.partition("model name")[2].partition("\n")[0].strip(" \t:")
    cores = f"{os.cpu_count()} cores of an {name or platform.machine()}"
    if not torch.cuda.is_available():
        return cores
    gigabytes = torch.cuda.get_device_properties(0).total_memory / 1e9
    return f"{torch.cuda.get_device_name(0)}, {gigabytes:.0f} GB; {cores}"


def describe(*, what: str, command: str, peer: str, note: str, rows: str) -> dict[str, str]:
    """Return the fields of a data file that say how it was made."""
    return {
        "what": what,
        "command": command,
        "machine": machine_name(),
        "versions": f"torch {torch.__version__}, Python {platform.python_version()}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "peer": peer,
        "note": note,
        "rows": rows,
    }


def write(path: Path, fields: Mapping[str, str], cells: Iterable[Cell]) -> None:
    """Write a data file."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    figures = ["figures = [", *(each.text() for each in cells), "]"]
    write_text(path, "\n".join([*lines, *figures, ""]))
