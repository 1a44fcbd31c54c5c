"""The alignment error rate, and the links that were made by hand."""

from importlib import import_module
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def alignment() -> ModuleType:
    """Return the script as a module."""
    return import_module("alignment")


def test_the_alignment_error_rate_by_hand(alignment: ModuleType) -> None:
    """2 of 4 links are sure and 1 more is possible; 1 of 3 sure ones is missing."""
    gold = alignment.Gold([1], [{(0, 0), (1, 1), (2, 2)}], [{(0, 0), (1, 1), (2, 2), (2, 3)}])
    found = alignment.quality([{(0, 0), (1, 1), (2, 3), (5, 5)}], gold)
    assert found.error_rate == pytest.approx(1 - (2 + 3) / (4 + 3))
    assert found.precision == pytest.approx(3 / 4)
    assert found.recall == pytest.approx(2 / 3)
    assert alignment.quality(gold.sure, gold).error_rate == 0
    assert alignment.quality(gold.possible, gold).error_rate == 0  # possible links are allowed
    assert alignment.quality([set()], gold).error_rate == 1


def test_the_links_made_by_hand_are_well_formed(alignment: ModuleType) -> None:
    gold = alignment.read_gold(alignment.GOLD)
    assert gold.lines == [*range(1, 46)]
    for sure, possible in zip(gold.sure, gold.possible, strict=True):
        assert sure
        assert sure <= possible


def test_rows_and_directions(alignment: ModuleType) -> None:
    """The second token of the source is half of its only word; the last one has none."""
    sentences = alignment.Sentences.__new__(alignment.Sentences)
    sentences.words = [[[range(1), range(1), range(1, 2)]], [[range(1), range(1, 2)]]]
    assert sentences.links(alignment.rows_of([2, -1], [[8, 9]])) == [{(1, 0)}]
    assert sentences.backward_links([[1, 0, -1]]) == [{(0, 0), (0, 1)}]
    assert sentences.links([[0, 1]]) == [{(0, 0), (0, 1)}]
