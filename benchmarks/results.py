"""Read and write the data files of benchmarks/results; README.md describes their format."""

import json
import os
import platform
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

from nmt.system.atomic import write_text

NOT_MEASURED = "not measured"

Number = int | float | Decimal  # read as a Decimal, which keeps the digits: 0.70 stays 0.70
Value = Number | str | list[Number]  # text such as "not run"; several values of one quantity


@dataclass(frozen=True)
class Figure:
    """A measured value: one cell of a table."""

    row: str
    column: str
    value: Value
    unit: str  # "ratio" for a ratio; a table leaves it out where the row or column says it
    detail: str = ""  # printed in brackets
    goal: str = ""
    qualifier: str = ""  # printed before the value: "at most", "about"
    range: Sequence[Number] = ()  # lowest and highest of the rounds
    rounds: int = 0

    def text(self) -> str:
        """Return the figure as a line of a data file."""
        own = [(field.name, getattr(self, field.name), field.default) for field in fields(self)]
        named = [(name, value) for name, value, default in own if value != default]
        parts = (f"{name} = {toml(value)}" for name, value in named)
        return f"  {{ {', '.join(parts)} }},"


@dataclass(frozen=True)
class Point:
    """A validation during training; a value that was not recorded is None."""

    bleu: Decimal
    updates: int | None = None
    minutes: Decimal | None = None


@dataclass(frozen=True)
class Curve:
    """Scores of the dev set during one training."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Measurement:
    """A data file. "not recorded" and "none" are written out, so no field is empty by accident."""

    name: str  # of the file, without .toml
    what: str
    command: str
    machine: str
    versions: str
    date: str
    peer: str
    note: str
    rows: str  # heading of the column of row names
    figures: tuple[Figure, ...] = ()
    curves: tuple[Curve, ...] = ()
    ablation: str = ""  # path of an ablation.json, relative to the data file
    shown_rows: Sequence[str] = ()  # that a page's table shows, if not all
    shown_columns: Sequence[str] = ()


Kind = TypeVar("Kind")


def toml(value: object) -> str:
    """Return a value of a data file as TOML; a Decimal keeps its digits."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def read_measurement(path: Path) -> Measurement:
    """Read a data file; ValueError names the file and a field that is missing or unknown."""
    document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    figures = tuple(build(Figure, figure, path) for figure in document.get("figures", ()))
    curves = [
        curve | {"points": tuple(build(Point, point, path) for point in curve["points"])}
        for curve in document.get("curves", ())
    ]
    document |= {"figures": figures, "curves": tuple(build(Curve, curve, path) for curve in curves)}
    return build(Measurement, document | {"name": path.stem}, path)


def build(kind: type[Kind], given: dict[str, Any], path: Path) -> Kind:
    """Make one of the dataclasses above from a TOML table."""
    known: dict[str, Any] = {field.name: field.default for field in fields(cast(Any, kind))}
    missing = [name for name, default in known.items() if default is MISSING and name not in given]
    unknown = [name for name in given if name not in known]
    for problem, names in (("has no", missing), ("has the unknown", unknown)):
        if names:
            raise ValueError(f"{path}: a {kind.__name__.lower()} {problem} {', '.join(names)}")
    return kind(**given)


def machine_name() -> str:
    """Return the GPUs and the cores of this machine."""
    import torch

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
        "versions": f"torch {version('torch')}, Python {platform.python_version()}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "peer": peer,
        "note": note,
        "rows": rows,
    }


def write(path: Path, provenance: Mapping[str, object], figures: Iterable[Figure]) -> None:
    """Write a data file."""
    lines = [f"{key} = {toml(value)}" for key, value in provenance.items()]
    lines += ["figures = [", *(figure.text() for figure in figures), "]", ""]
    write_text(path, "\n".join(lines))
