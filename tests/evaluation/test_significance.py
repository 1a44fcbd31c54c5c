"""Significance: p-values equal the enumeration of all exchanges; warnings of too few segments."""

import random
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from sacrebleu.metrics.base import Metric
from sacrebleu.significance import _bootstrap_resample

from nmt.evaluation import test_sets  # pytest would collect an imported TestSet
from nmt.evaluation.metrics import BleuVariant, MetricSet, error_metrics, translation_metrics
from nmt.evaluation.results import Score
from nmt.evaluation.scores import streams
from nmt.evaluation.significance import (
    RESAMPLES,
    Exchanges,
    compared_scores,
    resampled_scores,
    size_warnings,
    statistics,
)

WORDS = ["ein", "der", "Hund", "sieht", "das", "Haus", "Park", "nicht", "."]
References = Sequence[Sequence[str]]


def sentence(draw: random.Random) -> str:
    """Return a random sentence, now and then a blank one."""
    return " ".join(draw.choices(WORDS, k=draw.choice([0, 2, 5, 6, 7, 9])))


def changed(draw: random.Random, text: str) -> str:
    """Return a sentence with some words replaced, often none."""
    share = draw.choice([0, 0.2, 0.5])
    return " ".join(draw.choice(WORDS) if draw.random() < share else word for word in text.split())


def example(seed: int, count: int, references: int) -> tuple[list[str], list[str], References]:
    """Return the outputs of two systems, some of them equal, and references."""
    draw = random.Random(seed)
    known = [[sentence(draw) for _ in range(references)] for _ in range(count)]
    first = [changed(draw, references[0]) for references in known]
    other = [text if draw.random() < 0.2 else changed(draw, text) for text in first]
    return first, other, known


def enumerated(
    metric: Metric, first: Sequence[str], other: Sequence[str], references: References
) -> float:
    """Return the exact p-value by its definition: all 2^n exchanges, each scored from its text."""
    known = streams(references)

    def difference(exchanged: Sequence[bool]) -> float:
        pairs = [
            (right, left) if swap else (left, right)
            for left, right, swap in zip(first, other, exchanged, strict=True)
        ]
        one, two = (list(side) for side in zip(*pairs, strict=True))
        scores = [metric.corpus_score(side, known).score for side in (one, two)]
        return abs(float(scores[0]) - float(scores[1]))

    observed = difference([False] * len(first))
    exchanges = list(product([False, True], repeat=len(first)))
    return sum(difference(exchange) >= observed - 1e-9 for exchange in exchanges) / len(exchanges)


def compared(
    metrics: MetricSet, first: Sequence[str], other: Sequence[str], references: References
) -> list[Score]:
    _, scores = compared_scores(metrics, [first, other], references)
    return scores


METRICS = {
    "bleu": translation_metrics("de", (BleuVariant("char", lowercase=True),)),
    "error_rate": error_metrics(),
}


@pytest.mark.parametrize(("count", "references"), [(1, 1), (2, 2), (3, 1), (5, 2), (6, 1)])
@pytest.mark.parametrize("task", METRICS)
def test_small_sets_equal_the_enumeration(task: str, count: int, references: int) -> None:
    first, other, known = example(count, count, references)
    there = compared(METRICS[task], first, other, known)
    back = compared(METRICS[task], other, first, known)
    again = compared(METRICS[task], first, other, known)
    assert there == again
    for measure, score, mirrored in zip(METRICS[task].measures, there, back, strict=True):
        expected = enumerated(measure.metric, first, other, known)
        assert score.p_value == pytest.approx(expected, abs=1e-12), measure.name
        assert mirrored.p_value == score.p_value
        assert "|ar:nmt-exact|" in score.signature
        assert score.test == "two-sided paired randomisation, exact"


def test_one_segment_tells_nothing() -> None:
    """Exchanging it gives the same difference: p is 1, where sacreBLEU's is 0.0001."""
    for metrics in METRICS.values():
        scores = compared(metrics, ["der Hund sieht"], ["ein Park"], [["der Hund sieht das Haus"]])
        assert {score.p_value for score in scores} == {1}
        assert all(score.interval is None for score in scores)
        assert all("bs:" not in score.signature for score in scores)


