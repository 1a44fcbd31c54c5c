"""The exact search for the best weights on a line: Och (2003), section 5.

On the line `weights + step * direction` the total of each candidate is a linear function of the
step. In each list, the best candidates are those on the upper envelope of these functions, so that
the choice changes at few steps, and the score of the corpus is constant between two changes.

Dimensions: S lists, N candidates of all lists, F features, M statistics of the metric.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy
from numpy.typing import NDArray

Numbers = NDArray[numpy.float64]
Integers = NDArray[numpy.int64]
Objective = Callable[[Numbers], float]  # the score of summed statistics (M,); higher is better

ROUNDING = 1e-9  # scores (0 to 100) and steps closer than this are equal


@dataclass(frozen=True)
class ScoredLists:
    """The candidates of n-best lists, end to end: their features, and their statistics."""

    features: Numbers  # (N, F)
    statistics: Numbers  # (N, M), which are summed over a corpus
    starts: Integers  # (S + 1,) the first candidate of each list, and N

    def chosen(self, weights: Numbers) -> Integers:
        """Return the candidate (S,) with the greatest total in each list; of equals the first."""
        totals = (self.features * weights).sum(1)
        best = numpy.maximum.reduceat(totals, self.starts[:-1])
        is_best = totals == numpy.repeat(best, numpy.diff(self.starts))
        places = numpy.flatnonzero(is_best)
        lists = numpy.searchsorted(self.starts, places, side="right")
        return places[numpy.unique(lists, return_index=True)[1]]

    def score(self, chosen: Integers, objective: Objective) -> float:
        """Return the score of a corpus of candidates."""
        return objective(self.statistics[chosen].sum(0))


def best_step(
    lists: ScoredLists, weights: Numbers, direction: Numbers, objective: Objective
) -> float:
    """Return the step with the highest score on a line, 0 if all scores are equal.

    It is in the middle of the interval with that score, or 1 beyond the last change.
    """
    totals = (lists.features * weights).sum(1).tolist()
    slopes = (lists.features * direction).sum(1).tolist()
    first: list[int] = []  # the candidates far on the left
    steps: list[float] = []
    changes: list[tuple[int, int]] = []  # the candidates before and after a step
    for begin, end in pairwise(lists.starts.tolist()):
        envelope = upper_envelope(totals[begin:end], slopes[begin:end])
        first.append(begin + envelope[0].candidate)
        for left, right in pairwise(envelope):
            steps.append(right.start)
            changes.append((begin + left.candidate, begin + right.candidate))
    if not steps:
        return 0.0
    order = numpy.argsort(steps, kind="stable")
    before, after = numpy.array(changes)[order].T
    ends = numpy.array(steps)[order]
    moves = lists.statistics[after] - lists.statistics[before]
    base = lists.statistics[first].sum(0)
    sums = numpy.concatenate([base[None], base + moves.cumsum(0)])
    # Steps that coincide are one change.
    last = numpy.append(numpy.diff(ends) > ROUNDING, True)
    bounds = [-math.inf, *ends[last].tolist(), math.inf]
    scores = [objective(each) for each in sums[numpy.append(True, last)]]
    return middle_of_best(scores, bounds)


def middle_of_best(scores: Sequence[float], bounds: Sequence[float]) -> float:
    """Return a step in the widest of the intervals with the highest score."""
    best = max(scores)
    if best - min(scores) < ROUNDING:
        return 0.0
    intervals = [
        (low, high)
        for score, (low, high) in zip(scores, pairwise(bounds), strict=True)
        if best - score < ROUNDING
    ]
    low, high = max(intervals, key=lambda each: each[1] - each[0])
    if low == -math.inf:
        return high - 1
    return low + 1 if high == math.inf else (low + high) / 2


@dataclass(frozen=True)
class Piece:
    """A part of an upper envelope: one candidate is the best from a step on."""

    start: float
    candidate: int


def upper_envelope(totals: Sequence[float], slopes: Sequence[float]) -> list[Piece]:
    """Return the upper envelope of lines `total + step * slope`, from left to right."""
    order = sorted(range(len(totals)), key=lambda each: (slopes[each], totals[each], -each))
    envelope: list[Piece] = []
    for each in order:
        if envelope and slopes[envelope[-1].candidate] == slopes[each]:
            envelope.pop()  # parallel and not above
        start = -math.inf
        while envelope:
            other = envelope[-1].candidate
            start = (totals[other] - totals[each]) / (slopes[each] - slopes[other])
            if start > envelope[-1].start:
                break
            envelope.pop()
            start = -math.inf
        envelope.append(Piece(start, each))
    return envelope
