"""Rows are chosen so that as little as possible moves."""

import numpy

from nmt.decoding.placement import place_hypotheses, place_sentences


def test_last_sentences_take_the_rows_of_those_that_ended() -> None:
    assert place_sentences([True, False, True, False, True, True]) == [0, 4, 2, 5]
    assert place_sentences([True, True]) == [0, 1]
    assert place_sentences([False, False]) == []


def test_places_by_hand() -> None:
    """Candidates 5, 7, 2, 4 extend hypotheses 1, 1, 0, 3; the second child of 1 gets place 2."""
    parents = numpy.array([[9, 9, 0, 9, 3, 1, 9, 1]])
    order = numpy.array([[5, 7, 2, 4]])
    assert place_hypotheses(order, parents, 4).tolist() == [[2, 5, 7, 4]]


def test_first_child_of_each_parent_takes_its_place() -> None:
    generator = numpy.random.default_rng(1)
    for beam in (1, 2, 4, 7):
        parents = generator.integers(0, beam, (50, 2 * beam))
        order = numpy.stack([generator.permutation(2 * beam)[:beam] for _ in range(50)])
        placed = place_hypotheses(order, parents, beam)
        assert (numpy.sort(placed) == numpy.sort(order)).all()  # each exactly once
        for row in range(50):
            by_place = parents[row, placed[row]].tolist()
            for parent in set(by_place):
                first = next(each for each in order[row].tolist() if parents[row, each] == parent)
                assert placed[row, parent] == first
