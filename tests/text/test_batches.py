"""The plan of an epoch equals a plain reference; batches are padded, divided and regrouped."""

import tracemalloc
from itertools import chain, pairwise, product
from pathlib import Path

import numpy
import pytest
import torch

from nmt.text import plan as plan_module
from nmt.text.batches import Batch, PairDataset, make_batch, source_batch
from nmt.text.bpe_dropout import RebatchedPlan
from nmt.text.plan import (
    EpochPlan,
    Lengths,
    batches_by_length,
    batches_for_workers,
    plan_epoch,
)
from nmt.text.shards import Integers, Shard, new_shard, open_shard
from nmt.text.subwords.tokenizer import BOS, EOS, PAD
from tests.text.conftest import IdPair, encoded


def random_lengths(count: int, least: int, most: int) -> tuple[Lengths, Lengths]:
    random = numpy.random.default_rng([count, least, most])
    source, target = random.integers(least, most + 1, (2, count), dtype=numpy.uint16)
    return source, target


def batches(plan: EpochPlan) -> list[list[int]]:
    return [plan[index].tolist() for index in range(len(plan))]


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

    found: list[list[int]] = [[]]
    used_source = used_target = 0
    for pair in sorted(shuffled, key=by_length):  # keeps equals in shuffled order
        used_source += source[pair]
        used_target += target[pair]
        if found[-1] and (used_source > source_tokens or used_target > target_tokens):
            found.append([])
            used_source, used_target = source[pair], target[pair]
        found[-1].append(pair)
    return [found[index] for index in random.permutation(len(found)).tolist()]


