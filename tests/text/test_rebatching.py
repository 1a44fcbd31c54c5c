"""Batches dealt anew: the same pairs window by window, of lengths that agree."""

from collections.abc import Callable
from itertools import pairwise

import numpy
import pytest

from nmt.text import rebatching as windows
from nmt.text.plan import EpochPlan, plan_epoch
from nmt.text.rebatching import Integers, RebatchedPlan, even_batches

RANDOM = numpy.random.default_rng(5)
SOURCE = numpy.exp(RANDOM.normal(2.7, 0.3, 20_000)).clip(3, 60)
PLANNED = numpy.stack([SOURCE, SOURCE + RANDOM.integers(0, 3, 20_000)]).astype(numpy.uint16)
REAL = PLANNED.astype(numpy.int64) + RANDOM.integers(0, 8, PLANNED.shape)  # cut finer by chance


def lengths(pairs: Integers) -> tuple[Integers, Integers]:
    return REAL[0, pairs], REAL[1, pairs]


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> EpochPlan:
    """Of some 200 batches, in windows of 64."""
    monkeypatch.setattr(windows, "WINDOW", 64)
    return plan_epoch(*PLANNED, source_tokens=1500, target_tokens=1500, seed=1, epoch=2)


def padding(batch: Callable[[int], Integers], count: int) -> float:
    """The share of all batches that is padding."""
    real = padded = 0
    for index in range(count):
        for side in REAL[:, batch(index)]:
            real += int(side.sum())
            padded += len(side) * int(side.max())
    return 1 - real / padded


def test_each_window_holds_its_pairs_once(plan: EpochPlan) -> None:
    dealt = RebatchedPlan(plan, 1, 2, lengths)
    assert 3 * 64 < len(dealt) == len(plan) < 4 * 64
    ends = [0, 64, 128, len(plan)]  # the last window takes what is left over
    for window in (range(a, b) for a, b in pairwise(ends)):
        found = numpy.concatenate([dealt[index] for index in window])
        expected = numpy.concatenate([plan[index] for index in window])
        assert sorted(found) == sorted(expected)


def test_batches_are_alike_in_size_and_nearly_full(plan: EpochPlan) -> None:
    """None is larger than the largest that was planned, which the probe of memory has tried."""
    dealt = RebatchedPlan(plan, 1, 2, lengths)
    for batches in (plan, dealt):
        sizes = [REAL[:, batches[each]].max() * len(batches[each]) for each in range(len(plan))]
        if batches is plan:
            planned = max(sizes)
    assert max(sizes) <= planned
    assert sorted(sizes)[3] > 0.9 * max(sizes)  # three windows, each with a rest at most
    assert padding(dealt.__getitem__, len(plan)) < 0.5 * padding(plan.__getitem__, len(plan))


def test_a_small_corpus_of_short_and_long_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few long ones do not make a batch of many short ones as wide as they are."""
    of_pairs = numpy.array([[6] * 300 + [49] * 40] * 2)
    plan = plan_epoch(
        *of_pairs.astype(numpy.uint16), source_tokens=400, target_tokens=400, seed=1, epoch=0
    )
    dealt = RebatchedPlan(plan, 1, 0, lambda pairs: (of_pairs[0, pairs], of_pairs[1, pairs]))
    widths = [(of_pairs[0, dealt[each]].max(), len(dealt[each])) for each in range(len(plan))]
    assert all(width * rows <= 420 for width, rows in widths)


def test_a_batch_is_the_same_whichever_came_before(plan: EpochPlan) -> None:
    """As for a run that was interrupted and one that was not; another epoch draws another order."""
    through = RebatchedPlan(plan, 1, 2, lengths)
    batches = [through[index].tolist() for index in range(len(plan))]
    for index in (len(plan) - 1, 70, 63, 64, 0):
        assert RebatchedPlan(plan, 1, 2, lengths)[index].tolist() == batches[index]
    assert RebatchedPlan(plan, 1, 3, lengths)[0].tolist() != batches[0]
    assert RebatchedPlan(plan, 2, 2, lengths)[0].tolist() != batches[0]


@pytest.mark.parametrize(
    ("source", "target", "count", "expected"),
    [
        ([5, 5, 5, 5], [5, 5, 5, 5], 2, [2, 4]),
        ([1, 1, 1, 9], [1, 1, 1, 9], 2, [3, 4]),
        ([9, 1, 1, 1], [1, 1, 1, 1], 3, [1, 3, 4]),  # the source's 9 stands alone
        ([1, 1, 1, 90], [1, 1, 1, 90], 4, [1, 2, 3, 4]),
        ([7], [8], 1, [1]),
    ],
)
def test_even_batches(
    source: list[int], target: list[int], count: int, expected: list[int]
) -> None:
    assert even_batches(numpy.array(source), numpy.array(target), count) == expected
