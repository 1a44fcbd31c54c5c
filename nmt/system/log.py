"""What the program says while it works, on stderr; stdout carries results alone."""

import sys
from typing import Any

from tqdm import tqdm

_quiet = False


def be_quiet() -> None:
    """Say nothing from now on: another process speaks for this one."""
    global _quiet  # noqa: PLW0603 (what is said belongs to the process)
    _quiet = True


def note(message: str) -> None:
    """One line on stderr, above a progress bar if one is drawn."""
    if sys.stderr is not None and not _quiet:  # closed by the caller, as in `2>&-`
        tqdm.write(message, file=sys.stderr)


def progress_bar(*, quiet: bool = False, **options: Any) -> "tqdm[Any]":
    """A bar on stderr; quiet when told so or when stderr is not a terminal."""
    quiet = quiet or _quiet or sys.stderr is None or not sys.stderr.isatty()
    return tqdm(file=sys.stderr, disable=quiet, dynamic_ncols=True, **options)
