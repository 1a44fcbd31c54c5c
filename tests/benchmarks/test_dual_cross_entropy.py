"""The figures of scores of translations and of other pairs."""

from importlib import import_module


def test_figures_compare_the_two_halves_of_the_scores() -> None:
    script = import_module("dual_cross_entropy")
    cells = {cell.row: cell.value for cell in script.figures([0.9, 0.8, 0.3, 0.1, 0.4, 0.2])}
    assert [*cells.values()] == [0.8, 0.2, 100, 66.7]
