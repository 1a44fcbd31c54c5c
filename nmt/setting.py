"""How a setting is declared, with its unit, its source and its range, and a value checked."""

import math
from dataclasses import MISSING, Field, field
from typing import Any

from nmt.errors import NmtError

LARGEST_INTEGER = 2**31 - 1  # of a setting without a maximum of its own; SentencePiece's ints


def setting(
    default: Any,
    meaning: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    may_change: bool = False,
) -> Any:
    """Declare a setting; `may_change` marks those that a resumed run may be given anew."""
    metadata = {
        "meaning": meaning,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "may_change": may_change,
    }
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def default_of(declared: "Field[Any]") -> Any:
    """The default value of a declared setting."""
    if declared.default_factory is not MISSING:
        return declared.default_factory()
    return declared.default


def check_value(name: str, value: Any, declared: "Field[Any]") -> Any:
    """The value as its declared type and within its range; raises NmtError naming `name`."""
    default = default_of(declared)
    wanted = type(default)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise NmtError(f"{name} is {value!r} but must be {kind.get(wanted, 'a table or list')}")
    limits = declared.metadata
    if limits["choices"] and value not in limits["choices"]:
        raise NmtError(f"{name} is {value!r} but must be one of: {', '.join(limits['choices'])}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = limits["minimum"], limits["maximum"]
        if not math.isfinite(value):
            raise NmtError(f"{name} is {value} but must be a finite number")
        if low is not None and value < low:
            raise NmtError(f"{name} is {value} but must be at least {low}")
        if high is None and wanted is int:
            high = LARGEST_INTEGER
        if high is not None and value > high:
            raise NmtError(f"{name} is {value} but must be at most {high}")
    return value
