"""Run a batch in parts where the whole does not fit into a GPU's memory."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from nmt.errors import is_out_of_memory

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_or_halve(
    run: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]
) -> list[Result]:
    """Return what `run` returns for all items, or for each half of them if memory runs out.

    Halves are halved again. Raises the error of a single item.
    """
    try:
        return run(items)
    except RuntimeError as error:
        if len(items) == 1 or not is_out_of_memory(error):
            raise
    # After the error, whose traceback holds on to what was allocated.
    half = len(items) // 2
    return run_or_halve(run, items[:half]) + run_or_halve(run, items[half:])
