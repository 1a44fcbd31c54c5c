"""Build recipes from TOML, checking every key and value, and write recipes as TOML.

The recipe of a model or a run holds every setting, also those that were removed since. A removed
setting with its default value changes nothing and is ignored. Another value is ignored if the model
or the run is only read; a training refuses it.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import Field, asdict, fields
from typing import Any, NamedTuple

from nmt.config import DECLARED, SECTIONS, Download, Recipe, TextFiles
from nmt.config.setting import UNWRITABLE, check_text, check_value
from nmt.errors import NmtError, shown, suggestion


class Removed(NamedTuple):
    """A removed setting."""

    default: Any  # the last one
    reason: str  # why it was removed, and what replaces it


AUGMENT = Removed(0.0, "it cost 0.6 to 2.0 BLEU, and decoding places tags instead")
REMOVED = {
    "train.augment_upper_case": AUGMENT,
    "train.augment_title_case": AUGMENT,
    "train.augment_typos": AUGMENT,
    "train.augment_placeholders": AUGMENT,
    "train.augment_tags": AUGMENT,
    "decode.target_token": Removed("", "decode.target_language (--to) names the language"),
}


def used_removed(tables: Mapping[str, Any]) -> list[str]:
    """Return the names of removed settings that have another value than the default."""
    return [
        name
        for section, values in tables.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
        if (name := f"{section}.{key}") in REMOVED and value != REMOVED[name].default
    ]


def without_removed(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's tables without the removed settings, whatever their values."""
    return {
        section: {key: value for key, value in values.items() if f"{section}.{key}" not in REMOVED}
        if isinstance(values, dict)
        else values
        for section, values in tables.items()
    }


LARGEST_TEXT = 1_000_000  # bytes or characters; the shipped recipes have some thousands
LONGEST_REASON = 200  # characters
# A key of 32 or more parts, such as a.b.c. tomllib's memory grows with the square of their number;
# a recipe has keys of up to four.
LONG_KEY = re.compile(
    r"""(?<![\w\\-])(?:(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){32}"""
)
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# A recipe's name is also the name of its run below runs/: a folder, or one within another, as in
# paper/base.
FOLDER_NAME = rf"(?!\.{{1,2}}(?:/|$))[^/\\\t{UNWRITABLE}]+"
RECIPE_NAME = re.compile(rf"{FOLDER_NAME}(?:/{FOLDER_NAME})?")
LONGEST_NAME = 120  # characters


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


def recipe_from_tables(tables: Mapping[str, Any], name: str, origin: str) -> Recipe:
    """Return the recipe of parsed TOML tables.

    name: the recipe's name if the tables have none. origin: names them in errors. Raises NmtError
    for an unknown or removed key or a bad value; `check_together` checks that the settings fit each
    other.
    """
    sections = {key: value for key, value in tables.items() if key != "name"}
    name = tables.get("name", name)
    try:
        check_recipe_name(name)
        check_sections(sections)
        for used in used_removed(sections):
            raise NmtError(
                f"{used} was removed: {REMOVED[used].reason}; leave it out, and train in a new"
                " run folder (--run)"
            )
        sections = without_removed(sections)
        settings = {
            section: build_settings(kind, f"{section}.", sections.get(section, {}))
            for section, kind in SECTIONS.items()
        }
    except NmtError as error:
        raise NmtError(f"{origin}: {error}") from error
    return Recipe(name=name, **settings)


def check_recipe_name(name: Any) -> None:
    """Raise NmtError if a recipe cannot have this name."""
    if not isinstance(name, str) or not RECIPE_NAME.fullmatch(name):
        raise NmtError(f"name is {shown(name)} but must be a text that can name a folder")
    if len(name) > LONGEST_NAME:
        raise NmtError(f"name has {len(name):,} characters but must have at most {LONGEST_NAME}")


def check_sections(sections: Mapping[str, Any]) -> None:
    """Raise NmtError for an unknown section, or for a key outside the sections."""
    for section, values in sections.items():
        if section not in SECTIONS and not isinstance(values, dict):
            known = ", ".join(f"[{name}]" for name in SECTIONS)
            raise NmtError(f"unknown key {shown(section)}: settings belong in the sections {known}")
        if section not in SECTIONS:
            raise NmtError(f"unknown section {shown(section)}{suggestion(section, SECTIONS)}")
        if not isinstance(values, dict):
            raise NmtError(f"'{section}' must be a table, [{section}]")


