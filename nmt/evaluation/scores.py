"""Score translations: the corpus, exact matches by label, segments by length, worst and best."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import compress, zip_longest

from nmt.evaluation.metrics import MetricSet
from nmt.evaluation.results import Example, Examples, LabelCount, LengthBucket, LengthScores, Score
from nmt.evaluation.test_sets import TestSet

ALL = "all"  # the label of every segment
EXAMPLES = 5  # worst and best segments, each

References = Sequence[Sequence[str]]  # for each segment, one or more references


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


def exact_matches(
    hypotheses: Sequence[str], references: References, labels: Sequence[str]
) -> tuple[LabelCount, ...]:
    """Return for each label how many of its segments equal a reference, apart from spaces.

    Segments with blank references, which end documents, do not count. labels: as in
    `count_by_label`.
    """
    words = [[text.split() for text in known] for known in references]
    counts = [*map(any, words)]
    equal = [output.split() in known for output, known in zip(hypotheses, words, strict=True)]
    return count_by_label([*compress(equal, counts)], [*compress(labels, counts)])


def count_by_label(is_right: Sequence[bool], labels: Sequence[str]) -> tuple[LabelCount, ...]:
    """Return for each label how many of its segments are right.

    labels: for each segment, its labels separated by spaces. The label "all", which comes first,
    counts every segment.
    """
    right, segments = Counter[str](), Counter[str]()
    for right_here, line in zip(is_right, labels, strict=True):
        names = {ALL, *line.split()}
        segments.update(names)
        if right_here:
            right.update(names)
    ordered = sorted(segments, key=lambda label: (label != ALL, label))
    return tuple(LabelCount(label, right[label], segments[label]) for label in ordered)


def scores_by_length(test: TestSet, outputs: Sequence[str], metrics: MetricSet) -> LengthScores:
    """Return every score by the length of the first reference; empty buckets are left out."""
    ends = metrics.lengths
    buckets: defaultdict[int, list[int]] = defaultdict(list)  # segments, by the bucket's number
    for index, references in enumerate(test.references):
        buckets[bisect_left(ends, len(metrics.tokens(references[0])))].append(index)
    found = [
        LengthBucket(
            shortest=ends[number - 1] + 1 if number else 0,
            longest=ends[number] if number < len(ends) else None,
            segments=len(indices),
            scores=tuple(
                corpus_scores(
                    metrics,
                    [outputs[index] for index in indices],
                    [test.references[index] for index in indices],
                )
            ),
        )
        for number, indices in sorted(buckets.items())
    ]
    return LengthScores(f"{metrics.unit} of the first reference", tuple(found))


def worst_and_best(test: TestSet, outputs: Sequence[str], metrics: MetricSet) -> Examples:
    """Return the worst segments, and the best of the others; none is the end of a document.

    Of segments with equal scores the longest come first.
    """
    measure = metrics.segment_measure
    found = [
        Example(
            line=line + 1,
            score=float(measure.metric.sentence_score(output, list(references)).score),
            source=test.sources[index] if test.sources else None,
            hypothesis=output,
            references=tuple(references),
        )
        for index, (line, output, references) in enumerate(
            zip(test.lines, outputs, test.references, strict=True)
        )
        if output.strip() or any(map(str.strip, references))
    ]
    sign = -1 if measure.lower_is_better else 1
    found.sort(key=lambda segment: (sign * segment.score, -len(segment.references[0])))
    worst, others = found[:EXAMPLES], found[EXAMPLES:]
    others.sort(key=lambda segment: (-sign * segment.score, -len(segment.references[0])))
    return Examples(measure.name, tuple(worst), tuple(others[:EXAMPLES]))
