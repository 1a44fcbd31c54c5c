"""The plan of an epoch equals a plain reference, keeps its budgets and is shuffled."""

import tracemalloc
from itertools import chain, product

import numpy
import pytest

from nmt.text import plan as plan_module
from nmt.text.plan import EpochPlan, Lengths, batches_by_length, batches_for_workers, plan_epoch


def realistic_lengths(count: int = 3000) -> tuple[Lengths, Lengths]:
    """Return log-normal source lengths with correlated target lengths, as in news text."""
    random = numpy.random.default_rng(3)
    source = numpy.exp(random.normal(3.0, 0.6, count)).clip(1, 200)
    target = (source * random.normal(1.1, 0.15, count)).clip(1, 200)
    return source.astype(numpy.uint16), target.astype(numpy.uint16)


def random_lengths(count: int, least: int, most: int) -> tuple[Lengths, Lengths]:
    random = numpy.random.default_rng([count, least, most])
    source, target = random.integers(least, most + 1, (2, count), dtype=numpy.uint16)
    return source, target


def batches_of(plan: EpochPlan) -> list[list[int]]:
    return [plan[index].tolist() for index in range(len(plan))]


def plan(
    source: Lengths, target: Lengths, *, budget: int = 1000, seed: int = 1, epoch: int = 0
) -> list[list[int]]:
    return batches_of(
        plan_epoch(
            source, target, source_tokens=budget, target_tokens=budget, seed=seed, epoch=epoch
        )
    )


def reference_plan(
    source_lengths: Lengths,
    target_lengths: Lengths,
    *,
    source_tokens: int,
    target_tokens: int,
    seed: int,
    epoch: int,
) -> list[list[int]]:
    """Return the batches that `plan_epoch` documents, computed pair by pair in Python."""
    source, target = source_lengths.tolist(), target_lengths.tolist()
    random = numpy.random.default_rng([seed, epoch])
    shuffled = random.permutation(len(source)).tolist()

    def by_length(pair: int) -> tuple[int, int]:
        return target[pair], source[pair] if target[pair] % 2 == 0 else -source[pair]

    batches: list[list[int]] = [[]]
    used_source = used_target = 0
    for pair in sorted(shuffled, key=by_length):  # keeps equals in shuffled order
        used_source += source[pair]
        used_target += target[pair]
        if batches[-1] and (used_source > source_tokens or used_target > target_tokens):
            batches.append([])
            used_source, used_target = source[pair], target[pair]
        batches[-1].append(pair)
    return [batches[index] for index in random.permutation(len(batches)).tolist()]


BUDGETS = [(1, 1), (7, 7), (64, 64), (30, 100), (100, 30), (4096, 4096), (10**9, 10**9)]


@pytest.mark.parametrize(("source_tokens", "target_tokens"), BUDGETS)
@pytest.mark.parametrize(
    ("count", "least", "most"),
    [
        (1, 2, 2),
        (2, 2, 3),
        (300, 5, 5),
        (500, 1, 6),
        (500, 2, 100),
        (200, 1, 65_535),
        (50, 65_534, 65_535),
    ],
)
def test_the_plan_equals_the_reference(
    count: int, least: int, most: int, source_tokens: int, target_tokens: int
) -> None:
    source, target = random_lengths(count, least, most)
    before = source.copy(), target.copy()
    for seed, epoch in product((1, 7), (0, 1, 12)):
        budgets = {"source_tokens": source_tokens, "target_tokens": target_tokens}
        found = plan_epoch(source, target, **budgets, seed=seed, epoch=epoch)
        expected = reference_plan(source, target, **budgets, seed=seed, epoch=epoch)
        assert batches_of(found) == expected
    assert (source == before[0]).all()
    assert (target == before[1]).all()


def test_a_plan_by_hand() -> None:
    """Sources descend in the odd target length 3 and ascend in the even one 4; 12 tokens a side.

    Sorted, (source, target): (9, 3) | (5, 3) (2, 3) (1, 4) | (6, 4).
    """
    source = numpy.array([6, 2, 1, 9, 5], numpy.uint16)
    target = numpy.array([4, 3, 4, 3, 3], numpy.uint16)
    assert sorted(plan(source, target, budget=12)) == [[0], [3], [4, 1, 2]]


def test_a_plan_is_indexed_like_a_list() -> None:
    source, target = random_lengths(20, 2, 9)
    found = plan_epoch(source, target, source_tokens=20, target_tokens=20, seed=1, epoch=0)
    assert found[0].dtype == numpy.int64
    assert found[-1].tolist() == found[len(found) - 1].tolist()
    with pytest.raises(IndexError):
        found[len(found)]


@pytest.mark.parametrize("epoch", range(3))
@pytest.mark.parametrize("budget", [1, 50, 1000, 10**9])
def test_every_pair_occurs_once_an_epoch(epoch: int, budget: int) -> None:
    source, target = realistic_lengths(500)
    seen = [each for batch in plan(source, target, budget=budget, epoch=epoch) for each in batch]
    assert sorted(seen) == list(range(500))


@pytest.mark.parametrize(("source_budget", "target_budget"), [(300, 300), (150, 400), (400, 150)])
def test_both_budgets_hold_unless_one_pair_is_longer(
    source_budget: int, target_budget: int
) -> None:
    source, target = realistic_lengths()
    found = plan_epoch(
        source, target, source_tokens=source_budget, target_tokens=target_budget, seed=1, epoch=0
    )
    for batch in batches_of(found):
        fits = source[batch].sum() <= source_budget and target[batch].sum() <= target_budget
        assert fits or len(batch) == 1


