"""A pool of forked processes, child processes that exit with their parent, deferred signals."""

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
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

from nmt.errors import NmtError
from nmt.system.parallel import Item, Result
from nmt.system.stopping import STOP_SIGNALS

if TYPE_CHECKING:
    # Imported where they are used: many commands need one process and should start quickly.
    from concurrent.futures import Future, ProcessPoolExecutor


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


class ProcessPool:
    """A pool of forked copies of this process, each with one thread.

    Copies share the memory that existed when `map` was first called, such as a model's weights.
    Threads would also share the interpreter's lock, for which small operations wait: a search
    sentence by sentence was no faster with 2 threads than with one.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]:
        """Return the results in the order of the items, like the built-in `map`.

        Always pass the same function: the copies keep the first one. A single item is computed by
        this process. Raises NmtError if a process is killed.
        """
        items = list(items)
        if self.count == 1 or len(items) <= 1:
            return map(function, items)
        return self._results(function, items)

    def close(self) -> None:
        """End the copies; the next `map` makes new ones, of this process as it is then."""
        if self._pool is not None:
            self._end()
            self._pool = None

    def _results(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures.process import BrokenProcessPool
        from multiprocessing import get_context

        results: list[Future[Result]] = []
        try:
            with deferred_interrupts():  # submitting starts the processes
                if self._pool is None:
                    self._pool = ProcessPoolExecutor(
                        self.count, get_context("fork"), start_copy, (function,)
                    )
                    # Without this, its thread would close the pipes while this process exits, and
                    # Python would print "Bad file descriptor" now and then.
                    self._end = weakref.finalize(self, self._pool.shutdown)
                # Submitting fails, as reading a result does, once a process was killed.
                results.extend(self._pool.submit(call_in_copy, item) for item in items)
            for result in results:
                yield result.result()
        except BrokenProcessPool as error:
            kill_children()
            # Its thread ends now. At the exit it might print "Bad file descriptor" on top.
            self.close()
            raise NmtError(
                "a translating process was killed, perhaps because memory ran out; lower"
                " decode.batch_tokens"
            ) from error
        finally:
            for result in results:
                result.cancel()


_function: Callable[[Any], Any]


def start_copy(function: Callable[[Any], Any]) -> None:
    """Initialize a forked copy; the function is in its memory already and is never pickled."""
    global _function  # noqa: PLW0603 (one function a process, set once)
    _function = function
    torch = sys.modules.get("torch")
    # Without the function, another thread of the parent was importing PyTorch.
    if torch is not None and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)  # more would wait for threads that exist only in the parent
    watch_parent()


def call_in_copy(item: Any) -> Any:
    """Call this copy's function on an item."""
    return _function(item)
