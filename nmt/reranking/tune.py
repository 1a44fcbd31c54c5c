"""Tune the weights of features on a dev set: minimum error rate training, Och (2003).

From each of several starts, one weight after another moves to the best place on its axis, until no
weight can raise the score of the corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy

from nmt.reranking.line_search import ROUNDING, Numbers, Objective, ScoredLists, best_step

RANDOM_STARTS = 20
MOST_PASSES = 5  # over all lists, to find the oracle


@dataclass(frozen=True)
class Tuned:
    """Weights and the score of the dev set that they choose."""

    weights: Numbers  # (F,); the greatest has the absolute value 1
    score: float


def tune(lists: ScoredLists, objective: Objective, starts: Sequence[Numbers], seed: int) -> Tuned:
    """Return the weights with the highest score that is found.

    starts: weights (F,) to start from, besides random ones; the result is never worse. Of equal
    results the first counts. seed: of the random starts.
    """
    spread = spreads(lists)
    scaled = ScoredLists(lists.features / spread, lists.statistics, lists.starts)
    draw = numpy.random.default_rng(seed)
    drawn = draw.standard_normal((RANDOM_STARTS, len(spread)))
    best = None
    for start in (*(each * spread for each in starts), *drawn):
        found = climb(scaled, start, objective)
        if best is None or found.score > best.score + ROUNDING:
            best = found
    assert best is not None  # noqa: S101 (for the type checker)
    weights = largest_one(best.weights / spread)
    return Tuned(weights, lists.score(lists.chosen(weights), objective))


def spreads(lists: ScoredLists) -> Numbers:
    """Return the mean standard deviation (F,) of each feature within a list; 1 for a constant."""
    counts = numpy.diff(lists.starts)
    begins = lists.starts[:-1]
    means = numpy.add.reduceat(lists.features, begins) / counts[:, None]
    squares = (lists.features - means.repeat(counts, 0)) ** 2
    deviations = numpy.sqrt(numpy.add.reduceat(squares, begins) / counts[:, None]).mean(0)
    return numpy.where(deviations > ROUNDING, deviations, 1.0)


def climb(lists: ScoredLists, weights: Numbers, objective: Objective) -> Tuned:
    """Return the weights from which no step along one axis raises the score."""
    score = lists.score(lists.chosen(weights), objective)
    is_better = True
    while is_better:
        is_better = False
        for axis in numpy.eye(len(weights)):
            moved = weights + best_step(lists, weights, axis, objective) * axis
            found = lists.score(lists.chosen(moved), objective)
            if found > score + ROUNDING:
                weights, score, is_better = largest_one(moved), found, True
    return Tuned(weights, score)


def largest_one(weights: Numbers) -> Numbers:
    """Return weights that choose the same, of which the greatest absolute value is 1."""
    largest = float(numpy.abs(weights).max())
    return weights / largest if largest else weights


def oracle_score(lists: ScoredLists, weights: Numbers, objective: Objective) -> float:
    """Return a score that other choices from the lists reach: the best may be higher still.

    The search starts from the candidates that weights choose, and takes in one list after another
    the candidate with which the corpus scores best.
    """
    chosen = lists.chosen(weights)
    sums = lists.statistics[chosen].sum(0)
    score = objective(sums)
    for _ in range(MOST_PASSES):
        before = score
        for number, (begin, end) in enumerate(pairwise(lists.starts.tolist())):
            rest = sums - lists.statistics[chosen[number]]
            for other in range(begin, end):
                found = objective(rest + lists.statistics[other])
                if found > score + ROUNDING:
                    chosen[number], score = other, found
            sums = rest + lists.statistics[chosen[number]]
        if score <= before + ROUNDING:
            break
    return score
