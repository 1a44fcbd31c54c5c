"""Work that does not fit is halved until it does; other errors pass."""

from collections.abc import Sequence

import pytest

from nmt.system.halving import run_or_halve


@pytest.mark.parametrize("most", [1, 2, 3, 7, 9])
def test_results_are_those_of_all_items_in_order(most: int) -> None:
    sizes = []

    def squares(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if len(items) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return [each**2 for each in items]

    assert run_or_halve(squares, range(7)) == [each**2 for each in range(7)]
    assert sum(each for each in sizes if each <= most) == 7
    assert len(sizes) == {1: 13, 2: 7, 3: 5, 7: 1, 9: 1}[most]


@pytest.mark.parametrize(("message", "calls"), [("CUDA out of memory", 3), ("wrong shape", 1)])
def test_an_error_that_halving_does_not_help_is_raised(message: str, calls: int) -> None:
    count = 0

    def fail(items: Sequence[int]) -> list[int]:
        nonlocal count
        count += 1
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match=message):
        run_or_halve(fail, range(4))
    assert count == calls
