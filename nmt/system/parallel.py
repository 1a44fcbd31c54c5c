"""The type of a function that applies another to many items, in parallel or not."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Map(Protocol):
    """The built-in `map`, or the `map` of a pool of threads, processes or workers."""

    def __call__(
        self, function: Callable[[Item], Result], items: Iterable[Item], /
    ) -> Iterable[Result]:
        """Return the results in the order of the items."""
        ...
