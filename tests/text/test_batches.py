"""Batches: layout, padding, micro-batches, even parts, and one index over several shards."""

from pathlib import Path

import numpy
import pytest
import torch

from nmt.text.batches import Batch, PairDataset, make_batch, source_batch
from nmt.text.shards import Shard, new_shard, open_shard
from nmt.text.tokenizer import BOS, EOS, PAD
from tests.text.conftest import IdPair, encoded


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


@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize("rows", [1, 2, 17])
def test_even_parts_hold_every_pair_once(rows: int, count: int) -> None:
    batch = random_batch(rows, seed=rows)
    parts = batch.split_evenly(count)
    assert 1 <= len(parts) <= min(rows, count)
    sizes = [part.source_tokens + part.target_tokens for part in parts]
    longest = int(((batch.source != PAD).sum(1) + (batch.labels != PAD).sum(1)).max())
    assert max(sizes) <= (batch.source_tokens + batch.target_tokens) / count + longest
    for name in ("source", "target_input", "labels"):
        joined = [row for part in parts for row in real(getattr(part, name))]
        assert joined == real(getattr(batch, name))
    assert sum(part.target_tokens for part in parts) == batch.target_tokens
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
