"""Change valid JSON and bytes a little, or much.

A strategy draws one seed for each case, as drawing every change would take ten times as long.
"""

import copy
import json
import math
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

Value = TypeVar("Value")

DEEP: Any = 1
for _ in range(200):
    DEEP = [DEEP]

ODD_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 8, 9, 2**31, 2**53, 2**63, -(2**63), 2**64, 10**30, 10**400),
    *(0.5, -0.5, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf),
    *("", "x", "8", "\x00", "\x1b[2J", "\ud800", "\u2028", "é" * 300, "0" * 64, "null", "[1e999]"),
    *([], {}, [[]], [None], {"": None}, [1, 2], {"a": {"b": 1}}, DEEP),
]
ODD_TEXTS = ["NaN", "1e999", "[" * 5000, '{"":' * 5000, '"', "\\u", "\x00", "\ufeff", "1" * 5000]


def seeded(make: Callable[[Random], Value]) -> st.SearchStrategy[Value]:
    """Return a strategy of what a function makes from a source of random numbers."""
    return st.integers(0, 2**32).map(lambda seed: make(Random(seed)))


def changed_json(draw: Random, valid: Any, most: int = 2) -> Any:
    value = copy.deepcopy(valid)
    for _ in range(draw.randint(0, most)):
        value = change(draw, value)
    return value


def change(draw: Random, value: Any, odd: list[Any] = ODD_VALUES) -> Any:
    """Return a JSON value with one part, anywhere in it, replaced, removed, renamed or copied."""
    if not isinstance(value, (dict, list)) or not value or draw.random() < 0.1:
        return copy.deepcopy(draw.choice(odd))
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw.choice(keys)
    how = draw.choice(["within", "within", "within", "within", "remove", "rename", "copy"])
    if how == "within":
        value[key] = change(draw, value[key], odd)
    elif how == "copy":
        value[key] = copy.deepcopy(value[draw.choice(keys)])
    elif how == "rename" and isinstance(value, dict):
        value[draw.choice(["", "x", "\x00", *keys])] = value.pop(key)
    else:
        del value[key]
    return value


def changed_bytes(draw: Random, content: bytes, most: int = 2) -> bytes:
    """Return bytes with up to `most` changes: cut, overwritten, inserted into or repeated."""
    for _ in range(draw.randint(0, most)):
        place = draw.randint(0, len(content))
        before, after = content[:place], content[place:]
        how = draw.choice(["flip", "flip", "cut", "insert", "odd", "repeat", "drop"])
        if how == "cut":
            content = before
        elif how == "insert":
            content = before + draw.randbytes(draw.randint(1, 9)) + after
        elif how == "odd":
            content = before + draw.choice(ODD_TEXTS).encode() + after
        elif how == "repeat":
            content = before + after[: draw.randint(1, 99)] + after
        elif how == "drop":
            content = before + after[draw.randint(1, 99) :]
        elif after:
            content = before + bytes([after[0] ^ 1 << draw.randint(0, 7)]) + after[1:]
    return content


def json_text(draw: Random, valid: Any) -> bytes:
    """Return the text of a JSON value; the value, the text or both are changed a little."""
    text = json.dumps(changed_json(draw, valid)).encode()
    return changed_bytes(draw, text, draw.choice([0, 0, 1, 2]))
