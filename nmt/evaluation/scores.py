"""Score translations: values, confidence intervals, and whether two systems differ.

Metrics are sacreBLEU's or derive from its `Metric`, so that they are resampled and tested alike.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, cast

import numpy as np
from sacrebleu.metrics.base import Metric
from sacrebleu.significance import estimate_ci

from nmt.evaluation.significance import Exchanges, p_value, seed, statistics

RESAMPLES = 1_000  # of the bootstrap; sacreBLEU's default
ALL = "all"  # the label of every segment

References = Sequence[Sequence[str]]  # for each segment, one or more references


@dataclass(frozen=True)
class Measure:
    """A metric and the name that tables give it."""

    name: str
    metric: Metric
    lower_is_better: bool = False

    @property
    def key(self) -> str:
        """Return the name as a JSON key."""
        return self.name.lower().replace(" ", "_")

    @property
    def worst(self) -> float:
        """Return a score that no model falls below: 0, or infinity if lower is better."""
        return math.inf if self.lower_is_better else 0.0

    def beats(self, score: float, other: float) -> bool:
        """Return whether a score is better than another."""
        return score < other if self.lower_is_better else score > other


@dataclass(frozen=True)
class ScoredSegments:
    """The segments to score, each with its lines."""

    groups: list[list[int]]  # the lines of each segment, counted from 0
    references: list[tuple[str, ...]]

    @property
    def lines(self) -> list[int]:
        """Return the first line of each segment."""
        return [group[0] for group in self.groups]


@dataclass(frozen=True)
class MetricSet:
    """The metrics of a kind of task, and how to group its segments."""

    measures: tuple[Measure, ...]  # the main measure comes first
    segment_measure: Measure  # ranks single segments
    tokens: Callable[[str], list[str]]  # splits a text to measure its length
    unit: str  # of the lengths
    lengths: tuple[int, ...]  # last lengths of the buckets, in tokens of the first reference
    merges_sources: bool = False  # whether lines with one source are one segment

    def segments(self, sources: Sequence[str], references: References) -> ScoredSegments:
        """Return the segments to score in aligned lines.

        If the task merges sources, lines with one source become one segment with the distinct
        references of all of them; blank references are dropped. Otherwise, or if there are no
        sources, every line is a segment.
        """
        if not self.merges_sources:
            alone = [[line] for line in range(len(references))]
            return ScoredSegments(alone, [tuple(each) for each in references])
        groups: dict[str, list[int]] = {}
        for line in range(len(references)):
            groups.setdefault(sources[line] if sources else str(line), []).append(line)
        merged = []
        for lines in groups.values():
            distinct = dict.fromkeys(each for line in lines for each in references[line])
            merged.append(tuple(each for each in distinct if each.strip()) or ("",))
        return ScoredSegments([*groups.values()], merged)


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval of a score, from resampled test sets."""

    mean: float  # of the resampled scores
    radius: float


@dataclass(frozen=True)
class Score:
    """A metric's value and the signature of how it was computed."""

    name: str
    value: float
    signature: str
    lower_is_better: bool = False
    interval: Interval | None = None
    difference: float | None = None  # from the evaluated system's score; None: is that score
    p_value: float | None = None  # of the difference
    test: str | None = None  # what computed the p-value


@dataclass(frozen=True)
class ExactMatch:
    """Count of the segments of a label that equal a reference."""

    label: str
    right: int
    segments: int

    @property
    def percent(self) -> float:
        """Return the share of right segments in percent."""
        return 100 * self.right / self.segments


def streams(references: References) -> list[list[str]]:
    """Return references as sacreBLEU takes them: the first of each segment, then the second, ...

    A segment with fewer references than others is filled up with None, which sacreBLEU accepts
    though its types do not say so.
    """
    return [list(stream) for stream in zip_longest(*references)]


def corpus_scores(
    metrics: MetricSet, hypotheses: Sequence[str], references: References
) -> list[Score]:
    """Return the score of every measure, equal to the sacrebleu command's."""
    scores = []
    for measure in metrics.measures:
        result = measure.metric.corpus_score(list(hypotheses), streams(references))
        signature = str(measure.metric.get_signature())
        scores.append(Score(measure.name, float(result.score), signature, measure.lower_is_better))
    return scores


def main_score(metrics: MetricSet, hypotheses: Sequence[str], references: References) -> float:
    """Return the value of the main measure."""
    metric = metrics.measures[0].metric
    return float(metric.corpus_score(list(hypotheses), streams(references)).score)


def compared_scores(
    metrics: MetricSet, systems: Sequence[Sequence[str]], references: References
) -> list[list[Score]]:
    """Return the scores of one or more systems with confidence intervals, a list for each system.

    Intervals are by bootstrap resampling (Koehn, 2004), as sacreBLEU computes them with its seed.
    The p-values test whether a system differs from the first one: `nmt.evaluation.significance`.
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
                signature=signature_of(metric, other.interval, exchanged),
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
    signature = signature_of(measure.metric, interval)
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


def signature_of(
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


def exact_matches(
    hypotheses: Sequence[str], references: References, labels: Sequence[str]
) -> tuple[ExactMatch, ...]:
    """Return for each label how many of its segments equal a reference, apart from spaces.

    labels: for each segment, its labels separated by spaces. The label "all", which comes first,
    counts every segment.
    """
    counts: dict[str, ExactMatch] = {}
    for hypothesis, known, line in zip(hypotheses, references, labels, strict=True):
        is_right = hypothesis.split() in [each.split() for each in known]
        for label in dict.fromkeys([ALL, *line.split()]):
            count = counts.get(label, ExactMatch(label, 0, 0))
            right = count.right + is_right
            counts[label] = ExactMatch(label, right, count.segments + 1)
    return tuple(counts[label] for label in [ALL, *sorted({*counts} - {ALL})] if counts)
