"""Read lines from a terminal, with editing and a history that outlives the program.

Both come from Python's readline module (GNU readline or libedit). The history is a file of plain
lines, because the two libraries write different formats.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nmt.errors import NmtError
from nmt.system.atomic import atomic_path
from nmt.system.log import Notify

try:
    import readline
except ImportError:  # Python was built without it: lines are read without editing
    readline = None  # type: ignore[assignment] # some Pythons lack the module

VARIABLE = "NMT_HISTORY"
KEPT_LINES = 1_000
KEPT_CHARACTERS = 10_000  # of a line; longer ones were pasted, not typed
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700  # permissions: texts may be confidential


def history_file() -> Path | None:
    """Return the file that keeps the history, or None if none is wanted.

    NMT_HISTORY names it; empty turns it off. By default it is nmt/history in the folder for state
    of the XDG Base Directory Specification, which ignores relative paths.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = state if os.path.isabs(state) else os.path.expanduser("~/.local/state")
    return Path(folder, "nmt", "history")


@contextmanager
def line_editor(notify: Notify) -> Iterator[Callable[[str], str]]:
    """Yield a function that shows a prompt and returns a line, as the built-in `input` does.

    The history is read before and saved after, whatever ends the block. notify: receives why it
    cannot be saved.
    """
    path, added = history_file(), list[str]()
    lines = read_history(path)
    if readline:
        readline.clear_history()
        readline.set_auto_history(False)
        for line in lines:
            remember(line)

    def read(prompt: str) -> str:
        line = input(prompt)
        if line.strip() and len(line) <= KEPT_CHARACTERS and [line] != (lines + added)[-1:]:
            added.append(line)
            remember(line)
        return line

    try:
        yield read
    finally:
        try:
            save_history(path, added)
        except (NmtError, OSError) as error:
            notify(f"the history is not saved: {error}; {VARIABLE}= turns it off")


def remember(line: str) -> None:
    """Let the arrow keys find a line, unless the encoding of the terminal cannot write it."""
    if readline:
        with suppress(UnicodeEncodeError):
            readline.add_history(line)


def read_history(path: Path | None) -> list[str]:
    """Return the lines of a history, oldest first; none if it cannot be read."""
    if path is not None and path.is_file():
        with suppress(OSError):
            return path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    return []


def save_history(path: Path | None, added: list[str]) -> None:
    """Add lines to a history, which another process may have changed, and keep the last ones.

    Nothing is written to a device such as /dev/null. Raises NmtError or OSError if the history
    cannot be written.
    """
    if not added or path is None or (path.exists() and not path.is_file()):
        return
    path.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    lines = (read_history(path) + added)[-KEPT_LINES:]
    with atomic_path(path) as partial:
        partial.chmod(PRIVATE_FILE)
        partial.write_text(
            "".join(f"{line}\n" for line in lines),
            encoding="utf-8",
            errors="replace",  # a typed byte may be no UTF-8
            newline="\n",
        )
