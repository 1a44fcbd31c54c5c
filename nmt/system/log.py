"""Notes and progress bars on stderr; stdout carries results only."""

import sys
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

Notify = Callable[[str], None]  # prints a note for the user

_quiet = False


def be_quiet() -> None:
    """Print nothing from now on, because another process prints for this one."""
    global _quiet  # noqa: PLW0603 (one log a process)
    _quiet = True


def note(message: str) -> None:
    """Print one line on stderr, above the progress bar if there is one."""
    if sys.stderr is not None and not _quiet:  # None if the caller closed it, as in `2>&-`
        tqdm.write(message, file=sys.stderr)


def progress_bar(*, quiet: bool = False, **options: Any) -> "tqdm[Any]":
    """Return a progress bar on stderr that stays hidden unless stderr is a terminal.

    quiet: hide the bar in any case. options: passed to tqdm.
    """
    quiet = quiet or _quiet or sys.stderr is None or not sys.stderr.isatty()
    return tqdm(file=sys.stderr, disable=quiet, dynamic_ncols=True, **options)
