"""A map over processes that compute side by side, and processes that end with their parent."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing import active_children, connection, get_context, parent_process
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
from typing import Any, TypeVar

from nmt.errors import NmtError

Item = TypeVar("Item")
Result = TypeVar("Result")
INTERRUPTS = (Signals.SIGINT, Signals.SIGTERM)


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes started in here leave signals to their parent, which gets them at the end.

    Ctrl-C, torchrun and job schedulers send them to all; a process that ended while it passes a
    result on would keep the parent waiting for the rest.
    """
    came: list[int] = []

    def note_signal(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = pthread_sigmask(SIG_BLOCK, ())
    handlers: dict[Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        # Another thread may still be given the signal, whose handler then runs in this one, perhaps
        # in a hook of the fork, where Python drops what it raises.
        handlers = {number: getsignal(number) or SIG_DFL for number in INTERRUPTS}
    try:
        for number in handlers:
            signal(number, note_signal)
        pthread_sigmask(SIG_BLOCK, INTERRUPTS)
        yield
    finally:
        pthread_sigmask(SIG_SETMASK, before)
        if handlers:  # the second too where the first, back in its place, raises at once
            try:
                signal(Signals.SIGTERM, handlers[Signals.SIGTERM])
            finally:
                signal(Signals.SIGINT, handlers[Signals.SIGINT])
        raise_all([*dict.fromkeys(came)])


def raise_all(numbers: Sequence[int]) -> None:
    """Give this process its signals, in order, the later ones too where a handler raises."""
    with ExitStack() as stack:
        for number in reversed(numbers):
            stack.callback(raise_signal, number)


def start_worker() -> None:
    """Have a process end with its parent."""
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the parent to be gone, killed perhaps, and go as well."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def kill_workers() -> None:
    """End processes that a broken pool only asks to, which they ignore."""
    for process in active_children():
        process.kill()


class ForkedMap:
    """A map over copies of this process, one a core, each computing alone.

    Copies share the memory of what was there when the first map began, a model's weights say.
    Threads would share the interpreter's lock too, which small operations wait for: a search
    sentence by sentence was no faster with 2 of them than with one.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]:
        """As the built-in, always of the same function; a single item is done by this process.

        Raises NmtError if a process is killed.
        """
        items = list(items)
        if self.count == 1 or len(items) <= 1:
            return map(function, items)
        return self._results(function, items)

    def _results(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        with without_interrupts():  # submitting starts the processes
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self.count, get_context("fork"), begin_copy, (function,)
                )
            results: list[Future[Result]] = [
                self._pool.submit(call_in_copy, item) for item in items
            ]
        try:
            for result in results:
                yield result.result()
        except BrokenProcessPool as error:
            kill_workers()
            raise NmtError(
                "a process that translates was killed, perhaps for want of memory; lower"
                " decode.batch_tokens"
            ) from error
        finally:
            for result in results:
                result.cancel()


_function: Callable[[Any], Any]


def begin_copy(function: Callable[[Any], Any]) -> None:
    """Prepare a copy; the function came with its memory, never pickled."""
    import torch

    global _function  # noqa: PLW0603 (one function a process, given once)
    _function = function
    torch.set_num_threads(1)  # more would wait for threads that only the parent has
    start_worker()


def call_in_copy(item: Any) -> Any:
    """What the pool calls."""
    return _function(item)
