"""Samples of a stream of pairs: spread over it, bounded, and encoded in memory."""

import numpy
import pytest

from nmt.config import DataSettings, TokenizerSettings
from nmt.corpora.survey import Sampler, encoded, learn_from
from nmt.text.corpus import Pair
from tests.corpora.corpora import corpus


def pairs_of(count: int) -> list[Pair]:
    return [(f"source {number}", f"target {number}") for number in range(count)]


def sample(pairs: list[Pair], *bounds: int) -> list[Pair]:
    sampler = Sampler(*bounds)
    assert list(sampler.watch(pairs)) == pairs  # the stream is not changed
    return sampler.pairs


def test_a_small_stream_is_kept_whole_without_blank_pairs() -> None:
    pairs = pairs_of(10)
    assert sample([*pairs, ("", "x"), ("x", " ")], 10) == pairs


@pytest.mark.parametrize("count", [11, 100, 999])
def test_a_sample_is_spread_evenly_and_bounded(count: int) -> None:
    pairs = pairs_of(count)
    found = [pairs.index(each) for each in sample(pairs, 10)]
    assert 5 <= len(found) <= 10
    (step,) = {*numpy.diff(found).tolist()}
    assert found[0] == 0
    assert count - found[-1] <= step


def test_long_lines_make_a_sample_smaller() -> None:
    found = sample([("x" * 500, "y" * 500)] * 100, 100, 20_000)
    assert 10 <= len(found) <= 20


def test_a_vocabulary_that_is_too_large_for_the_sample_becomes_smaller() -> None:
    pairs = corpus(40)
    tokenizer = learn_from(pairs, TokenizerSettings(vocab_size=5_000))
    assert 30 < len(tokenizer) < 5_000
    two = learn_from(pairs, TokenizerSettings(vocab_size=60, joint=False))
    assert not two.is_joint


def test_pairs_are_encoded_in_memory_as_a_training_reads_them() -> None:
    pairs = [*corpus(30), ("one", " ".join(["word"] * 300))]  # the last is too long
    tokenizer = learn_from(pairs, TokenizerSettings(vocab_size=60))
    shard = encoded(pairs, tokenizer, DataSettings(max_length=200))
    assert len(shard) == 30
    assert shard.lines.tolist() == list(range(1, 31))
    start, end = shard.offsets[:2]
    assert shard.ids[start:end].tolist() == tokenizer.source.encode([pairs[0][0]])[0]
