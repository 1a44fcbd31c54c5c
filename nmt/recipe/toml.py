"""TOML: parse text, and write a recipe and its values."""

import json
import tomllib
from dataclasses import asdict
from typing import Any

from nmt.config import SECTIONS, Recipe
from nmt.errors import NmtError


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises NmtError if it is not TOML; `origin` names the text in the message.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NmtError(f"{origin} is not valid TOML: {error}") from error


def parse_value(text: str) -> Any:
    """Return the TOML value of a text; a text that is no TOML value stands for itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def to_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML, with every setting written out so that it depends on no default."""
    lines = [f"name = {toml_value(recipe.name)}"]
    for section in SECTIONS:
        lines.append(f"\n[{section}]")
        values = asdict(getattr(recipe, section))
        lines += [f"{key} = {toml_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Return a value in TOML notation."""
    if isinstance(value, dict):
        items = (f"{toml_value(key)} = {toml_value(each)}" for key, each in value.items())
        return "{ " + ", ".join(items) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value).lower()
