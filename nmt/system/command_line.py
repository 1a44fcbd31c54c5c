"""Write the paths of a command that a message tells the user to run."""

import os
import shlex
from pathlib import Path

DATA = Path("data")  # the data folder, unless another is given or remembered


def argument(path: Path) -> str:
    """Return a path as one argument of a command: quoted, and no option if it begins with `-`."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def arguments(*paths: Path) -> str:
    """Return paths as arguments of a command."""
    return " ".join(map(argument, paths))


def data_option(folder: Path) -> str:
    """Return the option --data-dir for a command in the same shell; "" if it needs none."""
    usual = Path(os.environ.get("NMT_DATA_DIR") or DATA)
    return "" if folder == usual else f" --data-dir {argument(folder)}"
