"""Wait for something that another thread or process does."""

import time
from collections.abc import Callable
from typing import Protocol


class Pollable(Protocol):
    """A process that can be asked whether it has ended."""

    def poll(self) -> int | None: ...


def wait_until(
    condition: Callable[[], object],
    process: Pollable | None = None,
    *,
    message: str = "the condition was never met",
    seconds: float = 120,
) -> None:
    """Poll a condition until it holds.

    Fails if it takes longer than some seconds, or if the process that should fulfil it ends first.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, f"the process ended first: {message}"
        assert time.monotonic() < deadline, message
        time.sleep(0.002)
