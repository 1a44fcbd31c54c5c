"""Fuzz tests: any input gives a value or an error of one sentence, never another exception.

`NMT_FUZZ_CASES` sets the number of inputs of each test, 20,000 by default.
"""

import os
from collections.abc import Callable
from typing import TypeVar
from unicodedata import category

from hypothesis import HealthCheck, settings

from nmt.errors import NmtError

CASES = int(os.environ.get("NMT_FUZZ_CASES", "20000"))
LONGEST_MESSAGE = 400  # characters
Value = TypeVar("Value")

# Ten seconds are a hang. The cases are the same in each run.
fuzz = settings(
    max_examples=CASES,
    deadline=10_000,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def value_or_error(make: Callable[[], Value]) -> Value | None:
    """Return what a function makes, or None if it raises an error of one sentence."""
    try:
        return make()
    except NmtError as error:
        message = str(error)
        assert message
        assert len(message) <= LONGEST_MESSAGE, message
        assert len(message.splitlines()) == 1, message
        assert not any(category(each) in ("Cc", "Cs") for each in message), repr(message)
        return None
