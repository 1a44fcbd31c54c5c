"""The interface that pools of threads, processes and workers share, and a pool of threads."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:  # imported where it is used, so that commands start quickly
    from concurrent.futures import ThreadPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool(Protocol):
    """A pool that applies a function to many items."""

    @property
    def count(self) -> int:
        """Number of items that are worked on at the same time."""
        ...

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]:
        """Return the results in the order of the items, like the built-in `map`."""
        ...


class ThreadPool:
    """A pool of threads, for functions that work outside Python's interpreter."""

    def __init__(self, count: int) -> None:
        """Make a pool that works on `count` items at the same time."""
        self.count = count
        self._executor: ThreadPoolExecutor | None = None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]:
        """Return the results in the order of the items; a single item needs no thread."""
        items = list(items)
        if self.count == 1 or len(items) <= 1:
            return map(function, items)
        if self._executor is None:
            from concurrent.futures import ThreadPoolExecutor

            self._executor = ThreadPoolExecutor(self.count)
        return self._executor.map(function, items)
