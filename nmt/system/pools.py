"""Pools that apply a function to many items at the same time: in threads, or in processes."""

import gc
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import islice
from threading import Barrier
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from nmt.errors import NmtError
from nmt.system.processes import deferred_interrupts, hidden_main, kill_children, watch_parent

if TYPE_CHECKING:  # imported where they are used, so that commands start quickly
    from concurrent.futures import Future, ProcessPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool(Protocol):
    """A pool that applies a function to many items."""

    @property
    def count(self) -> int:
        """Return the number of items that are worked on at the same time."""
        ...

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]:
        """Return the results in the order of the items, like the built-in `map`."""
        ...


class ThreadPool:
    """A pool of threads, for functions that work outside Python's interpreter.

    With a count of 1, the thread that calls `map` does the work.
    """

    def __init__(self, count: int, start: Callable[[], object] | None = None) -> None:
        """Make a pool of `count` threads; start: a function that each thread calls first."""
        from concurrent.futures import ThreadPoolExecutor

        self.count = count
        self._executor = ThreadPoolExecutor(count, "nmt", start) if count > 1 else None
        if self._executor is not None:
            # Start all threads now: later, memory for their stacks may be short.
            together = Barrier(count)
            list(self._executor.map(lambda _: together.wait(), range(count)))

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]:
        """Return the results in the order of the items, like the built-in `map`.

        All calls have ended when an error is raised, so that nothing still takes memory.
        """
        if self._executor is None:
            return map(function, items)
        return results_in_order(deque(self._executor.submit(function, item) for item in items))


def results_in_order(calls: "deque[Future[Result]]") -> Iterator[Result]:
    """Yield the results of calls, which it forgets; if one fails, the others end first."""
    from concurrent.futures import wait

    try:
        while calls:
            calls[0].result()
            yield calls.popleft().result()
    except BaseException as error:
        for call in calls:
            call.cancel()
        # No more are wanted, perhaps in one of these threads, which can't wait for itself.
        if not isinstance(error, GeneratorExit):
            wait(calls)
        raise


class ProcessPool:
    """A pool of processes: forked copies of this one, each with one thread, or new ones.

    Copies share the memory that existed when `map` was first called, such as a model's weights. New
    processes share nothing; a fork would copy locks that other threads hold. Threads would share
    the interpreter's lock, for which small operations wait: a search sentence by sentence was no
    faster with 2 threads than with one.
    """

    def __init__(
        self,
        count: int,
        *,
        are_new: bool = False,
        work: str = "translating process",
        advice: str = "lower decode.batch_tokens",
    ) -> None:
        """Start no process yet; work, advice: for the error if one of them is killed."""
        self.count = count
        self._are_new = are_new
        self._failure = f"a {work} was killed, perhaps because memory ran out; {advice}"
        self._executor: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]:
        """Return the results in the order of the items, like the built-in `map`.

        Always pass the same function: copies keep the first one. A single item is computed by this
        process. Raises NmtError if a process is killed.
        """
        items = list(items)
        if self.count == 1 or len(items) <= 1:
            return map(function, items)
        return self._results(function, zip(items), ahead=len(items))

    def starmap(
        self, function: Callable[..., Result], tasks: Iterable[tuple[Any, ...]], /
    ) -> Iterator[Result]:
        """Yield the results of calls in order; take the arguments of only a few calls ahead.

        Errors are those of `map`.
        """
        return self._results(function, tasks, ahead=2 * self.count)

    def close(self) -> None:
        """End the processes; the next `map` starts others, copies of this one as it then is."""
        if self._executor is not None:
            # A process that was killed while it waited for work may have held the lock of the
            # queue, for which the others, whose SIGTERM is blocked, would wait for ever.
            if getattr(self._executor, "_broken", False):
                kill_children()
            self._end()
            self._executor = None

    def _results(
        self, function: Callable[..., Result], tasks: Iterable[tuple[Any, ...]], ahead: int
    ) -> Iterator[Result]:
        from concurrent.futures.process import BrokenProcessPool

        futures = (self._submit(function, task) for task in tasks)
        waiting: deque[Future[Result]] = deque()
        try:
            waiting.extend(islice(futures, ahead))
            while waiting:
                result = waiting[0].result()
                waiting.popleft()
                waiting.extend(islice(futures, 1))
                yield result
        except BrokenProcessPool as error:
            kill_children()
            # Its thread ends now. At the exit it might print "Bad file descriptor" on top.
            self.close()
            raise NmtError(self._failure) from error
        finally:
            for future in waiting:
                future.cancel()

    def _submit(self, function: Callable[..., Result], task: tuple[Any, ...]) -> "Future[Result]":
        """Submit a call, which may start processes; they ignore stop signals."""
        if self._executor is None:
            started = self._new_executor(function)
            # Without this, its thread would close the pipes while this process exits, and Python
            # would print "Bad file descriptor" now and then.
            self._end = weakref.finalize(self, started.shutdown, cancel_futures=True)
            self._executor = started
        with deferred_interrupts(), hidden_main() if self._are_new else nullcontext():
            return self._executor.submit(function if self._are_new else call_in_copy, *task)

    def _new_executor(self, function: Callable[..., Any]) -> "ProcessPoolExecutor":
        # This starts a process of Python's own and lets stop signals through, so that none may be
        # deferred here.
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        if self._are_new:
            return ProcessPoolExecutor(self.count, get_context("spawn"), watch_parent)
        return ProcessPoolExecutor(self.count, get_context("fork"), start_copy, (function,))


_function: Callable[..., Any]


def start_copy(function: Callable[..., Any]) -> None:
    """Initialise a forked copy; the function is in its memory already and is never pickled."""
    global _function  # noqa: PLW0603 (one function a process, set once)
    _function = function
    # The parent's garbage is not ours to destroy: CTranslate2's destructor waits for its threads,
    # which exist only in the parent.
    gc.freeze()
    torch = sys.modules.get("torch")
    # Without the function, another thread of the parent was importing PyTorch.
    if torch is not None and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)  # more would wait for threads that exist only in the parent
    watch_parent()


def call_in_copy(*task: Any) -> Any:
    """Call this copy's function."""
    return _function(*task)
