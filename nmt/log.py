"""What the program says while it works, on stderr; stdout carries results alone."""

import sys
from typing import Any

from tqdm import tqdm


def note(message: str) -> None:
    """One line on stderr, above a progress bar if one is drawn."""
    tqdm.write(message, file=sys.stderr)


def progress_bar(**options: Any) -> "tqdm[Any]":
    """A bar on stderr; quiet when stderr is not a terminal."""
    return tqdm(file=sys.stderr, disable=not sys.stderr.isatty(), dynamic_ncols=True, **options)
