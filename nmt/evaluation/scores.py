"""What a set of metrics says of outputs: values, confidence, and whether systems differ.

Metrics are sacreBLEU's, or derived from its `Metric`, so that resampling and tests are its own.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from sacrebleu.metrics.base import Metric
from sacrebleu.significance import PairedTest, Result

RESAMPLES = 1_000  # of the bootstrap, sacreBLEU's default

References = Sequence[Sequence[str]]  # those of each segment, one or more


@dataclass(frozen=True)
class Measure:
    """A metric under the name that reports give it."""

    name: str
    metric: Metric
    lower_is_better: bool = False

    @property
    def key(self) -> str:
        """The name as a key of JSON's."""
        return self.name.lower().replace(" ", "_")

    @property
    def worst(self) -> float:
        """What a model without outputs gets."""
        return math.inf if self.lower_is_better else 0.0

    def beats(self, score: float, other: float) -> bool:
        """Whether one score is better than another."""
        return score < other if self.lower_is_better else score > other


@dataclass(frozen=True)
class Items:
    """What is scored once each: the lines where they first stand, and their references."""

    lines: list[int]
    references: list[tuple[str, ...]]


@dataclass(frozen=True)
class MetricSet:
    """All that a kind of task is scored by."""

    measures: tuple[Measure, ...]  # the first one is the task's own
    of_segments: Measure  # which tells good segments from bad ones
    tokens: Callable[[str], list[str]]  # of a text, to tell its length
    unit: str  # what these are
    lengths: tuple[int, ...]  # where buckets of segments end, in tokens of the first reference
    merges_sources: bool = False  # whether lines of equal source hold its several right outputs

    def items(self, sources: Sequence[str], references: References) -> Items:
        """What to score of aligned lines; without sources, or where none is merged, every line.

        Merged, a source has each of its references once, and blank ones count for none.
        """
        if not self.merges_sources:
            return Items([*range(len(references))], [tuple(each) for each in references])
        groups: dict[str, list[int]] = {}
        for line in range(len(references)):
            groups.setdefault(sources[line] if sources else str(line), []).append(line)
        found = []
        for lines in groups.values():
            known = dict.fromkeys(each for line in lines for each in references[line])
            found.append(tuple(each for each in known if each.strip()) or ("",))
        return Items([lines[0] for lines in groups.values()], found)


@dataclass(frozen=True)
class Interval:
    """Of 95 % of the scores that resampled test sets give: their mean, and half their range."""

    mean: float
    radius: float


@dataclass(frozen=True)
class Score:
    """A metric's value and sacreBLEU's signature of how it was computed."""

    name: str
    value: float
    signature: str
    interval: Interval | None = None
    p_value: float | None = None  # that it differs from the first system's by chance


def streams(references: References) -> list[list[str]]:
    """As sacreBLEU takes references: the first of each segment, the second of each, and so on.

    None stands where a segment has fewer than others, which its types do not tell.
    """
    return [list(stream) for stream in zip_longest(*references)]


def corpus_scores(
    metrics: MetricSet, hypotheses: Sequence[str], references: References
) -> list[Score]:
    """The value of every measure, as the sacrebleu command gives it."""
    scores = []
    for measure in metrics.measures:
        result = measure.metric.corpus_score(list(hypotheses), streams(references))
        signature = str(measure.metric.get_signature())
        scores.append(Score(measure.name, float(result.score), signature))
    return scores


def main_score(metrics: MetricSet, hypotheses: Sequence[str], references: References) -> float:
    """The value of the first measure alone."""
    metric = metrics.measures[0].metric
    return float(metric.corpus_score(list(hypotheses), streams(references)).score)


def compared_scores(
    metrics: MetricSet, systems: Sequence[Sequence[str]], references: References
) -> list[list[Score]]:
    """The scores of one or more systems on the same segments: for each system, every measure's.

    Intervals are by bootstrap resampling (Koehn, 2004), p-values by approximate randomisation
    (Riezler and Maxwell, 2005) against the first system, two-sided, 10,000 trials: both are
    sacreBLEU's, with its seed.
    """
    several = len(systems) > 1
    named: list[tuple[str, Sequence[str]]] = [
        (str(number), outputs) for number, outputs in enumerate(systems)
    ]
    columns = []
    for measure in metrics.measures:
        test = PairedTest(
            named,
            {measure.name: measure.metric},
            streams(references),
            test_type="ar" if several else "bs",
            n_samples=0 if several else RESAMPLES,  # 0: its default
            n_ar_confidence=RESAMPLES if several else -1,
        )
        signatures, results = test()
        ((key, signature),) = signatures.items()
        found = [each for each in results[key] if isinstance(each, Result)]
        columns.append(
            [compared_score(measure.name, str(signature), each, found[0]) for each in found]
        )
    return [list(row) for row in zip(*columns, strict=True)]


def compared_score(name: str, signature: str, result: Result, first: Result) -> Score:
    """What sacreBLEU's tests found of one measure of one system, beside the first one."""
    interval = Interval(float(result.mean or 0), float(result.ci or 0))
    p_value = result.p_value
    if p_value is not None and result.score == first.score:
        p_value = 1.0  # sacreBLEU counts greater differences alone, and for none it finds few
    return Score(name, float(result.score), signature, interval, p_value)


def exact_matches(
    hypotheses: Sequence[str], references: References, labels: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """For each label, how many of its segments equal a reference, and how many it has.

    `labels` holds space-separated labels, one line a segment; "all" counts every segment.
    """
    counts: dict[str, tuple[int, int]] = {}
    for hypothesis, known, line in zip(hypotheses, references, labels, strict=True):
        for label in ["all", *line.split()]:
            right, total = counts.get(label, (0, 0))
            counts[label] = (right + (hypothesis in known), total + 1)
    return {label: counts[label] for label in ["all", *sorted({*counts} - {"all"})] if counts}
