"""Tell by its content which command wrote a file, for files that have lost their mark."""

import re
from collections.abc import Callable
from pathlib import Path

from nmt.runs.model_metadata import AVERAGE, model_metadata

START = 4096  # bytes that recognise a file


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


# Whether a file that has no mark was written by a command, by its content.
RECOGNISERS: dict[str, Callable[[Path], bool]] = {
    AVERAGE: model_by(AVERAGE),
    "evaluate": begins_with(
        rb'\{\s*"evaluation_card":', rb"# Evaluation of (the ensemble )?`[^\n]*\n\n\|  \|  \|\n"
    ),
    "explain": begins_with(page_of("explain")),
    # A zip file whose first entry says that it was exported (`nmt.runs.output_folder`).
    "export": begins_with(rb"PK\x03\x04.{26}[^/]{1,200}/nmt-export\.json"),
    "report": begins_with(page_of("report")),
    "check": begins_with(page_of("check")),
    "import": model_by("import"),
    "rerank": begins_with(rb'\{\s*"rerank_weights":'),
    "ablate": begins_with(page_of("ablate"), rb'\{\s*"ablation":', rb"# Ablation of `[^\n]*\n\nCr"),
}
