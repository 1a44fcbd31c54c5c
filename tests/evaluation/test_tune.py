"""The line search agrees with brute force, and tuning finds weights that choose the best."""

from itertools import pairwise

import numpy
import pytest

from nmt.evaluation.rerank import Numbers
from nmt.evaluation.tune import ScoredLists, best_step, middle_of_best, oracle_score, tune


def random_lists(seed: int, features: int = 3) -> ScoredLists:
    """Return lists of 1 to 6 candidates; the statistics are right and all, as of a precision."""
    draw = numpy.random.default_rng(seed)
    counts = draw.integers(1, 7, 12)
    total = int(counts.sum())
    # Small whole numbers, so that many lines are parallel, equal or meet in one point.
    values = draw.integers(-3, 4, (total, features)).astype(float)
    possible = draw.integers(1, 9, total)
    right = draw.integers(0, possible + 1)
    statistics = numpy.stack([right, possible], 1).astype(float)
    return ScoredLists(values, statistics, numpy.concatenate([[0], counts.cumsum()]), precision)


def precision(sums: Numbers) -> float:
    """Return the score of the tests: the share of what is right, in percent."""
    return 100 * float(sums[0] / sums[1])


@pytest.mark.parametrize("seed", range(8))
def test_the_best_step_is_that_of_brute_force(seed: int) -> None:
    """Between any two crossings of lines nothing changes, so that one step of each is enough."""
    lists = random_lists(seed)
    draw = numpy.random.default_rng(100 + seed)
    weights, direction = draw.integers(-2, 3, (2, 3)) + 0.5
    totals = lists.features @ weights
    slopes = lists.features @ direction
    crossings = {0.0}
    for begin, end in pairwise(lists.starts):
        for one in range(begin, end):
            for other in range(begin, end):
                if slopes[one] != slopes[other]:
                    step = (totals[other] - totals[one]) / (slopes[one] - slopes[other])
                    crossings.add(round(float(step), 9))
    ends = sorted(crossings)
    steps = [ends[0] - 1, *((low + high) / 2 for low, high in pairwise(ends)), ends[-1] + 1]
    scores = [lists.score(weights + step * direction) for step in steps]
    found = best_step(lists, weights, direction)
    reached = lists.score(weights + found * direction)
    assert reached == pytest.approx(max(scores))


def test_a_step_is_in_the_middle() -> None:
    infinity = numpy.inf
    assert middle_of_best([1, 3, 2, 3], [-infinity, 0, 1, 4, infinity]) == 5
    assert middle_of_best([3, 1, 2], [-infinity, 0, 1, infinity]) == -1
    assert middle_of_best([1, 3, 2], [-infinity, 0, 1, infinity]) == 0.5
    assert middle_of_best([2, 2], [-infinity, 7, infinity]) == 0


def test_the_chosen_are_the_greatest_of_each_list() -> None:
    features = numpy.array([[1.0], [2], [2], [5], [-1], [0]])
    lists = ScoredLists(features, numpy.ones((6, 2)), numpy.array([0, 3, 4, 6]), precision)
    assert lists.chosen(numpy.array([1.0])).tolist() == [1, 3, 5]
    assert lists.chosen(numpy.array([-1.0])).tolist() == [0, 3, 4]
    assert lists.chosen(numpy.array([0.0])).tolist() == [0, 3, 4]


@pytest.mark.parametrize("sign", [1, -1])
def test_tuning_finds_the_feature_that_is_right(sign: int) -> None:
    """One of four features tells how right a candidate is, the others are noise."""
    lists = random_lists(3, features=4)
    statistics = numpy.stack([lists.statistics[:, 0], numpy.full(len(lists.features), 9.0)], 1)
    features = lists.features.copy()
    features[:, 2] = sign * 0.001 * statistics[:, 0]  # its scale must not matter
    known = ScoredLists(features, statistics, lists.starts, precision)
    tuned = tune(known, [numpy.array([1.0, 0, 0, 0])], seed=1)
    best = oracle_score(known, numpy.zeros(4))
    assert tuned.score == pytest.approx(best)
    assert abs(tuned.weights).max() == 1
    assert numpy.sign(tuned.weights[2]) == sign
    assert known.score(tuned.weights) == pytest.approx(tuned.score)


@pytest.mark.parametrize("seed", range(5))
def test_tuning_is_deterministic_and_never_worse_than_its_starts(seed: int) -> None:
    lists = random_lists(seed)
    starts = [numpy.ones(3), numpy.array([1.0, 0, 0])]
    tuned = tune(lists, starts, seed=2)
    assert tuned.weights.tolist() == tune(lists, starts, seed=2).weights.tolist()
    before = [lists.score(start) for start in starts]
    assert max(before) <= tuned.score <= oracle_score(lists, tuned.weights)


def test_the_oracle_by_hand() -> None:
    """0 of 4, or 3 of 4; then 1 of 2, or 1 of 1: the best precision is 4 of 5."""
    statistics = numpy.array([[0.0, 4], [3, 4], [1, 2], [1, 1]])
    lists = ScoredLists(numpy.zeros((4, 1)), statistics, numpy.array([0, 2, 4]), precision)
    assert oracle_score(lists, numpy.zeros(1)) == pytest.approx(80)
