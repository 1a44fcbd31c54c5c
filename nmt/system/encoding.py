"""Read the command line as UTF-8, whatever the locale is, and write what it may hold as UTF-8."""

import io
import os
import sys


def ensure_utf8() -> None:
    """Start this program again in Python's UTF-8 mode unless paths and arguments are UTF-8 already.

    Python decodes arguments by the locale before any code runs, and encodes paths in the same way.
    In a locale without UTF-8, words would arrive garbled and messages could not name files.
    """
    if sys.getfilesystemencoding() == "utf-8" or sys.flags.utf8_mode:
        return
    program, *rest = sys.orig_argv
    os.execv(sys.executable or program, [program, "-X", "utf8", *rest])  # noqa: S606 (no shell)


def write_any_path() -> None:
    """Let stdout write the name of any file, also bytes of it that are not UTF-8, as they are."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")


def in_utf_8(text: str) -> str:
    r"""Return a text that UTF-8 can hold: a byte of a file name that is not UTF-8 becomes \xNN."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, from JSON
        raw = text.encode("utf-8", "backslashreplace")
    return raw.decode("utf-8", "backslashreplace")
