"""TOML: parse text, and write a recipe and its values."""

import json
import re
import tomllib
from dataclasses import asdict
from typing import Any

from nmt.config import SECTIONS, Recipe
from nmt.errors import NmtError

LARGEST_TEXT = 1_000_000  # bytes or characters; the shipped recipes have some thousands
LONGEST_REASON = 200  # characters
# A key of 32 or more parts, such as a.b.c. tomllib's memory grows with the square of their number;
# a recipe has keys of up to four.
LONG_KEY = re.compile(
    r"""(?<![\w\\-])(?:(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){32}"""
)

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises NmtError if it is not TOML, or too large for a recipe; `origin` names the text in the
    message.
    """
    if len(text) > LARGEST_TEXT:
        raise NmtError(f"{origin} has more than {LARGEST_TEXT:,} characters; it is not a recipe")
    if LONG_KEY.search(text):
        raise NmtError(f"{origin} has a key of more than 32 parts; it is not a recipe")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise NmtError(f"{origin} is nested too deeply; it is not a recipe") from error
    except ValueError as error:
        raise NmtError(f"{origin} is not valid TOML: {str(error)[:LONGEST_REASON]}") from error


def parse_value(text: str) -> Any:
    """Return the TOML value of a text; a text that is no TOML value stands for itself."""
    try:
        tables = parse_toml(f"value = {text}", "the value")
    except NmtError:
        return text
    return tables["value"] if len(tables) == 1 else text


def to_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML, with every setting written out so that it depends on no default."""
    lines = [f"name = {toml_value(recipe.name)}"]
    for section in SECTIONS:
        lines.append(f"\n[{section}]")
        values = asdict(getattr(recipe, section))
        lines += [f"{key} = {toml_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def toml_key(key: str) -> str:
    """Return a key in TOML notation, in quotes if it needs them."""
    return key if BARE_KEY.fullmatch(key) else toml_value(key)


def toml_value(value: Any) -> str:
    """Return a value in TOML notation."""
    if isinstance(value, dict):
        items = (f"{toml_key(key)} = {toml_value(each)}" for key, each in value.items())
        return "{ " + ", ".join(items) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value).lower()
