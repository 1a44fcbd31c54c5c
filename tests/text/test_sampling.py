"""A temperature moves the directions of an epoch from their own sizes to equal ones."""

from itertools import pairwise

import numpy
import pytest

from nmt.text.plan import describe_shares, draw_epoch, sampled_sizes


def test_shares_are_powers_of_sizes() -> None:
    """With T = 2, they are as the square roots: 30 to 10 to 0."""
    sizes = {("en", "de"): 900, ("en", "fr"): 100, ("en", "cs"): 0}
    assert [*sampled_sizes(sizes, 2).values()] == [750, 250, 0]
    assert sampled_sizes(sizes, 1) == sizes
    found = sampled_sizes({number: number**2 for number in range(1, 30)}, 3.7)
    assert sum(found.values()) == sum(number**2 for number in range(1, 30))
    assert describe_shares(sizes, 2).startswith("each epoch (train.language_sampling=2): en-de 75")


@pytest.mark.parametrize("temperature", [1, 2, 100])
def test_an_epoch_repeats_whole_directions_first(temperature: float) -> None:
    directions = numpy.random.default_rng(1).permutation(numpy.repeat([0, 1, 2], [300, 40, 7]))
    epochs = [draw_epoch(directions, temperature, 5, epoch) for epoch in range(3)]
    sizes = sampled_sizes({0: 300, 1: 40, 2: 7}, temperature)
    for drawn in epochs:
        counts = numpy.bincount(drawn, minlength=len(directions))
        assert counts.sum() == len(directions)
        for direction, size in sizes.items():
            own = counts[directions == direction]
            assert own.sum() == size
            assert own.max() - own.min() <= 1
    assert (draw_epoch(directions, temperature, 5, 1) == epochs[1]).all()
    is_same = all((one == other).all() for one, other in pairwise(epochs))
    assert is_same == (temperature == 1)
