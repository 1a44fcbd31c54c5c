"""Read the data files of benchmarks/results; README.md describes their format."""

import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

Number = int | Decimal  # a Decimal keeps the digits that the file has: 0.70 stays 0.70
Value = Number | str | list[Number]  # text such as "not run"; several values of one quantity


@dataclass(frozen=True)
class Figure:
    """A measured value: one cell of a table."""

    row: str
    column: str
    value: Value
    unit: str  # "ratio" for a ratio; a table leaves it out where the row or column says it
    qualifier: str = ""  # printed before the value: "at most", "about"
    range: Sequence[Number] = ()  # lowest and highest of the rounds
    rounds: int = 0
    detail: str = ""  # printed in brackets
    goal: str = ""


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


Kind = TypeVar("Kind")


def read_measurement(path: Path) -> Measurement:
    """Read a data file; ValueError names the file and a field that is missing or unknown."""
    document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    figures = tuple(build(Figure, each, path) for each in document.get("figures", ()))
    curves = [
        each | {"points": tuple(build(Point, point, path) for point in each["points"])}
        for each in document.get("curves", ())
    ]
    document |= {"figures": figures, "curves": tuple(build(Curve, each, path) for each in curves)}
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
