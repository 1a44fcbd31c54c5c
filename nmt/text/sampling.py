"""Sample the directions of a training with several languages by a temperature.

Arivazhagan et al. (2019), "Massively Multilingual Neural Machine Translation in the Wild", section
4: of directions with n_i pairs, direction i gets a share that is proportional to n_i^(1/T). T = 1
gives each its share of the pairs; with a large T, all directions get nearly the same.
"""

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy
from numpy.typing import NDArray

Direction = TypeVar("Direction", bound=Hashable)


def sampled_sizes(sizes: Mapping[Direction, int], temperature: float) -> dict[Direction, int]:
    """Return how many pairs of each direction are drawn: together, as many as there are.

    sizes: the pairs of each direction.
    """
    weights = numpy.array([*sizes.values()], numpy.float64)
    weights[weights > 0] **= 1 / temperature
    total = sum(sizes.values())
    # Rounding where each part ends, and not the parts, keeps their sum.
    ends = numpy.rint(total * weights.cumsum() / max(1, weights.sum())).astype(numpy.int64)
    return dict(zip(sizes, numpy.diff(ends, prepend=0).tolist(), strict=True))


def describe_shares(sizes: Mapping[tuple[str, str], int], temperature: float) -> str:
    """Return one line about what share of each epoch the directions get."""
    drawn, total = sampled_sizes(sizes, temperature), max(1, sum(sizes.values()))
    parts = (
        f"{'-'.join(direction)} {drawn[direction] / total:.1%} ({size:,} pairs)"
        for direction, size in sizes.items()
    )
    return f"each epoch (train.language_sampling={temperature:g}): {', '.join(parts)}"


def draw_epoch(
    directions: NDArray[numpy.int64], temperature: float, seed: int, epoch: int
) -> NDArray[numpy.uint32]:
    """Return the indices of an epoch's pairs, as many as there are: direction by direction.

    directions (n,): the direction of each pair. A direction is repeated whole as often as it can
    be; the rest is a random part of it, which depends on the seed and the epoch only.
    """
    numbers, counts = numpy.unique(directions, return_counts=True)
    sizes = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    drawn = []
    for direction, wanted in sampled_sizes(sizes, temperature).items():
        random = numpy.random.default_rng([seed, epoch, direction, wanted])
        members = numpy.flatnonzero(directions == direction).astype(numpy.uint32)
        copies, rest = divmod(wanted, len(members))
        part = random.choice(members, rest, replace=False, shuffle=False)
        drawn += [members] * copies + [numpy.sort(part)]
    return numpy.concatenate(drawn)
