"""Translate what a user types, line by line, until the end of the input."""

import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nmt.decoding.translation import Translation
from nmt.errors import NmtError, UsageError
from nmt.system.line_editor import line_editor
from nmt.system.log import note

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator

PROMPT = "> "


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
    return "\n".join(f"{each.score:9.4f}  {each.text}" for each in translation.candidates)
