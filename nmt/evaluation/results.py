"""What is said of systems on a test set, as plain data for tables, JSON and cards."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from nmt.evaluation.scores import MetricSet, Score, compared_scores, corpus_scores, exact_matches
from nmt.evaluation.systems import System
from nmt.evaluation.test_sets import TestSet

EXAMPLES = 5  # best and worst segments shown

Data = dict[str, Any]


def evaluate(
    tests: Sequence[TestSet],
    system: System,
    others: Sequence[System],
    metrics: MetricSet,
    *,
    in_full: bool,
) -> Data:
    """What a system is and how it does on each test set; raises NmtError before it begins."""
    tests = [test.as_scored(metrics) for test in tests]
    for each in (system, *others):
        for test in tests:
            each.check(test)
    results = [result_of(test, system, others, metrics, in_full=in_full) for test in tests]
    return {**system.describe(), "results": results}


def result_of(
    test: TestSet,
    system: System,
    others: Sequence[System],
    metrics: MetricSet,
    *,
    in_full: bool,
) -> Data:
    """The scores of a system on a test set, and whether others' differ.

    In full also with confidence, by length and with the best and worst segments.
    """
    outputs = system.outputs(test)
    result: Data = {
        "test_set": test.name,
        "segments": len(test.references),
        "lines": test.line_count,
        "references": max(map(len, test.references)),
        "sha256": {"source": test.source_sha256, "references": [*test.reference_sha256s]},
    }
    if others or in_full:
        against = [other.outputs(test) for other in others]
        scores, *theirs = compared_scores(metrics, [outputs, *against], test.references)
    else:
        scores, theirs = corpus_scores(metrics, outputs, test.references), []
    result["scores"] = as_data(scores)
    if others:
        result["compared"] = [
            {"system": other.describe(), "scores": as_data(each, scores)}
            for other, each in zip(others, theirs, strict=True)
        ]
    if test.labels:
        matches = exact_matches(outputs, test.references, test.labels)
        result["exact_match"] = {
            label: {"right": right, "segments": total} for label, (right, total) in matches.items()
        }
    if in_full:
        result["by_length"] = by_length(test, outputs, metrics)
        result["examples"] = examples(test, outputs, metrics)
    return result


def as_data(scores: Sequence[Score], first: Sequence[Score] = ()) -> Data:
    """Scores by name; beside those of a first system also how far they are from them."""
    data: Data = {}
    for index, score in enumerate(scores):
        data[score.name] = {"value": score.value, "signature": score.signature}
        if score.interval:
            interval = {"mean": score.interval.mean, "radius": score.interval.radius}
            data[score.name]["confidence_95"] = interval
        if first:
            data[score.name]["difference"] = score.value - first[index].value
            data[score.name]["p_value"] = score.p_value
    return data


def by_length(test: TestSet, outputs: Sequence[str], metrics: MetricSet) -> Data:
    """Every measure by the length of the first reference; buckets without segments are left out."""
    edges = metrics.lengths
    members: list[list[int]] = [[] for _ in range(len(edges) + 1)]
    for index, references in enumerate(test.references):
        members[bisect_left(edges, len(metrics.tokens(references[0])))].append(index)
    buckets = []
    for number, indices in enumerate(members):
        if not indices:
            continue
        hypotheses = [outputs[index] for index in indices]
        scores = corpus_scores(metrics, hypotheses, [test.references[index] for index in indices])
        buckets.append(
            {
                "from": edges[number - 1] + 1 if number else 0,
                "to": edges[number] if number < len(edges) else None,
                "segments": len(indices),
                "scores": {score.name: score.value for score in scores},
            }
        )
    return {"length": f"{metrics.unit} of the first reference", "buckets": buckets}


def examples(test: TestSet, outputs: Sequence[str], metrics: MetricSet) -> Data:
    """The worst segments and the best of the others; of equal ones the longest come first."""
    measure = metrics.of_segments
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

    def shown(index: int) -> Data:
        return {
            "line": test.lines[index] + 1,
            "score": values[index],
            "source": test.sources[index] if test.sources else None,
            "hypothesis": outputs[index],
            "references": [*test.references[index]],
        }

    return {
        "ranked_by": measure.name,
        "worst": [shown(index) for index in worst],
        "best": [shown(index) for index in best],
    }
