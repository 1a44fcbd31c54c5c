"""Declare a setting with its meaning and range, and check a value against them."""

import math
from dataclasses import MISSING, Field, field
from typing import Any

from nmt.errors import NmtError

# Maximum of an integer setting that declares none; SentencePiece's integers have 32 bits.
LARGEST_INTEGER = 2**31 - 1


def setting(
    default: Any,
    meaning: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    may_change: bool = False,
) -> Any:
    """Declare a field of a settings dataclass.

    default: the default value; its type is the setting's type. meaning: a phrase with the unit, and
    the paper's section in brackets, for --help and the manual. minimum, maximum: the valid range,
    both included. choices: the valid texts, or none to allow any. may_change: whether a resumed run
    may use another value.
    """
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
    """Return the default value of a declared setting."""
    if declared.default_factory is not MISSING:
        return declared.default_factory()
    return declared.default


def check_value(name: str, value: Any, declared: "Field[Any]") -> Any:
    """Return a value in a setting's declared type.

    Raises NmtError, naming the setting `name`, if the type is wrong or the value is out of range.
    """
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
