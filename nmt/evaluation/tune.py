"""Tune the weights of features on a dev set: minimum error rate training, Och (2003).

From each of several starts, one weight after another moves to the best point on its axis, until no
weight can raise the score of the corpus.

The search on an axis is exact (section 5). On the line `weights + step * direction` the total of a
candidate is a linear function of the step. In each list, the best candidates are those on the upper
envelope of these functions, so that the choice changes at few steps, and the score of the corpus is
constant between two changes.

Dimensions: S lists, N candidates of all lists, F features, M statistics of the metric.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy
from numpy.typing import NDArray

from nmt.errors import NmtError
from nmt.evaluation import significance
from nmt.evaluation.metrics import translation_metrics
from nmt.evaluation.rerank import (
    SCORE,
    WEIGHTS_VERSION,
    Candidate,
    Judge,
    Numbers,
    WeightsFile,
    default_weights,
    feature_names,
    scored_chunks,
)
from nmt.evaluation.scores import streams
from nmt.text.reading.corpus import align_columns
from nmt.text.reading.lines import read_segments, show_name

METRICS = {"bleu": "BLEU", "chrf": "chrF2"}  # by the value of --metric
RANDOM_STARTS = 20
MOST_PASSES = 5  # over all lists, to find the oracle
ROUNDING = 1e-9  # scores (0 to 100) and steps closer than this are equal

Integers = NDArray[numpy.int64]


@dataclass(frozen=True)
class ScoredLists:
    """The candidates of n-best lists, end to end, and the score of a corpus of some of them."""

    features: Numbers  # (N, F)
    statistics: Numbers  # (N, M), which are summed over a corpus
    starts: Integers  # (S + 1,) the first candidate of each list, and N
    objective: Callable[[Numbers], float]  # score of summed statistics (M,); higher is better

    def chosen(self, weights: Numbers) -> Integers:
        """Return the candidate (S,) with the greatest total in each list; of equals the first."""
        totals = (self.features * weights).sum(1)
        lists = pairwise(self.starts.tolist())
        return numpy.array([begin + totals[begin:end].argmax() for begin, end in lists])

    def score(self, weights: Numbers) -> float:
        """Return the score of the corpus of candidates that weights (F,) choose."""
        return self.objective(self.statistics[self.chosen(weights)].sum(0))


def tune_file(
    nbest: Path,
    source: Path,
    references: Sequence[Path],
    judges: Sequence[Judge],
    metric: str,
    seed: int,
) -> WeightsFile:
    """Return the weights that choose the best translations of a dev set.

    Args:
        nbest, source, judges: as in `rerank_file`.
        references: one or more files with a line for each line of the source.
        metric: the corpus score to raise, a key of `METRICS`.
        seed: of the random starts.

    Raises NmtError if files do not align, or if no list has two candidates.
    """
    measures = translation_metrics(judges[0].languages[1]).measures
    measure = next(found for found in measures if found.name == METRICS[metric])
    names = feature_names(judges)
    every: list[tuple[Candidate, ...]] = []
    features = []
    for chunk in scored_chunks(nbest, source, judges):
        every += chunk.lists
        features.append(chunk.features)
    rows = [*align_columns(map(show_name, references), map(read_segments, references))]
    if len(rows) != len(every):
        raise NmtError(
            f"{show_name(references[0])} has {len(rows):,} lines but {show_name(nbest)} has"
            f" {len(every):,} lists; a dev set needs one reference for each list"
        )
    if all(len(candidates) < 2 for candidates in every):
        raise NmtError(
            f"{show_name(nbest)} has no list of two candidates or more, so there is nothing to"
            " choose from; translate with a larger --n-best"
        )
    starts = numpy.cumsum([0, *map(len, every)])
    texts = [candidate.text for candidates in every for candidate in candidates]
    known = [row for candidates, row in zip(every, rows, strict=True) for _ in candidates]
    statistics = numpy.array(significance.statistics(measure.metric, texts, streams(known)), float)
    lists = ScoredLists(
        numpy.concatenate(features),
        statistics,
        starts,
        lambda sums: significance.score(measure.metric, sums.tolist()),
    )
    equal = numpy.array(default_weights(names))
    tuned = tune(lists, [equal, numpy.array([float(name == SCORE) for name in names])], seed)
    return WeightsFile(
        rerank_weights=WEIGHTS_VERSION,
        weights=dict(zip(names, tuned.weights.tolist(), strict=True)),
        models={name: judge.path for name, judge in zip(names[1:-1], judges, strict=True)},
        metric=measure.name,
        signature=str(measure.metric.get_signature()),
        segments=len(every),
        seed=seed,
        first=lists.objective(statistics[starts[:-1]].sum(0)),
        equal=lists.score(equal),
        tuned=tuned.score,
        oracle=oracle_score(lists, tuned.weights),
    )


def report(found: WeightsFile) -> str:
    """Return a table of the scores before and after tuning, and the weights."""
    scores = {
        "first candidates": found.first,
        "equal weights": found.equal,
        "tuned weights": found.tuned,
        "best choice found": found.oracle,
    }
    rows = [f"{found.metric} of {found.segments:,} segments"]
    rows += [f"  {name:<18} {value:6.2f}" for name, value in scores.items()]
    rows += ["weights", *(f"  {name:<18} {value:6.3f}" for name, value in found.weights.items())]
    return "\n".join(rows) + "\n"


@dataclass(frozen=True)
class Tuned:
    """Weights and the score of the dev set that they choose."""

    weights: Numbers  # (F,); the greatest has the absolute value 1
    score: float


def tune(lists: ScoredLists, starts: Sequence[Numbers], seed: int) -> Tuned:
    """Return the weights with the highest score that is found.

    starts: weights (F,) to start from, besides random ones; the result is never worse. Of equal
    results the first counts. seed: of the random starts.
    """
    spread = spreads(lists)
    scaled = replace(lists, features=lists.features / spread)
    draw = numpy.random.default_rng(seed)
    drawn = draw.standard_normal((RANDOM_STARTS, len(spread)))
    best = None
    for start in (*(start * spread for start in starts), *drawn):
        found = climb(scaled, start)
        if best is None or found.score > best.score + ROUNDING:
            best = found
    assert best is not None  # noqa: S101 (for the type checker)
    weights = largest_one(best.weights / spread)
    return Tuned(weights, lists.score(weights))


def spreads(lists: ScoredLists) -> Numbers:
    """Return the mean standard deviation (F,) of each feature within a list; 1 for a constant."""
    counts = numpy.diff(lists.starts)
    begins = lists.starts[:-1]
    means = numpy.add.reduceat(lists.features, begins) / counts[:, None]
    squares = (lists.features - means.repeat(counts, 0)) ** 2
    deviations = numpy.sqrt(numpy.add.reduceat(squares, begins) / counts[:, None]).mean(0)
    return numpy.where(deviations > ROUNDING, deviations, 1.0)


def climb(lists: ScoredLists, weights: Numbers) -> Tuned:
    """Return the weights from which no step along one axis raises the score."""
    score = lists.score(weights)
    is_better = True
    while is_better:
        is_better = False
        for axis in numpy.eye(len(weights)):
            moved = weights + best_step(lists, weights, axis) * axis
            found = lists.score(moved)
            if found > score + ROUNDING:
                weights, score, is_better = largest_one(moved), found, True
    return Tuned(weights, score)


def largest_one(weights: Numbers) -> Numbers:
    """Return weights that choose the same, of which the greatest absolute value is 1."""
    largest = float(numpy.abs(weights).max())
    return weights / largest if largest else weights


def oracle_score(lists: ScoredLists, weights: Numbers) -> float:
    """Return a score that other choices from the lists reach: the best may be higher still.

    The search starts from the candidates that weights choose, and takes in one list after another
    the candidate with which the corpus scores best.
    """
    chosen = lists.chosen(weights)
    sums = lists.statistics[chosen].sum(0)
    score = lists.objective(sums)
    for _ in range(MOST_PASSES):
        before = score
        for number, (begin, end) in enumerate(pairwise(lists.starts.tolist())):
            rest = sums - lists.statistics[chosen[number]]
            for other in range(begin, end):
                found = lists.objective(rest + lists.statistics[other])
                if found > score + ROUNDING:
                    chosen[number], score = other, found
            sums = rest + lists.statistics[chosen[number]]
        if score <= before + ROUNDING:
            break
    return score


def best_step(lists: ScoredLists, weights: Numbers, direction: Numbers) -> float:
    """Return the step with the highest score on a line, 0 if all scores are equal.

    It is in the middle of the interval with that score, or 1 beyond the last change.
    """
    totals = (lists.features * weights).sum(1).tolist()
    slopes = (lists.features * direction).sum(1).tolist()
    first: list[int] = []  # the candidates far on the left
    steps: list[float] = []
    changes: list[tuple[int, int]] = []  # the candidates before and after a step
    for begin, end in pairwise(lists.starts.tolist()):
        envelope = upper_envelope(totals[begin:end], slopes[begin:end])
        first.append(begin + envelope[0].candidate)
        for left, right in pairwise(envelope):
            steps.append(right.start)
            changes.append((begin + left.candidate, begin + right.candidate))
    if not steps:
        return 0.0
    order = numpy.argsort(steps, kind="stable")
    before, after = numpy.array(changes)[order].T
    ends = numpy.array(steps)[order]
    moves = lists.statistics[after] - lists.statistics[before]
    base = lists.statistics[first].sum(0)
    sums = numpy.concatenate([base[None], base + moves.cumsum(0)])
    # Steps that coincide are one change.
    last = numpy.append(numpy.diff(ends) > ROUNDING, True)
    bounds = [-math.inf, *ends[last].tolist(), math.inf]
    scores = [lists.objective(statistics) for statistics in sums[numpy.append(True, last)]]
    return middle_of_best(scores, bounds)


def middle_of_best(scores: Sequence[float], bounds: Sequence[float]) -> float:
    """Return a step in the widest of the intervals with the highest score."""
    best = max(scores)
    if best - min(scores) < ROUNDING:
        return 0.0
    intervals = [
        (low, high)
        for score, (low, high) in zip(scores, pairwise(bounds), strict=True)
        if best - score < ROUNDING
    ]
    low, high = max(intervals, key=lambda interval: interval[1] - interval[0])
    if low == -math.inf:
        return high - 1
    return low + 1 if high == math.inf else (low + high) / 2


@dataclass(frozen=True)
class Piece:
    """A part of an upper envelope: one candidate is the best from a step on."""

    start: float
    candidate: int


def upper_envelope(totals: Sequence[float], slopes: Sequence[float]) -> list[Piece]:
    """Return the upper envelope of lines `total + step * slope`, from left to right."""
    order = sorted(range(len(totals)), key=lambda line: (slopes[line], totals[line], -line))
    envelope: list[Piece] = []
    for line in order:
        if envelope and slopes[envelope[-1].candidate] == slopes[line]:
            envelope.pop()  # parallel and not above
        start = -math.inf
        while envelope:
            other = envelope[-1].candidate
            start = (totals[other] - totals[line]) / (slopes[line] - slopes[other])
            if start > envelope[-1].start:
                break
            envelope.pop()
            start = -math.inf
        envelope.append(Piece(start, line))
    return envelope
