"""A pool of forked processes, child processes that exit with their parent, deferred signals."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from signal import (
    SIG_BLOCK,
    SIG_DFL,
    SIG_SETMASK,
    Signals,
    getsignal,
    pthread_sigmask,
    raise_signal,
    signal,
)
from types import FrameType
from typing import TYPE_CHECKING, Any

from nmt.system.stopping import STOP_SIGNALS

if TYPE_CHECKING:
    # Imported where they are used: many commands need one process and should start quickly.
    pass


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold back stop signals until the block ends; processes started in it ignore them.

    Ctrl-C, a closed terminal, torchrun and job schedulers send them to all processes. A child
    process that died while it passes a result on would keep its parent waiting for the rest.
    """
    received: list[int] = []

    def record(number: int, _: FrameType | None) -> None:
        received.append(number)

    before = pthread_sigmask(SIG_BLOCK, ())
    handlers: dict[Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        # The system may deliver the signal to another thread. Its handler then runs in this one,
        # perhaps in a fork hook, where Python drops the exceptions that it raises.
        handlers = {number: getsignal(number) or SIG_DFL for number in STOP_SIGNALS}
    try:
        for number in handlers:
            signal(number, record)
        pthread_sigmask(SIG_BLOCK, STOP_SIGNALS)
        yield
    finally:
        pthread_sigmask(SIG_SETMASK, before)
        with ExitStack() as stack:  # all of it happens, even if a restored handler raises at once
            stack.callback(raise_signals, [*dict.fromkeys(received)])
            for number, handler in handlers.items():
                stack.callback(signal, number, handler)


def raise_signals(numbers: Sequence[int]) -> None:
    """Send this process several signals in order, all of them even if a handler raises."""
    with ExitStack() as stack:
        for number in reversed(numbers):
            stack.callback(raise_signal, number)


def watch_parent() -> None:
    """Start a thread that ends this process when its parent ends."""
    threading.Thread(target=exit_with_parent, daemon=True).start()


def exit_with_parent() -> None:
    """Wait until the parent has ended (it may have been killed), then exit."""
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def kill_children() -> None:
    """Kill all child processes; a broken pool only sends them SIGTERM, which they ignore."""
    from multiprocessing import active_children

    for process in active_children():
        process.kill()


MAIN_SCRIPT = threading.Lock()  # held by the thread that hides it


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