def test_more_segments_are_sampled_with_ties_counted() -> None:
    """20 segments, of which one system has 1 more right: each exchange is a tie or more.

    The difference is the sum of an odd number of signs, so its absolute value is at least 1.
    """
    references = [["A"]] * 20 + [["B"]]
    first, other = ["A"] * 10 + ["x"] * 10 + ["B"], ["y"] * 10 + ["A"] * 10 + ["z"]
    *_, score = compared(METRICS["error_rate"], first, other, references)
    assert score.p_value == 1
    assert score.test == "two-sided paired randomisation, 10,000 trials"
    assert "|ar:nmt-10000|seed:12345|" in score.signature


@pytest.mark.parametrize("segments", [1, 21, 333])
def test_exchanges_and_resampled_sets_are_those_that_sacrebleu_draws_at_once(segments: int) -> None:
    """They are drawn a few at a time, so that memory does not grow with their number."""
    first = [str(number) for number in range(max(20, segments))]
    exchanges = Exchanges.of(first, [f"{number}x" for number in first])
    drawn = np.random.default_rng(12345).integers(2, size=(10_000, len(first)), dtype=np.bool_)
    assert np.array_equal(np.concatenate([*exchanges.blocks()]), drawn)
    references = [[f"A B C D {number}"] for number in first]
    for measure in METRICS["bleu"].measures:
        table = statistics(measure.metric, first, streams(references))
        _, known = _bootstrap_resample(table, measure.metric, RESAMPLES)
        assert resampled_scores(measure.metric, table) == [score.score for score in known]


@pytest.mark.parametrize(
    ("outputs", "smallest"), [("aaaa", 1), ("xaaa", 1), ("xxaa", 0.5), ("xxxx", 0.125)]
)
def test_the_smallest_p_value(outputs: str, smallest: float) -> None:
    assert Exchanges.of("aaaa", outputs).smallest_p == smallest


def test_differences_that_only_rounding_tells_apart_are_ties() -> None:
    """The first system has 3 of 5 and 2 of 3 tokens wrong, the other one 2 of 3 and 0 of 3.

    The rates differ by 5/8 - 2/6 = 7/24. If a segment is exchanged, by 4/6 - 3/8 = 7/24 too.
    """
    references = [["C C B C A", "A B A"], ["C C C", "C C C"]]
    first, other = ["B C C", "B A C"], ["A C", "C C C"]
    score, _ = compared(METRICS["error_rate"], first, other, references)
    assert score.difference == pytest.approx(-100 * 7 / 24)
    assert score.p_value == 1


def test_small_differences_of_large_sets_are_no_ties() -> None:
    """3 more of 3,000 sequences are wrong; 2 of 8 exchanges differ by 3 and not by 1."""
    references = [[str(number)] for number in range(3000)]
    right = [known for (known,) in references]
    *_, score = compared(METRICS["error_rate"], right, ["x"] * 3 + right[3:], references)
    assert score.difference == pytest.approx(0.1)
    assert score.p_value == 0.25


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, ["t: 1 segment has no confidence intervals"]),
        (9, ["t: 9 segments are few: the confidence intervals are too narrow"]),
        (10, []),
    ],
)
def test_few_segments_have_poor_intervals(count: int, said: list[str]) -> None:
    texts = [str(number) for number in range(count)]
    test = test_sets.TestSet.of("t", [], [(text,) for text in texts])
    assert size_warnings(test, ["one"], [texts]) == said


@pytest.mark.parametrize(
    ("differing", "smallest"), [(0, "1"), (1, "1"), (2, "0.5"), (5, "0.0625"), (6, "")]
)
def test_few_differing_segments_cannot_be_significant(differing: int, smallest: str) -> None:
    """The smallest p of n exchanges is 2 / 2^n, which is below 0.05 from n = 6 on."""
    texts = [str(number) for number in range(20)]
    other = ["x"] * differing + texts[differing:]
    expected = (
        [
            f"t: two and one differ on {differing} of 20 segments: too few to compare them, because"
            f" p cannot be below {smallest} (6 segments are needed for p < 0.05)"
        ]
        if smallest
        else []
    )
    test = test_sets.TestSet.of("t", [], [(text,) for text in texts])
    assert size_warnings(test, ["one", "two"], [texts, other]) == expected
