"""A pool of new processes, which share nothing with this one."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import ParamSpec

from nmt.system.parallel import Result
from nmt.system.processes import deferred_interrupts, watch_parent

MAIN_SCRIPT = threading.Lock()  # held by the thread that hides it
Given = ParamSpec("Given")


class NewProcesses(ProcessPoolExecutor):
    """A pool of new processes; those of a fork would copy locks that other threads hold."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers, mp_context=get_context("spawn"), initializer=watch_parent)

    def submit(
        self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs
    ) -> "Future[Result]":
        """Submit a call, which may start a process.

        The process ignores stop signals and does not run the main script again: a script that calls
        `nmt.train` would begin another training in it.
        """
        with deferred_interrupts(), hidden_main():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def hidden_main() -> Iterator[None]:
    """Keep processes that are started in the block from importing the main script."""
    searched = {"__spec__", "__file__"}  # multiprocessing finds the script by these two
    with MAIN_SCRIPT:
        names = vars(sys.modules["__main__"])
        kept = {name: value for name, value in names.items() if name in searched}
        names.update(dict.fromkeys(kept))
        try:
            yield
        finally:
            names.update(kept)
