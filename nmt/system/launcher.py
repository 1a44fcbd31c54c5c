"""Read the variables by which a launcher, such as torchrun, tells a worker its place."""

import os

from nmt.errors import NmtError


def integer_variable(name: str) -> int:
    """Return the integer in an environment variable; raises NmtError if it holds none."""
    try:
        return int(os.environ[name])
    except ValueError as error:
        raise NmtError(
            f"{name} is {os.environ[name]!r}, not a whole number; torchrun sets it: without"
            " torchrun, unset it"
        ) from error


def worker_count(variable: str = "WORLD_SIZE") -> int:
    """Return how many workers a launcher has started; 1 without a launcher.

    variable: "LOCAL_WORLD_SIZE" counts those on this machine. Raises NmtError if it is no number.
    """
    return max(1, integer_variable(variable)) if os.environ.get(variable) else 1