@pytest.mark.parametrize(
    ("source_tokens", "target_tokens"), [(1, 1), (7, 7), (30, 100), (100, 30), (10**9, 10**9)]
)
@pytest.mark.parametrize(
    ("count", "least", "most"),
    [(1, 2, 2), (2, 2, 3), (300, 5, 5), (500, 2, 100), (200, 1, 65_535), (50, 65_534, 65_535)],
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
        assert batches(found) == expected
    assert (source == before[0]).all()
    assert (target == before[1]).all()
    assert found[-1].tolist() == found[len(found) - 1].tolist()
    assert found[0].dtype == numpy.int64
    with pytest.raises(IndexError):
        found[len(found)]


def test_batches_by_length_by_hand() -> None:
    """Budget 10: 9 alone; 5 with 4 (2 * 5); then 3 and 2 and 2 (3 * 3)."""
    lengths = [2, 9, 3, 5, 4, 2]
    found = [[lengths[i] for i in batch] for batch in batches_by_length(lengths, 10)]
    assert found == [[9], [5, 4], [3, 2, 2]]


def padded(batch: list[int], lengths: list[int]) -> int:
    return len(batch) * max(lengths[index] for index in batch)


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_batches_for_workers_leave_no_worker_idle(workers: int) -> None:
    lengths = random_lengths(200, 1, 200)[0].tolist()
    found = batches_for_workers(lengths, 1000, workers)
    assert len(found) % workers == 0
    assert sorted(chain.from_iterable(found)) == [*range(200)]
    assert all(padded(batch, lengths) <= 1000 for batch in found)


def test_batches_for_many_workers_are_not_much_smaller_than_they_may_be() -> None:
    """100 batches of 10 equal segments; no smaller budget makes 128 of them, but 112 or 125."""
    found = batches_for_workers([10] * 1000, 100, 64)
    assert len(found) == 128
    assert min(map(len, found)) >= 4
    assert sorted(chain.from_iterable(found)) == [*range(1000)]
    # Fewer segments than workers.
    assert batches_for_workers([5], 1000, 2) == [[0]]
    assert batches_for_workers([5] * 3, 1000, 8) == [[0], [1], [2]]
    assert batches_for_workers([], 1000, 2) == []


@pytest.mark.parametrize("count", [257, 272, 1000])
def test_a_large_corpus_is_planned_in_windows(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(plan_module, "WINDOW_PAIRS", 256)
    monkeypatch.setattr(plan_module, "BLOCK_PAIRS", 16)
    draw = numpy.random.default_rng(count)
    source, target = draw.integers(1, 30, (2, count)).astype(numpy.uint16)

    one, same, other = (
        batches(plan_epoch(source, target, source_tokens=90, target_tokens=80, seed=1, epoch=epoch))
        for epoch in (1, 1, 2)
    )
    assert sorted(chain.from_iterable(one)) == list(range(count))
    for batch in one:
        assert source[batch].sum() <= 90
        assert target[batch].sum() <= 80
    assert one == same != other
    if count % 16 == 0:  # else one of the windows has a block that is shorter
        ends = numpy.cumsum([*map(len, one)]).tolist()
        assert {*range(256, count, 256)} <= set(ends)
        first = {index // 16 for batch in one[: ends.index(256) + 1] for index in batch}
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


def test_a_batch_by_hand() -> None:
    batch = make_batch([([7, 8], [9]), ([6], [10, 11, 12])])
    assert batch.source.tolist() == [[7, 8, EOS], [6, EOS, PAD]]
    assert batch.target_input.tolist() == [[BOS, 9, PAD, PAD], [BOS, 10, 11, 12]]
    assert batch.labels.tolist() == [[9, EOS, PAD, PAD], [10, 11, 12, EOS]]
    assert (batch.source_tokens, batch.target_tokens) == (5, 6)
    assert source_batch([[], [5]]).tolist() == [[EOS, PAD], [5, EOS]]


SIDES = ("source", "target_input", "labels")


def random_batch(rows: int) -> Batch:
    lengths = zip(*(side.tolist() for side in random_lengths(rows, 1, 12)), strict=True)
    return make_batch(
        [([*range(4, 4 + source)], [*range(9, 9 + target)]) for source, target in lengths]
    )


def real(ids: torch.Tensor) -> list[list[int]]:
    return [[token for token in row if token != PAD] for row in ids.tolist()]


def check_parts(batch: Batch, parts: list[Batch]) -> None:
    for name in SIDES:
        joined = [row for part in parts for row in real(getattr(part, name))]
        assert joined == real(getattr(batch, name))
    assert sum(part.source_tokens for part in parts) == batch.source_tokens
    assert sum(part.target_tokens for part in parts) == batch.target_tokens
    for part in parts:
        assert part.source_tokens == int((part.source != PAD).sum())
        assert part.target_tokens == int((part.labels != PAD).sum())


@pytest.mark.parametrize("max_tokens", [0, 1, 13, 40, 10_000])
@pytest.mark.parametrize("rows", [1, 2, 17])
def test_micro_batches_hold_every_pair_once(rows: int, max_tokens: int) -> None:
    batch = random_batch(rows)
    parts = list(batch.split(max_tokens))
    check_parts(batch, parts)
    for part in parts:
        if max_tokens and len(part.source) > 1:
            assert max(part.source.numel(), part.labels.numel()) <= max_tokens


@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize("rows", [1, 2, 17])
def test_even_parts_hold_every_pair_once(rows: int, count: int) -> None:
    batch = random_batch(rows)
    parts = batch.split_evenly(count)
    check_parts(batch, parts)
    assert 1 <= len(parts) <= min(rows, count)
    sizes = [part.source_tokens + part.target_tokens for part in parts]
    longest = int(((batch.source != PAD).sum(1) + (batch.labels != PAD).sum(1)).max())
    assert max(sizes) <= (batch.source_tokens + batch.target_tokens) / count + longest
    for part in parts:
        assert part.source.shape[1] == max(map(len, real(part.source)))
        assert part.labels.shape[1] == max(map(len, real(part.labels)))


def test_a_dataset_has_one_index_over_its_shards(tmp_path: Path) -> None:
    def shard(name: str, *pairs: IdPair) -> Shard:
        with new_shard(tmp_path, name, 100) as writer:
            writer.add(encoded(pairs, first_line=5))
        return open_shard(tmp_path, name, 100)

    shards = [shard("a", ([4], [5, 6])), shard("b"), shard("c", ([7, 8], [9]), ([10], [11]))]
    dataset = PairDataset(shards, ["a.txt", "b.txt", "c.txt"])
    assert len(dataset) == 3
    assert dataset.source_lengths.tolist() == [2, 3, 2]
    assert dataset.target_lengths.tolist() == [3, 2, 2]
    batch = dataset.batch(numpy.array([2, 0, 1]), epoch=0)
    assert batch.source.tolist() == [[10, EOS, PAD], [4, EOS, PAD], [7, 8, EOS]]
    assert batch.labels.tolist() == [[11, EOS, PAD], [5, 6, EOS], [9, EOS, PAD]]
    assert (batch.source_tokens, batch.target_tokens) == (7, 7)
    assert dataset.lines(numpy.array([2, 0, 1])) == {"a.txt": [5], "c.txt": [5, 6]}


RANDOM = numpy.random.default_rng(5)
SOURCE = numpy.exp(RANDOM.normal(2.7, 0.3, 20_000)).clip(3, 60)
PLANNED = numpy.stack([SOURCE, SOURCE + RANDOM.integers(0, 3, 20_000)]).astype(numpy.uint16)
REAL = PLANNED.astype(numpy.int64) + RANDOM.integers(0, 8, PLANNED.shape)  # BPE-dropout adds 0-7
WINDOW = 64


def lengths(pairs: Integers) -> tuple[Integers, Integers]:
    return REAL[0, pairs], REAL[1, pairs]


def rebatch(whole: EpochPlan, seed: int = 1, epoch: int = 2) -> RebatchedPlan:
    return RebatchedPlan(whole, seed, epoch, lengths, WINDOW)


@pytest.fixture(scope="module")
def whole() -> EpochPlan:
    return plan_epoch(*PLANNED, source_tokens=1500, target_tokens=1500, seed=1, epoch=2)


def test_each_window_holds_its_pairs_once(whole: EpochPlan) -> None:
    rebatched = rebatch(whole)
    assert 3 * 64 < len(rebatched) == len(whole) < 4 * 64
    ends = [0, 64, 128, len(whole)]  # the last window also takes the remainder
    for window in (range(a, b) for a, b in pairwise(ends)):
        found = numpy.concatenate([rebatched[index] for index in window])
        expected = numpy.concatenate([whole[index] for index in window])
        assert sorted(found) == sorted(expected)


def test_batches_have_nearly_equal_sizes(whole: EpochPlan) -> None:
    """No batch is larger than the largest planned one, with which memory was tried."""
    rebatched = rebatch(whole)
    planned, sizes = (
        [REAL[:, batches[index]].max() * len(batches[index]) for index in range(len(whole))]
        for batches in (whole, rebatched)
    )
    assert max(sizes) <= max(planned)
    assert sorted(sizes)[3] > 0.9 * max(sizes)  # each of three windows may have a smaller batch


def test_short_and_long_pairs_are_kept_apart() -> None:
    of_pairs = numpy.array([[6] * 300 + [49] * 40] * 2)
    whole = plan_epoch(
        *of_pairs.astype(numpy.uint16), source_tokens=400, target_tokens=400, seed=1, epoch=0
    )
    rebatched = RebatchedPlan(whole, 1, 0, lambda pairs: (of_pairs[0, pairs], of_pairs[1, pairs]))
    batches = [of_pairs[0, rebatched[index]] for index in range(len(whole))]
    assert all(batch.max() * len(batch) <= 420 for batch in batches)


def test_a_batch_does_not_depend_on_the_batches_read_before(whole: EpochPlan) -> None:
    """A resumed run reads what an uninterrupted one reads; seed and epoch change the order."""
    in_order = rebatch(whole)
    batches = [in_order[index].tolist() for index in range(len(whole))]
    for index in (len(whole) - 1, 70, 63, 64, 0):
        assert rebatch(whole)[index].tolist() == batches[index]
    assert rebatch(whole, epoch=3)[0].tolist() != batches[0]
    assert rebatch(whole, seed=2)[0].tolist() != batches[0]
