"""Batches dealt anew: the same pairs window by window, of lengths that agree."""

from collections.abc import Callable

import numpy
import pytest

from nmt.text import windows
from nmt.text.plan import EpochPlan, plan_epoch
from nmt.text.windows import DealtAnew, Integers, equal_shares

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
    dealt = DealtAnew(plan, 2, lengths)
    assert len(dealt) == len(plan) > 3 * 64
    for first in range(0, len(plan), 64):
        window = range(first, min(first + 64, len(plan)))
        found = numpy.concatenate([dealt[index] for index in window])
        expected = numpy.concatenate([plan[index] for index in window])
        assert sorted(found) == sorted(expected)


def test_batches_are_alike_in_size_and_nearly_full(plan: EpochPlan) -> None:
    dealt = DealtAnew(plan, 2, lengths)
    sizes = [int(REAL[:, dealt[index]].max(0).sum()) for index in range(64)]
    assert max(sizes) - min(sizes) < 2 * REAL.max()
    assert padding(dealt.__getitem__, len(plan)) < 0.5 * padding(plan.__getitem__, len(plan))


def test_a_batch_is_the_same_whichever_came_before(plan: EpochPlan) -> None:
    """As for a run that was interrupted and one that was not; another epoch draws another order."""
    through = DealtAnew(plan, 2, lengths)
    batches = [through[index].tolist() for index in range(len(plan))]
    for index in (len(plan) - 1, 70, 63, 64, 0):
        assert DealtAnew(plan, 2, lengths)[index].tolist() == batches[index]
    assert DealtAnew(plan, 3, lengths)[0].tolist() != batches[0]


@pytest.mark.parametrize(
    ("tokens", "count", "expected"),
    [
        ([5, 5, 5, 5], 2, [2, 4]),
        ([1, 1, 1, 9], 2, [3, 4]),
        ([9, 1, 1, 1], 3, [1, 2, 4]),  # an item each, however large the first
        ([1, 1, 1, 90], 4, [1, 2, 3, 4]),
        ([7], 1, [1]),
    ],
)
def test_equal_shares(tokens: list[int], count: int, expected: list[int]) -> None:
    assert equal_shares(numpy.array(tokens), count).tolist() == expected
