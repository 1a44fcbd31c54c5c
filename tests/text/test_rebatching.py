"""Regrouped batches: the same pairs in each window, of similar real lengths."""

from collections.abc import Callable
from itertools import pairwise

import numpy
import pytest

from nmt.text.bpe_dropout import RebatchedPlan, even_batches
from nmt.text.plan import EpochPlan, Integers, plan_epoch

RANDOM = numpy.random.default_rng(5)
SOURCE = numpy.exp(RANDOM.normal(2.7, 0.3, 20_000)).clip(3, 60)
PLANNED = numpy.stack([SOURCE, SOURCE + RANDOM.integers(0, 3, 20_000)]).astype(numpy.uint16)
REAL = PLANNED.astype(numpy.int64) + RANDOM.integers(0, 8, PLANNED.shape)  # BPE-dropout adds 0-7
WINDOW = 64


def lengths(pairs: Integers) -> tuple[Integers, Integers]:
    return REAL[0, pairs], REAL[1, pairs]


def rebatch(plan: EpochPlan, seed: int = 1, epoch: int = 2) -> RebatchedPlan:
    return RebatchedPlan(plan, seed, epoch, lengths, WINDOW)


@pytest.fixture(scope="module")
def plan() -> EpochPlan:
    """Plan some 200 batches, which make three windows and a remainder."""
    return plan_epoch(*PLANNED, source_tokens=1500, target_tokens=1500, seed=1, epoch=2)


def padding(batch: Callable[[int], Integers], count: int) -> float:
    """Return the share of padding in all batches."""
    real = padded = 0
    for index in range(count):
        for side in REAL[:, batch(index)]:
            real += int(side.sum())
            padded += len(side) * int(side.max())
    return 1 - real / padded


def test_each_window_holds_its_pairs_once(plan: EpochPlan) -> None:
    rebatched = rebatch(plan)
    assert 3 * 64 < len(rebatched) == len(plan) < 4 * 64
    ends = [0, 64, 128, len(plan)]  # the last window also takes the remainder
    for window in (range(a, b) for a, b in pairwise(ends)):
        found = numpy.concatenate([rebatched[index] for index in window])
        expected = numpy.concatenate([plan[index] for index in window])
        assert sorted(found) == sorted(expected)


def test_batches_have_nearly_equal_sizes(plan: EpochPlan) -> None:
    """No batch is larger than the largest planned one, with which memory was tried."""
    rebatched = rebatch(plan)
    planned, sizes = (
        [REAL[:, batches[each]].max() * len(batches[each]) for each in range(len(plan))]
        for batches in (plan, rebatched)
    )
    assert max(sizes) <= max(planned)
    assert sorted(sizes)[3] > 0.9 * max(sizes)  # each of three windows may have a smaller batch
    assert padding(rebatched.__getitem__, len(plan)) < 0.5 * padding(plan.__getitem__, len(plan))


def test_short_and_long_pairs_are_kept_apart() -> None:
    """A few long pairs do not widen a batch of many short ones."""
    of_pairs = numpy.array([[6] * 300 + [49] * 40] * 2)
    plan = plan_epoch(
        *of_pairs.astype(numpy.uint16), source_tokens=400, target_tokens=400, seed=1, epoch=0
    )
    rebatched = RebatchedPlan(plan, 1, 0, lambda pairs: (of_pairs[0, pairs], of_pairs[1, pairs]))
    batches = [of_pairs[0, rebatched[each]] for each in range(len(plan))]
    assert all(batch.max() * len(batch) <= 420 for batch in batches)


def test_a_batch_does_not_depend_on_the_batches_read_before(plan: EpochPlan) -> None:
    """A resumed run reads what an uninterrupted one reads; seed and epoch change the order."""
    in_order = rebatch(plan)
    batches = [in_order[index].tolist() for index in range(len(plan))]
    for index in (len(plan) - 1, 70, 63, 64, 0):
        assert rebatch(plan)[index].tolist() == batches[index]
    assert rebatch(plan, epoch=3)[0].tolist() != batches[0]
    assert rebatch(plan, seed=2)[0].tolist() != batches[0]


@pytest.mark.parametrize(
    ("source", "target", "count", "expected"),
    [
        ([5, 5, 5, 5], [5, 5, 5, 5], 2, [2, 4]),
        ([1, 1, 1, 9], [1, 1, 1, 9], 2, [3, 4]),
        ([9, 1, 1, 1], [1, 1, 1, 1], 3, [1, 3, 4]),  # the source's 9 is a batch alone
        ([1, 1, 1, 90], [1, 1, 1, 90], 4, [1, 2, 3, 4]),
        ([7], [8], 1, [1]),
    ],
)
def test_even_batches(
    source: list[int], target: list[int], count: int, expected: list[int]
) -> None:
    assert even_batches(numpy.array(source), numpy.array(target), count) == expected
