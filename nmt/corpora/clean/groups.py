"""Group the pairs of a corpus that have a source or a target nearly in common."""

import numpy
from numpy.typing import NDArray

from nmt.corpora.check.repeats import Places
from nmt.text.facts import Hashes

Labels = NDArray[numpy.intp]


def groups_of(sides: Hashes) -> Labels:
    """Return the place of the first pair of each pair's group (n,).

    sides (2, n): hashes of the segments of source and target. Two pairs are in one group if their
    sources or their targets have equal hashes, or if a chain of such pairs connects them.
    """
    labels = numpy.arange(sides.shape[1])
    # The other pairs, most of a usual corpus, are groups of their own.
    members = numpy.flatnonzero(is_repeated(sides[0]) | is_repeated(sides[1]))
    labels[members] = members[connected(sides[:, members])]
    return labels


def is_repeated(hashes: Hashes) -> NDArray[numpy.bool_]:
    """Return which hashes occur more than once (n,)."""
    order = hashes.argsort(kind="stable")
    ordered = hashes[order]
    is_equal = ordered[1:] == ordered[:-1]
    found = numpy.zeros(len(hashes), numpy.bool_)
    found[order[1:][is_equal]] = True
    found[order[:-1][is_equal]] = True
    return found


def connected(sides: Hashes) -> Labels:
    """Return the place of the first pair of each pair's group, as `groups_of` does."""
    labels = numpy.arange(sides.shape[1])
    indexes = [numpy.unique(side, return_inverse=True)[1] for side in sides]
    orders = [index.argsort(kind="stable") for index in indexes]
    while True:
        before = labels
        for index, order in zip(indexes, orders, strict=True):
            labels = least_of(labels, index, order)
        labels = labels[labels]  # halves the rest of a chain
        if (labels == before).all():
            return labels


def least_of(labels: Labels, index: Places, order: Places) -> Labels:
    """Return for each pair the least label of the pairs with the same number in `index` (n,).

    order: the places of `index`, sorted by number.
    """
    if not len(labels):
        return labels
    starts = numpy.flatnonzero(numpy.diff(index[order], prepend=-1))
    least: Labels = numpy.minimum.reduceat(labels[order], starts)[index]
    return least
