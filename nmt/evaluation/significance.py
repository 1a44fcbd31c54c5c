"""Compute confidence intervals of scores, and test whether two systems differ.

Intervals are by bootstrap resampling of segments (Koehn, 2004), as sacreBLEU computes them. The
test is paired randomisation over segments.

If two systems are equally good, exchanging their outputs on any segments changes nothing but
chance. The p-value is the share of exchanges whose absolute difference of scores is at least as
large as the observed one. Ties count: an exchange that changes nothing is such a difference.

    p = count(|difference| >= |observed|) / 2^n            exact, over all exchanges
    p = (1 + count(|difference| >= |observed|)) / (1 + T)  over T exchanges drawn at random

n counts the segments whose outputs differ; exchanging equal outputs changes nothing. The test is
exact if 2^n <= T. Noreen (1989), Computer-Intensive Methods for Testing Hypotheses; Riezler and
Maxwell (2005), On Some Pitfalls in Automatic Evaluation and Significance Testing for MT.

sacreBLEU draws the same exchanges but counts greater differences only, which gives p = 0.0001 for
one segment.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.base import Metric
from sacrebleu.significance import estimate_ci

from nmt.errors import UsageError
from nmt.evaluation.metrics import Measure, MetricSet
from nmt.evaluation.results import Interval, Score
from nmt.evaluation.scores import References, streams
from nmt.evaluation.test_sets import TestSet

RESAMPLES = 1_000  # of the bootstrap; sacreBLEU's default
TRIALS = 10_000  # exchanges drawn; sacreBLEU's default
SEED = 12345  # sacreBLEU's default
SEED_VARIABLE = "SACREBLEU_SEED"
SIGNIFICANT = 0.05  # the level below which a difference is commonly not called chance
# Bootstrap intervals of n values are too narrow by about sqrt((n - 1) / n) * 1.96 / t(n - 1), with
# t the 97.5 % quantile of Student's distribution: a fifth for n = 9, a third for n = 5.
FEW_SEGMENTS = 10
NEEDED = next(n for n in range(1, 64) if 2 / 2**n < SIGNIFICANT)  # differing segments
# Exchanges that are computed together; bounds memory. NumPy makes 32 booleans from each random
# number, so blocks of a multiple of 32 equal one large draw.
BLOCK = 1_024
ROUNDING = 1e-9  # differences of scores (0 to 100) closer than this are equal

Statistics = NDArray[np.float64]  # (segments, statistics of the metric)


@dataclass(frozen=True)
class Exchanges:
    """The exchanges of two systems' outputs that a test computes."""

    differing: NDArray[np.int64]  # indices of the segments whose outputs differ
    segments: int

    @classmethod
    def of(cls, first: Sequence[str], other: Sequence[str]) -> "Exchanges":
        """Return the exchanges that tell two systems apart."""
        pairs = zip(first, other, strict=True)
        differing = [index for index, (left, right) in enumerate(pairs) if left != right]
        return cls(np.array(differing, dtype=np.int64), len(first))

    @property
    def is_exact(self) -> bool:
        """Return whether every exchange is computed."""
        return 1 << len(self.differing) <= TRIALS

    @property
    def name(self) -> str:
        """Return the name of the test, for tables."""
        kind = "exact" if self.is_exact else f"{TRIALS:,} trials"
        return f"two-sided paired randomisation, {kind}"

    @property
    def signature(self) -> str:
        """Return the value of "ar" in a signature; "nmt" tells it from sacreBLEU's test."""
        return f"nmt-{'exact' if self.is_exact else TRIALS}"

    @property
    def smallest_p(self) -> float:
        """Return the smallest p-value that can come out."""
        if not self.is_exact:
            return 1 / (1 + TRIALS)
        # An exchange and its mirror image, with all other segments exchanged, differ equally.
        return min(1.0, 2 / (1 << len(self.differing)))

    def blocks(self) -> Iterator[NDArray[np.bool_]]:
        """Yield the exchanges in blocks: (exchanges, differing segments), True for exchanged."""
        count = len(self.differing)
        if self.is_exact:
            numbers = np.arange(1 << count, dtype=np.int64)
            chosen = (numbers[:, None] >> np.arange(count)) & 1 == 1
            for start in range(0, len(chosen), BLOCK):
                yield chosen[start : start + BLOCK]
            return
        generator = np.random.default_rng(seed())
        for start in range(0, TRIALS, BLOCK):
            # Drawn for all segments, so that the exchanges are sacreBLEU's.
            shape = (min(BLOCK, TRIALS - start), self.segments)
            yield generator.integers(2, size=shape, dtype=np.bool_)[:, self.differing]


def seed() -> int | None:
    """Return the seed of sacreBLEU's variable; None draws one. Raises UsageError for no number."""
    value = os.environ.get(SEED_VARIABLE, str(SEED))
    if value.lower() == "none":
        return None
    if not (value.isascii() and value.isdecimal()):
        raise UsageError(f"{SEED_VARIABLE} must be a number or none, not '{value}'; unset it")
    return int(value)


