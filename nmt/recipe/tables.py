"""Build recipes from TOML tables and check every key and value."""

import difflib
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields
from typing import Any

from nmt.config import SECTIONS, Download, Recipe, TextFiles
from nmt.config.setting import UNWRITABLE, check_text, check_value
from nmt.errors import NmtError, shown
from nmt.recipe.removed import check_removed, without_removed

SECTION_LIST = ", ".join(f"[{section}]" for section in SECTIONS)
# A recipe's name is also the name of its run below runs/: a folder, or one within another, as in
# paper/base.
FOLDER_NAME = rf"(?!\.{{1,2}}(?:/|$))[^/\\\t{UNWRITABLE}]+"
RECIPE_NAME = re.compile(rf"{FOLDER_NAME}(?:/{FOLDER_NAME})?")
LONGEST_NAME = 120  # characters
LONGEST_LIST = 200  # characters


def suggestion(word: object, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known word, or a list of known words."""
    known = list(known)
    near = difflib.get_close_matches(word, known, 1, 0.5) if isinstance(word, str) else []
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known: {textwrap.shorten(', '.join(known), LONGEST_LIST, placeholder=' ...')}"


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
        check_removed(sections)
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
            raise NmtError(
                f"unknown key {shown(section)}: settings belong in the sections {SECTION_LIST}"
            )
        if section not in SECTIONS:
            raise NmtError(f"unknown section {shown(section)}{suggestion(section, SECTIONS)}")
        if not isinstance(values, dict):
            raise NmtError(f"'{section}' must be a table, [{section}]")


def build_settings(kind: type[Any], prefix: str, values: Mapping[str, Any]) -> Any:
    """Return an instance of a settings dataclass made from a TOML table.

    prefix: stands before each key in errors. Raises NmtError for an unknown key or a bad value.
    """
    declared = {each.name: each for each in fields(kind)}
    checked = {}
    for key, raw in values.items():
        if key not in declared:
            name = f"{prefix}{key}" if isinstance(key, str) else key
            raise NmtError(f"unknown setting {shown(name)}{suggestion(key, declared)}")
        value = build_value(f"{prefix}{key}", raw, declared[key])
        checked[key] = check_value(f"{prefix}{key}", value, declared[key])
    if kind is TextFiles:
        check_files(prefix, checked)
    return kind(**checked)


def build_value(name: str, value: Any, declared: "Field[Any]") -> Any:
    """Return a setting's value with its lists as tuples and its tables as dataclasses.

    Raises NmtError if a list or a table holds the wrong things.
    """
    if name in ("data.train", "data.dev", "data.downloads"):
        kind = Download if name == "data.downloads" else TextFiles
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise NmtError(f"{name} must be a list of tables")
        return tuple(build_settings(kind, f"{name}.", each) for each in value)
    if name == "data.test":
        return build_test_sets(name, value)
    if not isinstance(value, list) or not isinstance(declared.metadata["default"], tuple):
        return value
    if not all(isinstance(each, str) for each in value):
        raise NmtError(f"{name} must be a list of texts")
    return tuple(value)


def build_test_sets(name: str, value: Any) -> dict[str, TextFiles]:
    """Return test sets by name from a table of tables; raises NmtError for anything else."""
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        raise NmtError(f"{name} must hold a table for each test set")
    for key in value:
        if not isinstance(key, str):
            raise NmtError(f"a name in {name} is {shown(key)} but must be a text")
        check_text(f"a name in {name}", key, LONGEST_NAME)
    return {key: build_settings(TextFiles, f"{name}.{key}.", each) for key, each in value.items()}


def check_files(prefix: str, files: Mapping[str, Any]) -> None:
    """Raise NmtError for a corpus that is neither two files nor one TSV file."""
    pair = bool(files.get("source")) + bool(files.get("target"))
    if pair != (0 if files.get("tsv") else 2):
        raise NmtError(f"{prefix.rstrip('.')} needs either source and target, or tsv alone")