def test_budgets_are_nearly_full() -> None:
    source, target = realistic_lengths()
    batches = plan(source, target, budget=1000)
    fullest = [max(source[batch].sum(), target[batch].sum()) for batch in batches]
    assert numpy.mean(fullest) > 900


def test_only_seed_and_epoch_determine_the_order() -> None:
    source, target = realistic_lengths(400)
    first = plan(source, target, seed=5, epoch=2)
    assert first == plan(source, target, seed=5, epoch=2)
    assert first != plan(source, target, seed=5, epoch=3)
    assert first != plan(source, target, seed=6, epoch=2)


def test_pairs_of_equal_length_form_new_batches_each_epoch() -> None:
    same = numpy.full(100, 10, numpy.uint16)
    first, second = (
        {frozenset(batch) for batch in plan(same, same, budget=100, epoch=epoch)}
        for epoch in (0, 1)
    )
    assert first != second


def test_long_and_short_batches_are_mixed() -> None:
    source, target = realistic_lengths()
    means = [float(source[batch].mean()) for batch in plan(source, target)]
    assert means != sorted(means)
    assert abs(numpy.corrcoef(numpy.arange(len(means)), means)[0, 1]) < 0.5


def test_the_share_of_padding_is_small() -> None:
    source, target = realistic_lengths(30_000)
    batches = plan(source, target, budget=4096)
    for lengths, most in ((target, 0.03), (source, 0.2)):
        padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
        assert 1 - int(lengths.sum()) / padded < most


def test_batches_by_length_by_hand() -> None:
    """Budget 10: 9 alone; 5 with 4 (2 * 5); then 3 and 2 and 2 (3 * 3)."""
    lengths = [2, 9, 3, 5, 4, 2]
    batches = [[lengths[i] for i in batch] for batch in batches_by_length(lengths, 10)]
    assert batches == [[9], [5, 4], [3, 2, 2]]


@pytest.mark.parametrize("max_tokens", [1, 7, 100, 10**9])
def test_batches_by_length_hold_every_segment_once(max_tokens: int) -> None:
    lengths = realistic_lengths(200)[0].tolist()
    batches = list(batches_by_length(lengths, max_tokens))
    assert sorted(index for batch in batches for index in batch) == [*range(200)]
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= max_tokens


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_batches_for_workers_leave_no_worker_idle(workers: int) -> None:
    lengths = realistic_lengths(200)[0].tolist()
    batches = batches_for_workers(lengths, 1000, workers)
    assert len(batches) % workers == 0
    assert sorted(index for batch in batches for index in batch) == [*range(200)]
    for batch in batches:
        assert len(batch) * max(lengths[i] for i in batch) <= 1000


def test_batches_for_many_workers_are_not_much_smaller_than_they_may_be() -> None:
    """100 batches of 10 equal segments; no smaller budget makes 128 of them, but 112 or 125."""
    batches = batches_for_workers([10] * 1000, 100, 64)
    assert len(batches) == 128
    assert min(map(len, batches)) >= 4
    assert sorted(index for batch in batches for index in batch) == [*range(1000)]


def test_batches_for_workers_of_fewer_segments_than_workers() -> None:
    assert batches_for_workers([5], 1000, 2) == [[0]]
    assert batches_for_workers([5] * 3, 1000, 8) == [[0], [1], [2]]
    assert batches_for_workers([], 1000, 2) == []


@pytest.mark.parametrize("count", [257, 272, 1000, 1024])
def test_a_large_corpus_is_planned_in_windows(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Each pair is planned once, within the budgets; a window's batches are used together."""
    monkeypatch.setattr(plan_module, "WINDOW_PAIRS", 256)
    monkeypatch.setattr(plan_module, "BLOCK_PAIRS", 16)
    draw = numpy.random.default_rng(count)
    source, target = draw.integers(1, 30, (2, count)).astype(numpy.uint16)

    def planned(epoch: int) -> list[list[int]]:
        return batches_of(
            plan_epoch(source, target, source_tokens=90, target_tokens=80, seed=1, epoch=epoch)
        )

    batches = planned(1)
    assert sorted(chain.from_iterable(batches)) == list(range(count))
    for batch in batches:
        assert source[batch].sum() <= 90
        assert target[batch].sum() <= 80
    assert planned(1) == batches
    assert planned(2) != batches
    if count % 16 == 0:  # else one of the windows has a block that is shorter
        ends = numpy.cumsum([len(batch) for batch in batches]).tolist()
        assert {*range(256, count, 256)} <= set(ends)
        first = {index // 16 for batch in batches[: ends.index(256) + 1] for index in batch}
        assert len(first) == 16
        assert first != set(range(16))  # blocks of the whole corpus


def test_planning_a_large_corpus_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "WINDOW_PAIRS", 1 << 14)
    monkeypatch.setattr(plan_module, "BLOCK_PAIRS", 1 << 10)
    count = 1 << 20
    lengths = numpy.random.default_rng(1).integers(10, 40, (2, count)).astype(numpy.uint16)
    tracemalloc.start()
    try:
        plan_epoch(*lengths, source_tokens=9000, target_tokens=9000, seed=1, epoch=1)
        assert tracemalloc.get_traced_memory()[1] < 5.5 * count
    finally:
        tracemalloc.stop()
