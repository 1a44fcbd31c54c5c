"""The interface that pools of threads, processes and workers share."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

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
