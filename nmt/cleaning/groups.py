"""Group the pairs of a corpus that have a source or a target nearly in common."""

import numpy
from numpy.typing import NDArray

from nmt.check.repeats import Hashes, Places

Labels = NDArray[numpy.intp]


def groups_of(sides: Hashes) -> Labels:
    """Return the place of the first pair of each pair's group (n,).

    sides (2, n): hashes of the segments of source and target. Two pairs are in one group if their
    sources or their targets have equal hashes, or if a chain of such pairs connects them.
    """
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
