"""Recipes: TOML files <-> the dataclasses of `nmt.config`.

Precedence: default < extended recipe < recipe < `--set section.key=value`. Unknown keys are refused
with the nearest valid name.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from nmt.config import (
    SECTIONS,
    Download,
    Recipe,
    TextFiles,
    declared_settings,
)
from nmt.errors import NmtError, UsageError
from nmt.setting import check_value
from nmt.system.resources import shipped

SECTIONS_ARE = f" ({', '.join(f'[{section}]' for section in SECTIONS)})"
DEFAULT_RECIPE = "pocket"
# Of a run below runs/: a folder, or one within another, as in paper/base.
FOLDER_NAME = re.compile(r"(?!\.{1,2}(/|$))[^/\\\x00-\x1f]+(/(?!\.{1,2}$)[^/\\\x00-\x1f]+)?")


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the program; one in a folder is named `folder/recipe`."""
    return sorted(recipe_name(path) for path in shipped("recipes").rglob("*.toml"))


def recipe_name(path: Path) -> str:
    """What a recipe's file calls it, if the recipe itself doesn't say."""
    with suppress(ValueError):
        return path.resolve().relative_to(shipped("recipes").resolve()).with_suffix("").as_posix()
    return path.stem


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known word, or the list of all of them."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"


def load_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe at a path or of a shipped name, with `section.key=value` overrides applied.

    Raises NmtError for a bad file, UsageError for an unknown name or override.
    """
    path = find_recipe(name)
    recipe = override(recipe_from(read_tables(path), recipe_name(path), str(path)), overrides)
    check_together(recipe)
    return recipe


def check_together(recipe: Recipe) -> None:
    """Refuse settings that are right each by itself; raises NmtError."""
    check_positions(recipe)
    if recipe.model.positions == "rotary" and recipe.model.d_k % 2:
        raise NmtError(
            f"recipe {recipe.name}: model.positions=rotary turns pairs of numbers, but"
            f" model.d_k={recipe.model.d_k} is odd; make it even"
        )
    if not recipe.tokenizer.joint and recipe.model.tied == "all":
        raise NmtError(
            f"recipe {recipe.name}: tokenizer.joint=false makes two vocabularies, which cannot"
            " share one matrix; set model.tied to target or none"
        )
    metric, stopping = recipe.data.metric, recipe.train.early_stopping_metric
    if stopping not in (metric, "loss"):
        raise NmtError(
            f"recipe {recipe.name}: train.early_stopping_metric is {stopping} but data.metric is"
            f" {metric}; set train.early_stopping_metric to {metric} or loss"
        )
    if recipe.train.bpe_dropout and recipe.tokenizer.kind != "bpe":
        raise NmtError(
            f"recipe {recipe.name}: train.bpe_dropout needs tokenizer.kind=bpe, not"
            f" {recipe.tokenizer.kind}, which merges nothing; set train.bpe_dropout to 0"
        )


def find_recipe(name: str, beside: Path = Path()) -> Path:
    """The file of a recipe: a path from the folder `beside`, or a shipped name."""
    path = beside / name
    if path.suffix == ".toml" or path.is_file():
        return path
    known = shipped_recipes()
    if name not in known:
        raise UsageError(f"no recipe '{name}'{suggestion(name, known)}")
    return shipped("recipes") / f"{name}.toml"


def read_tables(path: Path, extending: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe file's tables over those of the recipe it extends; raises NmtError.

    `extends` names a shipped recipe, or a file from the folder that the recipe is in.
    """
    tables = parse_toml(read_text(path), str(path))
    base = tables.pop("extends", None)
    if base is None:
        return tables
    if not isinstance(base, str) or not base:
        raise NmtError(f"{path}: extends is {base!r} but must name a recipe")
    chain = (*extending, path.resolve())
    try:
        found = find_recipe(base, path.parent)
    except UsageError as error:
        raise NmtError(f"{path} extends {base}: {error}") from error
    if found.resolve() in chain:
        raise NmtError(f"{path} extends {base}, which extends it in turn; take one of them out")
    merged = read_tables(found, chain)
    merged.pop("name", None)
    for section, values in tables.items():
        old = merged.get(section, {})
        both = isinstance(old, dict) and isinstance(values, dict)
        merged[section] = {**old, **values} if both else values
    return merged


def read_text(path: Path) -> str:
    """The text of a small file; raises NmtError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise NmtError(f"cannot read the recipe {path}: {reason}") from error


def parse_recipe(text: str, name: str, origin: str) -> Recipe:
    """The recipe written in TOML, which extends no other; `origin` names it in errors."""
    return recipe_from(parse_toml(text, origin), name, origin)


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """The tables of a TOML text; raises NmtError."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NmtError(f"{origin} is not valid TOML: {error}") from error


