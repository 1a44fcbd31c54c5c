"""JSON is read as typed values, or refused in one sentence; NaN is never written."""

import json
import math
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from msgspec import Meta

from nmt.errors import DamagedError
from nmt.system.json_data import DEEPEST, convert, json_text, parse_json, parse_object


@dataclass(frozen=True)
class Point:
    x: Annotated[int, Meta(ge=0, le=9)]
    name: str = "none"


def test_a_value_has_its_type() -> None:
    assert parse_json(b'{"x": 1, "more": []}', Point, "p") == Point(1)
    assert convert({"x": 9, "name": "a"}, Point, "p") == Point(9, "a")
    assert parse_json('{"x": 1, "x": 2}', Point, "p") == Point(2)  # the last of equal keys


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "[1]", "{}", '{"x": "1"}', '{"x": 1.5}', '{"x": true}', '{"x": -1}'),
        *('{"x": 10}', '{"x": NaN}', '{"x": 1e999}', f'{{"x": {10**30}}}', '{"x": 1, "name": 2}'),
        *('{"x": 1} {', '\ufeff{"x": 1}', '{"x": 1, "more": ' + "[" * 5000 + "]" * 5000 + "}"),
        '{"x": 1, "name": "\\ud800"}',
    ],
)
def test_other_values_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(DamagedError, match=r"^the file is damaged: ") as refused:
        parse_json(text, Point, "the file")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(DamagedError):
        parse_object(b'{"a": "\xff"}', "the file")


def nested(depth: int) -> str:
    """Return an object with this many levels."""
    return '{"a": ' * depth + "1" + "}" * depth


def test_an_object_with_any_keys_has_a_bounded_depth() -> None:
    assert parse_object(nested(DEEPEST), "p") == json.loads(nested(DEEPEST))
    for depth in (DEEPEST + 1, 900, 100_000):
        with pytest.raises(DamagedError, match="p is damaged: it is nested too deeply"):
            parse_object(nested(depth), "p")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null(value: float) -> None:
    written: dict[str, Any] = {"a": value, "b": [value, 1.5], "c": (Point(1),)}
    expected = {"a": None, "b": [None, 1.5], "c": [{"x": 1, "name": "none"}]}
    assert json.loads(json_text(written, 1)) == expected
