"""Tell by its content which command wrote a file, for files that have lost their mark."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.system.json_data import convert, parse_json

START = 4096  # bytes that recognise a file
LONGEST_HEADER = 100_000_000  # bytes of a .safetensors header, by its format


def begins_with(*patterns: bytes) -> Callable[[Path], bool]:
    """Return a function that tells whether a file begins like one of some patterns."""
    pattern = re.compile(b"|".join(b"(?:%b)" % each for each in patterns), re.DOTALL)

    def is_known(path: Path) -> bool:
        with path.open("rb") as stream:
            return pattern.match(stream.read(START)) is not None

    return is_known


def page_of(command: str) -> bytes:
    """Return a pattern for the pages of a command, by `generator`."""
    return rb"<!doctype html>.*" + re.escape(generator(command).encode())


def generator(command: str) -> str:
    """Return the HTML element that names the command that wrote a page."""
    return f'<meta name="generator" content="nmt {command}">'


def model_by(command: str) -> Callable[[Path], bool]:
    """Return a function that tells whether a file is a model that a command wrote."""
    return lambda path: model_metadata(path).get("made_by") == command


def model_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a .safetensors file; empty if a file is not one."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > LONGEST_HEADER:
            return {}
        header = stream.read(length)
    try:
        return convert(
            parse_json(header, dict[str, Any], str(path)).get("__metadata__"),
            dict[str, str],
            str(path),
        )
    except NmtError:
        return {}


# Whether a file that has no mark was written by a command, by its content.
RECOGNISERS: dict[str, Callable[[Path], bool]] = {
    "average": model_by("average"),
    "evaluate": begins_with(
        rb'\{\s*"evaluation_card":', rb"# Evaluation of (the ensemble )?`[^\n]*\n\n\|  \|  \|\n"
    ),
    "explain": begins_with(page_of("explain")),
    # A zip file whose first entry says that it was exported (`nmt.artifacts.output_folder`).
    "export": begins_with(rb"PK\x03\x04.{26}[^/]{1,200}/nmt-export\.json"),
    "report": begins_with(page_of("report")),
    "check": begins_with(page_of("check")),
    "import": model_by("import"),
    "rerank": begins_with(rb'\{\s*"rerank_weights":'),
    "ablate": begins_with(page_of("ablate"), rb'\{\s*"ablation":', rb"# Ablation of `[^\n]*\n\nCr"),
}
