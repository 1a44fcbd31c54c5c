"""Notes and progress bars on stderr; stdout carries results only.

A terminal that was closed must not end the work: from the first failing write on, stderr is
discarded.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tqdm import tqdm

Notify = Callable[[str], None]  # prints a note for the user

_quiet = False


def be_quiet() -> None:
    """Print nothing from now on, because another process prints for this one."""
    global _quiet  # noqa: PLW0603 (one log a process)
    _quiet = True


class Stderr:
    """This process's stderr as a text file whose writes never fail."""

    def write(self, text: str) -> None:
        """Write a text."""
        self._try(lambda: sys.stderr.write(text))

    def flush(self) -> None:
        """Write what is buffered."""
        self._try(sys.stderr.flush)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError:  # the terminal or the reader of a pipe is gone
            discard(2)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


STDERR = Stderr()  # one object: tqdm moves a bar out of the way only for writes to its own file


def discard(descriptor: int) -> None:
    """Send what is written to an open file, such as stderr (2), to nowhere from now on."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def note(message: str) -> None:
    """Print one line on stderr, above the progress bar if there is one."""
    if sys.stderr is not None and not _quiet:  # None if the caller closed it, as in `2>&-`
        if "tqdm" in sys.modules:
            sys.modules["tqdm"].tqdm.write(message, file=STDERR)
        else:
            STDERR.write(f"{message}\n")


class HiddenBar:
    """A progress bar that shows nothing.

    tqdm can hide its bar, but importing tqdm takes longer than translating a sentence.
    """

    disable = True

    def __init__(self, iterable: Iterable[Any] = ()) -> None:
        self._iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, count: float = 1) -> None:
        """Count nothing."""

    def unpause(self) -> None:
        """Do nothing."""

    def set_postfix_str(self, text: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


def progress_bar(
    *, quiet: bool = False, iterable: Iterable[Any] | None = None, **options: Any
) -> "tqdm[Any] | HiddenBar":
    """Return a progress bar on stderr that stays hidden unless stderr is a terminal.

    quiet: hide the bar in any case. iterable: what the bar counts, if it is iterated. options:
    passed to tqdm.
    """
    if quiet or _quiet or sys.stderr is None or not sys.stderr.isatty():
        return HiddenBar(() if iterable is None else iterable)

    from tqdm import tqdm

    if not has_width():
        options["ncols"] = 80  # by itself, tqdm would print nothing
    return tqdm(iterable, file=STDERR, dynamic_ncols="ncols" not in options, **options)


def show_progress(bar: "tqdm[Any] | HiddenBar", done: int, total: int) -> None:
    """Let a bar show how much is done, and of how much, which may have become more."""
    if isinstance(bar, HiddenBar):
        return
    bar.total = total
    bar.update(min(done, total) - bar.n)


def has_width() -> bool:
    """Return whether the terminal of stderr says how many columns it has."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return False
