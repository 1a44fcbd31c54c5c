"""Read the arguments of the command line, write them in messages, and check those of functions."""

import io
import os
import shlex
import sys
from pathlib import Path

from nmt.errors import UsageError

AnyPath = str | Path
DATA = Path("data")  # the data folder, unless another is given or remembered


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


def argument(path: Path) -> str:
    """Return a path as one argument of a command: quoted, and no option if it begins with `-`."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def data_option(folder: Path) -> str:
    """Return the option --data-dir for a command in the same shell; "" if it needs none."""
    usual = Path(os.environ.get("NMT_DATA_DIR") or DATA)
    return "" if folder == usual else f" --data-dir {argument(folder)}"


def check_type(name: str, value: object, *kinds: type) -> None:
    """Raise TypeError, which names the argument, unless its value is of one of some types."""
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be a {expected}, not {value!r:.80}")


def check_surrogates(text: str, name: str) -> None:
    """Raise UsageError if a text has half of a surrogate pair, which cannot be written as UTF-8.

    name: stands for the text in the message.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{name}: character {error.start + 1} is half of a surrogate pair"
            f" (U+{ord(text[error.start]):04X}), which is not valid text; remove it"
        ) from error
