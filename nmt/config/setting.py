"""Declare a setting with its meaning and range, and check a value against them."""

import math
import re
from dataclasses import Field, field
from datetime import date, time
from typing import Any

from nmt.errors import NmtError, shown

# Ranges that several settings share; there is room beyond any model or training known today.
LAYERS = (1, 1000)
WIDTH = (1, 16_384)
RATE = (0, 0.99)
UPDATES = (1, 100_000_000)
BATCH = (1, 100_000_000)  # tokens

LONGEST_TEXT = 4096  # characters; Linux allows no longer path
MOST_ENTRIES = 10_000  # of a list or a table, such as the files of a corpus
# Control characters but the tab, which a file's name may hold; line breaks; what UTF-8 cannot hold.
UNWRITABLE = r"\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def setting(
    default: Any,
    meaning: str,
    limits: tuple[float, float] | None = None,
    *,
    choices: tuple[str, ...] = (),
    may_change: bool = False,
) -> Any:
    """Declare a field of a settings dataclass.

    default: the default value; its type is the setting's type. meaning: a phrase with the unit, and
    the paper's section in brackets, for --help and the manual. limits: the smallest and the largest
    valid number; every number needs them. choices: the valid texts, or none to allow any.
    may_change: whether a resumed run may use another value.
    """
    minimum, maximum = limits or (None, None)
    metadata = {
        "default": default,
        "meaning": meaning,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "may_change": may_change,
    }
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def show_toml(value: Any) -> str:
    """Return a value of a TOML file as a message shows it: true and dates as TOML writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (date, time)) else shown(value)


def check_value(name: str, value: Any, declared: "Field[Any]") -> Any:
    """Return a value in a setting's declared type.

    Raises NmtError, naming the setting `name`, if the type is wrong or the value is out of range.
    """
    wanted = type(declared.metadata["default"])
    if type(value) is not wanted and not (wanted is float and type(value) is int):
        kind = KINDS.get(wanted, "a table or list")
        raise NmtError(f"{name} is {show_toml(value)} but must be {kind}")
    choices = declared.metadata["choices"]
    if choices and value not in choices:
        raise NmtError(f"{name} is {shown(value)} but must be one of: {', '.join(choices)}")
    if wanted in (int, float):
        check_number(name, value, declared)
        return wanted(value)
    if wanted is str:
        check_text(name, value)
    elif wanted is not bool:
        check_entries(name, value)
    return value


def check_number(name: str, value: float, declared: "Field[Any]") -> None:
    """Raise NmtError if a number is not finite or out of range."""
    low, high = declared.metadata["minimum"], declared.metadata["maximum"]
    if low <= value <= high:
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise NmtError(f"{name} is {value} but must be a finite number")
    bound = f"at least {low}" if value < low else f"at most {high}"
    raise NmtError(f"{name} is {shown(value)} but must be {bound}")


def check_text(name: str, text: str, longest: int = LONGEST_TEXT) -> None:
    """Raise NmtError if a text is too long or cannot be written into a recipe."""
    if len(text) > longest:
        raise NmtError(f"{name} has {len(text):,} characters but must have at most {longest:,}")
    if found := re.search(f"[{UNWRITABLE}]", text):
        raise NmtError(f"{name} is {shown(text)} but must not hold the character {found[0]!r}")


def check_entries(name: str, entries: Any) -> None:
    """Raise NmtError if a list or a table has too many entries, or a text among them is wrong."""
    if len(entries) > MOST_ENTRIES:
        raise NmtError(
            f"{name} has {len(entries):,} entries but must have at most {MOST_ENTRIES:,}"
        )
    for entry in entries:
        if isinstance(entry, str):  # a file's name, or the key of a table
            check_text(name, entry)
