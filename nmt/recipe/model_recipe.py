"""Read the recipe inside a model file, which another recipe may extend."""

import json
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.recipe.toml import parse_toml
from nmt.system.files import check_regular, unreadable

ENDING = ".safetensors"  # of a model file
LENGTH_BYTES = 8  # the length of the header, before it
LONGEST_HEADER = 100_000_000  # bytes, by the format


def model_tables(path: Path) -> dict[str, Any]:
    """Return the tables of the recipe inside a model file.

    They lack `train.init_from`: whoever extends the recipe starts from this model, not from the one
    that this model started from. Raises NmtError if the file is not a model of this program.
    """
    recipe = metadata_of(path).get("recipe")
    if not isinstance(recipe, str):
        raise NmtError(
            f"{path} is not a model of this program, because it holds no recipe; `nmt import` makes"
            " one of an OPUS-MT model"
        )
    tables = parse_toml(recipe, f"the recipe inside {path}")
    if "extends" in tables:  # the file may come from another machine: it names no file of this one
        raise NmtError(f"the recipe inside {path} extends another, which it must not")
    train = tables.get("train")
    if isinstance(train, dict):
        train.pop("init_from", None)
    return tables


def metadata_of(path: Path) -> dict[str, Any]:
    """Return the metadata in the header of a .safetensors file, without its tensors.

    The header is read here, because settings are read without the package safetensors. Raises
    NmtError if the file cannot be read or is damaged.
    """
    check_regular(path, "the model")
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
            content = stream.read(length) if length <= LONGEST_HEADER else b""
    except OSError as error:
        raise unreadable("the model", path, error) from error
    try:
        header = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NmtError(f"{path} is not an intact model file; name one that nmt wrote") from error
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return metadata if isinstance(metadata, dict) else {}
