"""Samples that are spread over a corpus, and vocabularies that are learned from them."""

import numpy
import pytest

from nmt.config import TokenizerSettings
from nmt.corpora.pairs import has_text, learn_from, sample_evenly
from nmt.text.corpus import Pair
from tests.corpora.corpora import as_pairs, corpus


def numbered(count: int) -> list[Pair]:
    return [Pair(f"source {number}", f"target {number}") for number in range(count)]


def test_a_small_stream_is_kept_whole_without_blank_pairs() -> None:
    pairs = numbered(10)
    assert sample_evenly(filter(has_text, [*pairs, Pair("", "x"), Pair("x", " ")]), 10) == pairs


@pytest.mark.parametrize("count", [11, 100, 999])
def test_a_sample_is_spread_evenly_and_bounded(count: int) -> None:
    pairs = numbered(count)
    found = [pairs.index(pair) for pair in sample_evenly(pairs, 10)]
    assert 5 <= len(found) <= 10
    (step,) = {*numpy.diff(found).tolist()}
    assert found[0] == 0
    assert count - found[-1] <= step


def test_long_lines_make_a_sample_smaller() -> None:
    found = sample_evenly([Pair("x" * 500, "y" * 500)] * 100, 100, 20_000)
    assert 10 <= len(found) <= 20


def test_a_vocabulary_that_is_too_large_for_the_sample_becomes_smaller() -> None:
    pairs = as_pairs(corpus(40))
    tokenizer = learn_from(pairs, TokenizerSettings(vocab_size=5_000))
    assert 30 < len(tokenizer) < 5_000
