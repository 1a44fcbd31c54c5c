"""Groups of pairs that have a side in common."""

import random

import numpy

from nmt.corpora.held_out import groups_of


def groups(pairs: list[tuple[int, int]]) -> list[int]:
    return [*map(int, groups_of(numpy.array(pairs, numpy.uint64).reshape(-1, 2).T))]


def test_pairs_are_connected_through_either_side() -> None:
    assert groups([(1, 1), (2, 2), (1, 3), (4, 3), (5, 5), (4, 2)]) == [0, 0, 0, 0, 4, 0]


def test_sides_are_not_mixed_up() -> None:
    assert groups([(1, 2), (2, 1), (3, 3)]) == [0, 1, 2]


def test_there_may_be_no_pair() -> None:
    assert groups([]) == []


def test_a_long_chain_is_one_group_in_any_order() -> None:
    chain = [(place // 2, (place + 1) // 2) for place in range(2000)]
    random.Random(1).shuffle(chain)
    assert set(groups(chain)) == {0}


def test_groups_are_those_that_searching_finds() -> None:
    draw = random.Random(2)
    pairs = [(draw.randrange(300), draw.randrange(300)) for _ in range(200)]
    expected = []
    for place in range(len(pairs)):
        reached, waiting = {place}, [place]
        while waiting:
            source, target = pairs[waiting.pop()]
            new = {n for n, pair in enumerate(pairs) if source == pair[0] or target == pair[1]}
            waiting += new - reached
            reached |= new
        expected.append(min(reached))
    assert groups(pairs) == expected
