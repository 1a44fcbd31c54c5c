"""The epoch's batches: those of a plain reference, within budgets, in an order that is drawn."""

from itertools import product

import numpy
import pytest

from nmt.text.plan import EpochPlan, Lengths, plan_epoch


def realistic_lengths(count: int = 3000) -> tuple[Lengths, Lengths]:
    """Log-normal source lengths with correlated target lengths, as in news text."""
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
    """What `plan_epoch` documents, pair by pair in Python's integers."""
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
def test_the_plan_is_that_of_the_reference(
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
    """Sources fall in the odd target length 3 and rise in the even one 4; 12 tokens a side.

    Sorted, (source, target): (9, 3) | (5, 3) (2, 3) (1, 4) | (6, 4).
    """
    source = numpy.array([6, 2, 1, 9, 5], numpy.uint16)
    target = numpy.array([4, 3, 4, 3, 3], numpy.uint16)
    assert sorted(plan(source, target, budget=12)) == [[0], [3], [4, 1, 2]]


def test_a_plan_ends_like_a_list() -> None:
    source, target = random_lengths(20, 2, 9)
    found = plan_epoch(source, target, source_tokens=20, target_tokens=20, seed=1, epoch=0)
    assert found[0].dtype == numpy.int64
    assert found[-1].tolist() == found[len(found) - 1].tolist()
    with pytest.raises(IndexError):
        found[len(found)]


@pytest.mark.parametrize("epoch", range(3))
@pytest.mark.parametrize("budget", [1, 50, 1000, 10**9])
def test_every_pair_exactly_once_an_epoch(epoch: int, budget: int) -> None:
    source, target = realistic_lengths(500)
    seen = [each for batch in plan(source, target, budget=budget, epoch=epoch) for each in batch]
    assert sorted(seen) == list(range(500))


@pytest.mark.parametrize(("source_budget", "target_budget"), [(300, 300), (150, 400), (400, 150)])
def test_both_budgets_hold_unless_a_pair_alone_is_longer(
    source_budget: int, target_budget: int
) -> None:
    source, target = realistic_lengths()
    found = plan_epoch(
        source, target, source_tokens=source_budget, target_tokens=target_budget, seed=1, epoch=0
    )
    for batch in batches_of(found):
        fits = source[batch].sum() <= source_budget and target[batch].sum() <= target_budget
        assert fits or len(batch) == 1


def test_budgets_are_filled() -> None:
    source, target = realistic_lengths()
    batches = plan(source, target, budget=1000)
    fullest = [max(source[batch].sum(), target[batch].sum()) for batch in batches]
    assert numpy.mean(fullest) > 900


def test_seed_and_epoch_alone_determine_the_order() -> None:
    source, target = realistic_lengths(400)
    first = plan(source, target, seed=5, epoch=2)
    assert first == plan(source, target, seed=5, epoch=2)
    assert first != plan(source, target, seed=5, epoch=3)
    assert first != plan(source, target, seed=6, epoch=2)


def test_equal_lengths_meet_in_new_company_each_epoch() -> None:
    same = numpy.full(100, 10, numpy.uint16)
    companies = [{frozenset(b) for b in plan(same, same, budget=100, epoch=e)} for e in (0, 1)]
    assert companies[0] != companies[1]


def test_long_and_short_batches_are_mixed() -> None:
    source, target = realistic_lengths()
    means = [float(source[batch].mean()) for batch in plan(source, target)]
    assert means != sorted(means)
    assert abs(numpy.corrcoef(numpy.arange(len(means)), means)[0, 1]) < 0.5


def test_little_is_padding() -> None:
    source, target = realistic_lengths(30_000)
    batches = plan(source, target, budget=4096)
    for lengths, most in ((target, 0.03), (source, 0.2)):
        padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
        assert 1 - int(lengths.sum()) / padded < most
