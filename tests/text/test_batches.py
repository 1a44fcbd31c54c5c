"""Batches: budgets, order, padding and what stands where."""

import numpy
import pytest
import torch
from numpy.typing import NDArray

from nmt.text.batches import Batch, PairDataset, make_batch, plan_epoch, source_batch
from nmt.text.shards import Shard
from nmt.text.tokenizer import BOS, EOS, PAD

Lengths = NDArray[numpy.int32]


def realistic_lengths(count: int = 3000) -> tuple[Lengths, Lengths]:
    """Log-normal source lengths with correlated target lengths, as in news text."""
    random = numpy.random.default_rng(3)
    source = numpy.exp(random.normal(3.0, 0.6, count)).clip(1, 200)
    target = (source * random.normal(1.1, 0.15, count)).clip(1, 200)
    return source.astype(numpy.int32), target.astype(numpy.int32)


def plan(
    source: Lengths, target: Lengths, *, budget: int = 1000, seed: int = 1, epoch: int = 0
) -> list[list[int]]:
    batches = plan_epoch(
        source, target, source_tokens=budget, target_tokens=budget, seed=seed, epoch=epoch
    )
    return [batch.tolist() for batch in batches]


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
    for batch in plan_epoch(
        source, target, source_tokens=source_budget, target_tokens=target_budget, seed=1, epoch=0
    ):
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
    same = numpy.full(100, 10, numpy.int32)
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


def test_a_batch_by_hand() -> None:
    batch = make_batch([([7, 8], [9]), ([6], [10, 11, 12])])
    assert batch.source.tolist() == [[7, 8, EOS], [6, EOS, PAD]]
    assert batch.target_input.tolist() == [[BOS, 9, PAD, PAD], [BOS, 10, 11, 12]]
    assert batch.labels.tolist() == [[9, EOS, PAD, PAD], [10, 11, 12, EOS]]
    assert (batch.source_tokens, batch.target_tokens) == (5, 6)
    assert source_batch([[], [5]]).tolist() == [[EOS, PAD], [5, EOS]]


def random_batch(rows: int, seed: int) -> Batch:
    draw = numpy.random.default_rng(seed)
    return make_batch(
        [
            (
                draw.integers(4, 50, draw.integers(1, 12)).tolist(),
                draw.integers(4, 50, draw.integers(1, 12)).tolist(),
            )
            for _ in range(rows)
        ]
    )


def real(ids: torch.Tensor) -> list[list[int]]:
    return [[each for each in row if each != PAD] for row in ids.tolist()]


@pytest.mark.parametrize("max_tokens", [0, 1, 13, 40, 10_000])
@pytest.mark.parametrize("rows", [1, 2, 17])
def test_micro_batches_hold_every_pair_once(rows: int, max_tokens: int) -> None:
    batch = random_batch(rows, seed=rows)
    parts = list(batch.split(max_tokens))
    for name in ("source", "target_input", "labels"):
        joined = [row for part in parts for row in real(getattr(part, name))]
        assert joined == real(getattr(batch, name))
    assert sum(part.source_tokens for part in parts) == batch.source_tokens
    assert sum(part.target_tokens for part in parts) == batch.target_tokens
    for part in parts:
        assert part.source_tokens == int((part.source != PAD).sum())
        assert part.target_tokens == int((part.labels != PAD).sum())
        if max_tokens and len(part.source) > 1:
            assert max(part.source.numel(), part.labels.numel()) <= max_tokens


def test_a_dataset_counts_through_its_shards() -> None:
    def shard(*pairs: tuple[list[int], list[int]]) -> Shard:
        sides = [side for pair in pairs for side in pair]
        flat = [each for side in sides for each in side]
        offsets = numpy.cumsum([0, *map(len, sides)]).astype(numpy.int64)
        return Shard(numpy.array(flat, numpy.uint16), offsets)

    dataset = PairDataset([shard(([4], [5, 6])), shard(), shard(([7, 8], [9]), ([10], [11]))])
    assert len(dataset) == 3
    assert dataset.source_lengths.tolist() == [2, 3, 2]
    assert dataset.target_lengths.tolist() == [3, 2, 2]
    batch = dataset.batch(numpy.array([2, 0, 1]))
    assert batch.source.tolist() == [[10, EOS, PAD], [4, EOS, PAD], [7, 8, EOS]]
    assert batch.labels.tolist() == [[11, EOS, PAD], [5, 6, EOS], [9, EOS, PAD]]
