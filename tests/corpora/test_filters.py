"""Hashes that were seen before."""

import random

import numpy

from nmt.corpora.filters import SeenHashes


def test_every_hash_after_its_first_is_found_whatever_the_blocks() -> None:
    draw = random.Random(1)
    numbers = [draw.randrange(400) for _ in range(1000)]
    expected = [number in numbers[:place] for place, number in enumerate(numbers)]
    for size in (1, 7, 100, 1000):
        seen = SeenHashes()
        found: list[bool] = []
        for begin in range(0, len(numbers), size):
            block = numpy.array(numbers[begin : begin + size], numpy.uint64)
            found += map(bool, seen.add(block))
        assert found == expected


def test_an_empty_block_has_nothing() -> None:
    assert len(SeenHashes().add(numpy.array([], numpy.uint64))) == 0
