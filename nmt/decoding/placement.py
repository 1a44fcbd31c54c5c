"""Choose rows for what stays in the batch, so that as little as possible moves.

A model's state of a sentence or a hypothesis is copied when its row changes (`SearchState.select`).
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def place_sentences(goes_on: Iterable[bool]) -> list[int]:
    """Return the rows of the sentences that go on, in their new order.

    A sentence keeps its row if it can; the last sentences take the rows of those that ended.
    """
    stays = list(goes_on)
    count = sum(stays)
    last = iter([row for row in range(count, len(stays)) if stays[row]])
    return [row if stays[row] else next(last) for row in range(count)]


def place_hypotheses(order: Tensor, parents: Tensor, beam: int) -> Tensor:
    """Return the candidates `order` (B, K), each at its place in the next beam.

    The first candidate of each parent takes the place of that parent, which halves the moves; the
    others take the free places. parents: (B, C), the place of each candidate's parent. beam: the
    number of places so far.
    """
    if order.shape[1] != beam:
        return order  # the first step: all places are new
    parent = parents.gather(1, order)  # (B, K)
    places = torch.arange(beam, device=order.device)
    is_child = parent[:, None, :] == places[:, None]  # (B, place, candidate)
    is_first = (is_child & (is_child.cumsum(2) == 1)).to(torch.uint8)
    # A stable sort brings free places, and candidates that are not a first child, to the front.
    # There are as many of both.
    free_places = is_first.amax(2).argsort(dim=1, stable=True)
    others = is_first.amax(1).argsort(dim=1, stable=True)
    free_place = free_places.scatter(1, others, free_places)
    place = torch.where(is_first.amax(1).bool(), parent, free_place)
    return torch.empty_like(order).scatter_(1, place, order)