def statistics(
    metric: Metric, hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> list[list[Any]]:
    """Return a metric's sufficient statistics of each segment; they are summed over a corpus.

    references: as sacreBLEU takes them. These are the numbers that sacreBLEU's own tests resample.
    """
    found: list[list[Any]] = metric._extract_corpus_statistics(hypotheses, references)
    return found


def score(metric: Metric, sums: Sequence[Any]) -> float:
    """Return the score of a corpus from its summed statistics."""
    return float(metric._compute_score_from_stats(list(sums)).score)


def p_value(metric: Metric, first: Statistics, other: Statistics, exchanges: Exchanges) -> float:
    """Return the probability of a difference at least this large between equally good systems.

    first and other: the statistics of two systems on the same segments.
    """
    totals = first.sum(0), other.sum(0)
    observed = abs(score(metric, totals[0].tolist()) - score(metric, totals[1].tolist()))
    steps = (other - first)[exchanges.differing]  # what exchanging a segment adds to the first
    count = computed = 0
    for exchanged in exchanges.blocks():
        changes = exchanged.astype(np.float64) @ steps  # (exchanges, statistics)
        pairs = zip((totals[0] + changes).tolist(), (totals[1] - changes).tolist(), strict=True)
        for left, right in pairs:
            count += abs(score(metric, left) - score(metric, right)) >= observed - ROUNDING
        computed += len(exchanged)
    return count / computed if exchanges.is_exact else (count + 1) / (computed + 1)


def compared_scores(
    metrics: MetricSet, systems: Sequence[Sequence[str]], references: References
) -> list[list[Score]]:
    """Return the scores of one or more systems with confidence intervals, a list for each system.

    The p-values test whether a system differs from the first one.
    """
    exchanges = [Exchanges.of(systems[0], outputs) for outputs in systems[1:]]
    known = streams(references)
    columns = []
    for measure in metrics.measures:
        metric = measure.metric
        tables = [statistics(metric, list(outputs), known) for outputs in systems]
        first, *others = [score_with_interval(measure, table) for table in tables]
        arrays = [np.array(table, dtype=np.float64) for table in tables]
        compared = [
            replace(
                other,
                signature=make_signature(metric, other.interval, exchanged),
                difference=other.value - first.value,
                p_value=p_value(metric, arrays[0], array, exchanged),
                test=exchanged.name,
            )
            for other, array, exchanged in zip(others, arrays[1:], exchanges, strict=True)
        ]
        columns.append([first, *compared])
    return [list(row) for row in zip(*columns, strict=True)]


def score_with_interval(measure: Measure, table: list[list[Any]]) -> Score:
    """Return a score and its interval from the statistics of each segment.

    One segment has no interval: every resampled test set is that segment again.
    """
    value = float(measure.metric._aggregate_and_compute(table).score)
    interval = None
    if len(table) > 1:
        mean, radius = estimate_ci(np.array(resampled_scores(measure.metric, table)))
        interval = Interval(float(mean), float(radius))
    signature = make_signature(measure.metric, interval)
    return Score(measure.name, value, signature, measure.lower_is_better, interval)


def resampled_scores(metric: Metric, table: list[list[Any]]) -> list[float]:
    """Return the scores of test sets that are drawn from the segments, with replacement.

    table: the statistics of each segment. The scores equal those of sacreBLEU's
    `_bootstrap_resample`, but one test set is drawn at a time, to save memory.
    """
    generator = np.random.default_rng(seed())
    known = np.array(table, dtype=np.float32)
    draws = (generator.choice(len(table), size=len(table)) for _ in range(RESAMPLES))
    sums = (cast(list[Any], known[rows].sum(0)) for rows in draws)  # as sacreBLEU sums them
    return [float(metric._compute_score_from_stats(sum_).score) for sum_ in sums]


def make_signature(
    metric: Metric, interval: Interval | None, exchanges: Exchanges | None = None
) -> str:
    """Return the signature of a metric with the resampling and the test that were done."""
    signature = metric.get_signature()
    if interval:
        signature.update("bs", RESAMPLES)
    if exchanges:
        signature.update("ar", exchanges.signature)
    if interval or (exchanges and not exchanges.is_exact):
        signature.update("seed", str(seed()).lower())
    return str(signature)


def size_warnings(
    test: TestSet, names: Sequence[str], outputs: Sequence[Sequence[str]]
) -> list[str]:
    """Return which intervals and p-values come from too few segments.

    names and outputs: of the evaluated system, then of those it is compared with.
    """
    found = []
    count = len(test.references)
    if count == 1:
        found.append("1 segment has no confidence intervals")
    elif count < FEW_SEGMENTS:
        found.append(f"{count} segments are few: the confidence intervals are too narrow")
    for name, other in zip(names[1:], outputs[1:], strict=True):
        exchanges = Exchanges.of(outputs[0], other)
        if exchanges.smallest_p > SIGNIFICANT:
            differing = len(exchanges.differing)
            found.append(
                f"{name} and {names[0]} differ on {differing} of {count} segments: too few to"
                f" compare them, because p cannot be below {exchanges.smallest_p:.4g}"
                f" ({NEEDED} segments are needed for p < {SIGNIFICANT})"
            )
    return [f"{test.name}: {warning}" for warning in found]
