"""Clean pairs by their lengths, and encode them in chunks."""

import numpy
import pytest

from nmt.config import DataSettings
from nmt.text.encode import VERDICTS, chunks_of, encode_pairs, judge
from nmt.text.tokenizer import Tokenizer
from tests.text.conftest import LIMITS, random_pairs

pytestmark = pytest.mark.usefixtures("small_chunks")


def plain_verdict(source_length: int, target_length: int, limits: DataSettings) -> str:
    """Return the verdict on one pair of these lengths."""
    shorter, longer = sorted((source_length, target_length))
    if shorter == 0:
        return "empty"
    if longer > limits.max_length:
        return "too_long"
    if longer > limits.max_ratio * shorter:
        return "ratio"
    return "kept"


@pytest.mark.parametrize(
    ("source", "target", "verdict"),
    [
        (5, 5, "kept"),
        (0, 5, "empty"),
        (5, 0, "empty"),
        (0, 0, "empty"),
        (10, 10, "kept"),
        (11, 10, "too_long"),
        (10, 11, "too_long"),
        (11, 1, "too_long"),
        (2, 6, "kept"),
        (2, 7, "ratio"),
        (10, 3, "ratio"),
        (1, 4, "ratio"),
    ],
)
def test_cleaning_by_hand(source: int, target: int, verdict: str) -> None:
    limits = DataSettings(max_length=10, max_ratio=3.0)
    assert [VERDICTS[each] for each in judge(numpy.array([[source], [target]]), limits)] == [
        verdict
    ]


@pytest.mark.parametrize("max_ratio", [1.0, 1.1, 2.5, 9.0])
@pytest.mark.parametrize("max_length", [1, 20, 30])
def test_judging_many_pairs_equals_judging_one_by_one(max_length: int, max_ratio: float) -> None:
    limits = DataSettings(max_length=max_length, max_ratio=max_ratio)
    lengths = numpy.indices((33, 33)).reshape(2, -1)  # all pairs of lengths up to 32
    found = [VERDICTS[each] for each in judge(lengths, limits)]
    assert found == [plain_verdict(x, y, limits) for x, y in lengths.T.tolist()]


@pytest.mark.parametrize("count", [0, 1, 7, 14, 15, 300])
def test_chunks_hold_the_pairs_that_cleaning_keeps(tokenizer: Tokenizer, count: int) -> None:
    """Compare with one pair at a time; 15 and more pairs are encoded by the pool."""
    pairs = random_pairs(count)
    expected_ids, expected_lengths, expected_lines = [], [], []
    verdicts = []
    for line, pair in enumerate(pairs, start=1):
        source, target = tokenizer.source.encode(pair[:2])
        verdicts.append(plain_verdict(len(source), len(target), LIMITS))
        if verdicts[-1] == "kept":
            expected_ids += [*source, *target]
            expected_lengths += [len(source), len(target)]
            expected_lines.append(line)
    chunks = list(encode_pairs(pairs, tokenizer, LIMITS))
    assert [each for chunk in chunks for each in chunk.pairs.ids.tolist()] == expected_ids
    assert [each for chunk in chunks for each in chunk.pairs.lengths.tolist()] == expected_lengths
    assert [each for chunk in chunks for each in chunk.pairs.lines.tolist()] == expected_lines
    for begin, chunk in zip(range(0, count, 7), chunks, strict=True):
        part = verdicts[begin : begin + 7]
        assert chunk.counts == {verdict: part.count(verdict) for verdict in VERDICTS}
    if count == 300:
        assert set(verdicts) == set(VERDICTS)


def test_long_lines_make_small_chunks() -> None:
    """A chunk holds bounded text, whatever its lines are."""
    long = "x" * 6_000_000
    pairs = [("a", "b")] * 15 + [(long, long)] * 5
    sizes = [(chunk.first_line, len(chunk)) for chunk in chunks_of(pairs)]
    assert sizes == [(1, 7), (8, 7), (15, 3), (18, 2), (20, 1)]