def build_settings(kind: type[Any], prefix: str, values: Mapping[str, Any]) -> Any:
    """Return an instance of a settings dataclass made from a TOML table.

    prefix: stands before each key in errors. Raises NmtError for an unknown key or a bad value.
    """
    known = {declared.name: declared for declared in fields(kind)}
    checked = {}
    for key, value in values.items():
        name = f"{prefix}{key}" if isinstance(key, str) else key
        if key not in known:
            raise NmtError(f"unknown setting {shown(name)}{suggestion(key, known, with_key(key))}")
        checked[key] = build_value(name, value, known[key])
    if kind is TextFiles:
        given = [name for name in ("source", "target", "tsv", "file") if checked.get(name)]
        if given not in (["source", "target"], ["tsv"], ["file"]):
            raise NmtError(
                f"{prefix.rstrip('.')} needs either source and target, or tsv or file alone"
            )
        columns = checked.get("columns", ())
        if columns and (given != ["tsv"] or len(columns) != 2 or min(columns) < 1):
            raise NmtError(
                f"{prefix}columns must be two numbers from 1 on, of the source and of the target in"
                " a TSV file (tsv)"
            )
    return kind(**checked)


def with_key(wanted: object) -> list[str]:
    """Return the names of the settings, of any section, that have a key: `section.key` or `key`.

    For a word alone, such as beam, they may be those whose keys begin with it.
    """
    if not isinstance(wanted, str):
        return []
    section, _, key = wanted.rpartition(".")
    keys = {name: name.partition(".")[2] for name in DECLARED}
    exact = [name for name in keys if keys[name] == key]
    return exact or [name for name in keys if not section and keys[name].startswith(f"{key}_")]


def build_value(name: str, value: Any, declared: "Field[Any]") -> Any:
    """Return a setting's value, with lists as tuples and tables as dataclasses.

    Raises NmtError if it is not one that the setting may have.
    """
    if name in ("data.train", "data.dev", "data.downloads"):
        kind = Download if name == "data.downloads" else TextFiles
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise NmtError(f"{name} must be a list of tables")
        value = tuple(build_settings(kind, f"{name}.", table) for table in value)
    elif name == "data.test":
        value = build_test_sets(name, value)
    elif isinstance(value, list) and isinstance(declared.metadata["default"], tuple):
        wanted, what = (int, "whole numbers") if name.endswith(".columns") else (str, "texts")
        if not all(type(item) is wanted for item in value):
            raise NmtError(f"{name} must be a list of {what}")
        value = tuple(value)
    return check_value(name, value, declared)


def build_test_sets(name: str, tables: Any) -> dict[str, TextFiles]:
    """Return test sets by name from a table of tables; raises NmtError for anything else."""
    if not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise NmtError(f"{name} must hold a table for each test set")
    for key in tables:
        if not isinstance(key, str):
            raise NmtError(f"a name in {name} is {shown(key)} but must be a text")
        check_text(f"a name in {name}", key, LONGEST_NAME)
    return {
        key: build_settings(TextFiles, f"{name}.{key}.", table) for key, table in tables.items()
    }


def to_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML, with every setting written out so that it depends on no default."""
    lines = [f"name = {toml_value(recipe.name)}"]
    for section in SECTIONS:
        lines.append(f"\n[{section}]")
        values = asdict(getattr(recipe, section))
        lines += [f"{key} = {toml_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def was_written(text: str, recipe: Recipe) -> bool:
    """Return whether a text is a recipe as this or an older version of `to_toml` writes it."""
    keys = {name.partition(".")[2] for name in REMOVED}
    lines = (line for line in text.split("\n") if line.partition(" = ")[0] not in keys)
    return "\n".join(lines) == to_toml(recipe)


def toml_key(key: str) -> str:
    """Return a key in TOML notation, in quotes if it needs them."""
    return key if BARE_KEY.fullmatch(key) else toml_value(key)


def toml_value(value: Any) -> str:
    """Return a value in TOML notation."""
    if isinstance(value, dict):
        items = (f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return "{ " + ", ".join(items) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value).lower()


def format_value(value: Any) -> str:
    """Return a value in recipe notation, texts without quotes."""
    return value if isinstance(value, str) and value else toml_value(value)