def recipe_from(tables: dict[str, Any], name: str, origin: str) -> Recipe:
    """The recipe in TOML's tables; `origin` names it in errors."""
    name = tables.pop("name", name)
    if not isinstance(name, str) or not FOLDER_NAME.fullmatch(name):
        raise NmtError(f"{origin}: name is {name!r} but must be a text that can name a folder")
    try:
        for section, values in tables.items():
            if section not in SECTIONS and not isinstance(values, dict):
                raise NmtError(f"unknown key '{section}': settings stand in sections{SECTIONS_ARE}")
            if section not in SECTIONS:
                raise NmtError(f"unknown section [{section}]{suggestion(section, SECTIONS)}")
            if not isinstance(values, dict):
                raise NmtError(f"'{section}' must be a table, [{section}]")
        sections = {
            section: build(kind, f"{section}.", tables.get(section, {}))
            for section, kind in SECTIONS.items()
        }
    except NmtError as error:
        raise NmtError(f"{origin}: {error}") from error
    return Recipe(name=name, **sections)


def build(kind: type[Any], prefix: str, values: Mapping[str, Any]) -> Any:
    """A settings dataclass from a TOML table, every key and value checked."""
    declared = {each.name: each for each in fields(kind)}
    checked = {}
    for key, raw in values.items():
        if key not in declared:
            raise NmtError(f"unknown setting {prefix}{key}{suggestion(key, declared)}")
        value = build_nested(f"{prefix}{key}", raw)
        checked[key] = check_value(f"{prefix}{key}", value, declared[key])
    if kind is TextFiles:
        check_files(prefix, checked)
    return kind(**checked)


def build_nested(name: str, value: Any) -> Any:
    """Lists and tables of files as their dataclasses; anything else unchanged."""
    if name in ("data.train", "data.dev", "data.downloads"):
        kind = Download if name == "data.downloads" else TextFiles
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise NmtError(f"{name} must be a list of tables")
        return tuple(build(kind, f"{name}.", each) for each in value)
    if name == "data.test":
        if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
            raise NmtError(f"{name} must hold a table for each test set")
        return {key: build(TextFiles, f"{name}.{key}.", each) for key, each in value.items()}
    if not isinstance(value, list):
        return value
    if not all(isinstance(each, str) for each in value):
        raise NmtError(f"{name} must be a list of texts")
    return tuple(value)


def check_files(prefix: str, files: Mapping[str, str]) -> None:
    """Refuse a corpus that is neither two files nor one TSV."""
    pair = bool(files.get("source")) + bool(files.get("target"))
    if pair != (0 if files.get("tsv") else 2):
        raise NmtError(f"{prefix.rstrip('.')} needs either source and target, or tsv alone")


def override(recipe: Recipe, overrides: Iterable[str]) -> Recipe:
    """The recipe with `section.key=value` texts applied; raises UsageError."""
    known = dict(declared_settings())
    for text in overrides:
        name, equals, raw = (part.strip() for part in text.partition("="))
        if not equals:
            raise UsageError(f"--set takes section.key=value, not '{text}'")
        if name not in known:
            raise UsageError(f"unknown setting '{name}'{suggestion(name, known)}")
        try:
            value = check_value(name, build_nested(name, parse_value(raw)), known[name])
        except NmtError as error:
            raise UsageError(str(error)) from error
        section, key = name.split(".")
        changed = replace(getattr(recipe, section), **{key: value})
        recipe = replace(recipe, **{section: changed})
    return recipe


def check_positions(recipe: Recipe) -> None:
    """Refuse text with more positions than a model will have learned; raises NmtError."""
    model = recipe.model
    if model.positions != "learned":
        return
    if recipe.data.max_length >= model.max_positions:
        raise NmtError(
            f"data.max_length={recipe.data.max_length} and the end of a segment are more than the"
            f" model.max_positions={model.max_positions} that are learned; lower the one or raise"
            " the other"
        )
    if recipe.train.bpe_dropout:
        raise NmtError(
            "train.bpe_dropout can cut a segment into more pieces than model.positions=learned has"
            " positions; leave one of them out"
        )


def parse_value(text: str) -> Any:
    """A TOML value; a word without quotes is itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def to_toml(recipe: Recipe) -> str:
    """The resolved recipe, every setting written out, so that it depends on no default."""
    lines = [f"name = {toml_value(recipe.name)}"]
    for section in SECTIONS:
        lines.append(f"\n[{section}]")
        values = asdict(getattr(recipe, section))
        lines += [f"{key} = {toml_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """A value in TOML's notation."""
    if isinstance(value, dict):
        items = (f"{toml_value(key)} = {toml_value(each)}" for key, each in value.items())
        return "{ " + ", ".join(items) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value).lower()


def changed_keys(old: Recipe, new: Recipe) -> list[str]:
    """Names of the settings that differ and that a resumed run may not change."""
    return [
        f"{name} ({getattr(getattr(old, section), key)} -> {getattr(getattr(new, section), key)})"
        for name, declared in declared_settings()
        for section, key in [name.split(".")]
        if not declared.metadata["may_change"]
        and getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    ]
