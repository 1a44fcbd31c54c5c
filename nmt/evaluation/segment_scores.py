"""Score parts of a test set: by length, and the worst and the best segments."""

from bisect import bisect_left
from collections.abc import Sequence

from nmt.evaluation.results import Example, Examples, LengthBucket, LengthScores
from nmt.evaluation.scores import MetricSet, corpus_scores
from nmt.evaluation.test_sets import TestSet

EXAMPLES = 5  # worst and best segments, each


def scores_by_length(test: TestSet, outputs: Sequence[str], metrics: MetricSet) -> LengthScores:
    """Return every score by the length of the first reference; empty buckets are left out."""
    ends = metrics.lengths
    members: list[list[int]] = [[] for _ in range(len(ends) + 1)]
    for index, references in enumerate(test.references):
        members[bisect_left(ends, len(metrics.tokens(references[0])))].append(index)
    buckets = []
    for number, indices in enumerate(members):
        if not indices:
            continue
        hypotheses = [outputs[index] for index in indices]
        scores = corpus_scores(metrics, hypotheses, [test.references[index] for index in indices])
        buckets.append(
            LengthBucket(
                shortest=ends[number - 1] + 1 if number else 0,
                longest=ends[number] if number < len(ends) else None,
                segments=len(indices),
                scores=tuple(scores),
            )
        )
    return LengthScores(f"{metrics.unit} of the first reference", tuple(buckets))


def worst_and_best(test: TestSet, outputs: Sequence[str], metrics: MetricSet) -> Examples:
    """Return the worst segments, and the best of the others.

    Of segments with equal scores the longest come first.
    """
    measure = metrics.segment_measure
    values = [
        float(measure.metric.sentence_score(output, list(references)).score)
        for output, references in zip(outputs, test.references, strict=True)
    ]
    sign = -1 if measure.lower_is_better else 1
    lengths = [len(references[0]) for references in test.references]
    worst = sorted(range(len(outputs)), key=lambda i: (sign * values[i], -lengths[i]))[:EXAMPLES]
    best = sorted(
        {*range(len(outputs))} - {*worst}, key=lambda i: (-sign * values[i], -lengths[i])
    )[:EXAMPLES]

    def example(index: int) -> Example:
        return Example(
            line=test.lines[index] + 1,
            score=values[index],
            source=test.sources[index] if test.sources else None,
            hypothesis=outputs[index],
            references=tuple(test.references[index]),
        )

    return Examples(measure.name, tuple(map(example, worst)), tuple(map(example, best)))
