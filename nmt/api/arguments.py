"""Check the arguments of the Python interface; errors are one sentence."""

import re
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from nmt.errors import NmtError, UsageError
from nmt.system.arguments import AnyPath, check_type

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

OPTION = re.compile(r"`[^`]*`|--([a-z]+(?:-[a-z]+)*)")  # outside the commands in a message
OTHER_NAMES = {
    "prefix": "prefixes",
    "format": "format_name",
    "set": "settings",
    "sample": "method=sample in settings",
}


def names_arguments(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let the errors of a function name arguments where they name options of the command line."""

    @wraps(function)
    def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            return function(*arguments, **named)
        except NmtError as error:
            error.args = (with_arguments(str(error)),)
            raise

    return call


def with_arguments(message: str) -> str:
    """Return a message with the names of arguments for those of options: n_best for --n-best."""

    def argument(found: re.Match[str]) -> str:
        name = found[1]
        return OTHER_NAMES.get(name, name.replace("-", "_")) if name else found[0]

    return OPTION.sub(argument, message)


def check_segments(method: str, **named: object) -> list[list[str]]:
    """Return texts that belong together by name, such as sources and targets, as lists.

    Raises TypeError, which names the method, for anything else than texts, and UsageError if they
    differ in number.
    """
    lists: list[list[str]] = []
    for name, texts in named.items():
        if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
            raise TypeError(f"{method} takes a list of {name}; write [text]")
        lists.append(list(texts))
        for text in lists[-1]:
            check_type(f"each of {name}", text, str)
    if len({*map(len, lists)}) > 1:
        counts = [f"{len(texts)} {name}" for texts, name in zip(lists, named, strict=True)]
        raise UsageError(
            f"{method} takes as many {' as '.join(named)}, but there are {' and '.join(counts)}"
        )
    return lists


def check_callable(name: str, value: object) -> None:
    """Raise TypeError, which names the argument, unless its value can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, not {value!r:.80}")


def check_paths(name: str, paths: object) -> list[Path]:
    """Return one path or several as a list; errors are those of `check_path`."""
    if isinstance(paths, AnyPath):
        return [check_path(name, paths)]
    if isinstance(paths, bytes) or not isinstance(paths, Iterable):
        raise TypeError(f"{name} must be a path or a list of paths, not {paths!r:.80}")
    given = list(paths)
    return [check_path(f"each of {name}", path) for path in given]


def check_path(name: str, path: object) -> Path:
    """Return a path; raises TypeError unless it is a str or a Path, UsageError if it is empty."""
    check_type(name, path, str, Path)
    if not str(path):
        raise UsageError(f"{name} is an empty path; name a file or a folder")
    return Path(str(path))
