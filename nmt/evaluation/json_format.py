"""The JSON format of evaluations and of evaluation cards.

Programs read it, such as `nmt report`: a key keeps its name and its meaning.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nmt.evaluation.card import Card
from nmt.evaluation.results import (
    Evaluation,
    Example,
    Examples,
    LengthScores,
    SystemDescription,
    TestSetResult,
)
from nmt.evaluation.scores import ExactMatch, Score
from nmt.system.json_data import json_text

CARD_VERSION = 1

Data = dict[str, Any]


def evaluation_json(evaluation: Evaluation) -> str:
    """Return an evaluation as JSON text."""
    return to_json(evaluation_data(evaluation))


def card_json(card: Card) -> str:
    """Return an evaluation card as JSON text."""
    return to_json(
        {
            "evaluation_card": CARD_VERSION,
            "date": card.date,
            "command": [*card.command],
            "versions": card.versions,
            **evaluation_data(card.evaluation),
            "left_out": [*card.evaluation.left_out],
            "recipe": asdict(card.recipe) if card.recipe else None,
        }
    )


def to_json(data: Data) -> str:
    """Return data as JSON text that ends with a line feed."""
    return json_text(data, indent=1) + "\n"


def evaluation_data(evaluation: Evaluation) -> Data:
    """Return an evaluation: the keys of its system, and a result for each test set."""
    results = [test_set_data(each) for each in evaluation.test_sets]
    return {**system_data(evaluation.system), "results": results}


def system_data(system: SystemDescription) -> Data:
    """Return the keys that identify a model, an ensemble or a file of translations."""
    if system.decode is None:
        return {"hypotheses": system.path, "sha256": system.sha256}
    members = [
        {"model": each.path, "sha256": each.sha256, "recipe": each.recipe}
        for each in system.ensemble
    ]
    return {
        "model": system.path,
        "sha256": system.sha256,
        **({"ensemble_with": members} if members else {}),
        "device": system.device,
        **({"engine": system.engine} if system.engine else {}),
        "decode": asdict(system.decode),
    }


def test_set_data(result: TestSetResult) -> Data:
    """Return the scores on a test set."""
    evaluated, *others = result.systems
    data: Data = {
        "test_set": result.name,
        "segments": result.segments,
        "lines": result.lines,
        "references": result.references,
        "sha256": {"source": result.source_sha256, "references": [*result.reference_sha256s]},
        "scores": scores_data(evaluated.scores),
    }
    if others:
        data["compared"] = [
            {"system": system_data(each.system), "scores": scores_data(each.scores)}
            for each in others
        ]
    if result.exact_matches:
        data["exact_match"] = exact_match_data(result.exact_matches)
    if result.by_length:
        data["by_length"] = length_data(result.by_length)
    if result.examples:
        data["examples"] = examples_data(result.examples)
    if result.warnings:
        data["warnings"] = [*result.warnings]
    return data


def scores_data(scores: Sequence[Score]) -> Data:
    """Return scores by name."""
    return {score.name: score_data(score) for score in scores}


def score_data(score: Score) -> Data:
    """Return a score; keys of what was not computed are left out."""
    data: Data = {"value": score.value, "signature": score.signature}
    if score.interval:
        data["confidence_95"] = asdict(score.interval)
    if score.difference is not None:
        data["difference"] = score.difference
        data["p_value"] = score.p_value
        data["test"] = score.test
    return data


def exact_match_data(matches: Sequence[ExactMatch]) -> Data:
    """Return counts of exact matches by label."""
    return {each.label: {"right": each.right, "segments": each.segments} for each in matches}


def length_data(lengths: LengthScores) -> Data:
    """Return scores by length."""
    buckets = [
        {
            "from": each.shortest,
            "to": each.longest,
            "segments": each.segments,
            "scores": {score.name: score.value for score in each.scores},
        }
        for each in lengths.buckets
    ]
    return {"length": lengths.unit, "buckets": buckets}


def examples_data(examples: Examples) -> Data:
    """Return the worst and the best segments."""
    return {
        "ranked_by": examples.measure,
        "worst": [example_data(each) for each in examples.worst],
        "best": [example_data(each) for each in examples.best],
    }


def example_data(example: Example) -> Data:
    """Return a segment with its translation and its score."""
    return {**asdict(example), "references": [*example.references]}
