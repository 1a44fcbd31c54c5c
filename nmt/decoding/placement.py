"""Choose rows for what stays in the batch, so that as little as possible moves.

A model's state of a sentence or a hypothesis is copied when its row changes (`SearchState.select`).
"""

from collections.abc import Iterable

import numpy

from nmt.kernels.rule import IdArray


def place_sentences(goes_on: Iterable[bool]) -> list[int]:
    """Return the rows of the sentences that go on, in their new order.

    A sentence keeps its row if it can; the last sentences take the rows of those that ended.
    """
    stays = list(goes_on)
    count = sum(stays)
    last = iter([row for row in range(count, len(stays)) if stays[row]])
    return [row if stays[row] else next(last) for row in range(count)]


def place_hypotheses(order: IdArray, parents: IdArray, beam: int) -> IdArray:
    """Return the candidates `order` (B, K), each at its place in the next beam.

    The first candidate of each parent takes the place of that parent, which halves the moves; the
    others take the free places. parents: (B, C), the place of each candidate's parent. beam: the
    number of places so far.
    """
    if order.shape[1] != beam:
        return order  # the first step: all places are new
    sentences = numpy.arange(len(order))[:, None]
    parent = parents[sentences, order]  # (B, K)
    is_child = parent[:, None, :] == numpy.arange(beam)[:, None]  # (B, place, candidate)
    is_first = is_child & (is_child.cumsum(2) == 1)
    # As many places are free as candidates are not a first child.
    place = parent.copy()
    place[~is_first.any(1)] = (~is_first.any(2)).nonzero()[1]
    placed = numpy.empty_like(order)
    placed[sentences, place] = order
    return placed
