"""Translate what a user types, line by line, until the end of the input.

Lines are read with editing and a history that outlives the program. Both come from Python's
readline module (GNU readline or libedit). The history is a file of plain lines, because the two
libraries write different formats.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.decoding.translator.translation import Translation
from nmt.errors import NmtError, UsageError
from nmt.system.atomic import atomic_path
from nmt.system.log import Notify, note

try:
    import readline
except ImportError:  # Python was built without it: lines are read without editing
    readline = None  # type: ignore[assignment] # some Pythons lack the module

if TYPE_CHECKING:
    from nmt.decoding.translator.translator import Translator

PROMPT = "> "
VARIABLE = "NMT_HISTORY"
KEPT_LINES = 1_000
KEPT_CHARACTERS = 10_000  # of a line; longer ones were pasted, not typed
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700  # permissions: texts may be confidential


def check_interactive(others: Sequence[str]) -> None:
    """Raise UsageError unless this process has a terminal, and no other input or output is named.

    others: options that were given and do not go with --interactive.
    """
    if others:
        raise UsageError(
            "--interactive reads from the terminal and writes to it, so it does not go with"
            f" {others[0]}; leave one of them out"
        )
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise UsageError(
            "--interactive needs a terminal; without it, `nmt translate` reads from pipes and files"
        )


def interact(translator: "Translator", *, show_candidates: bool) -> None:
    """Translate each line that is typed, and show its translation or all candidates with scores.

    Ctrl-C drops the line that is being typed or translated, Ctrl-D ends. A line that cannot be
    translated is reported, and the next one is read.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with line_editor(note) as read:
            while True:
                try:
                    line = read(PROMPT)
                    if line.strip():
                        (translation,) = translator.translate([line])
                        print(shown(translation, show_candidates=show_candidates), flush=True)
                except KeyboardInterrupt:
                    print(flush=True)
                except NmtError as error:
                    note(str(error))
                except EOFError:
                    print(flush=True)
                    return
    finally:
        signal.signal(signal.SIGINT, before)


def shown(translation: Translation, *, show_candidates: bool) -> str:
    """Return the text of a translation, or a line for each candidate: its score and its text."""
    if not show_candidates:
        return translation.text
    return "\n".join(
        f"{candidate.score:9.4f}  {candidate.text}" for candidate in translation.candidates
    )


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
