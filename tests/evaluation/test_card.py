"""The JSON of evaluations and cards, written out: programs of users rely on its keys."""

import json
from dataclasses import asdict, replace
from typing import Any

from nmt.config import DecodeSettings, Recipe
from nmt.evaluation import results  # pytest would collect an imported TestSetResult
from nmt.evaluation.card import Card, card_json, evaluation_json
from nmt.evaluation.results import Interval, LabelCount, Score

MODEL = results.SystemDescription("model.safetensors", "aa", DecodeSettings(), "cpu")
FILE = results.SystemDescription("out.de", "bb")
BLEU = Score("BLEU", 31.5, "nrefs:1")


def as_json(system: results.SystemDescription, result: results.TestSetResult) -> Any:
    return json.loads(evaluation_json(evaluation(system, result)))


def evaluation(
    system: results.SystemDescription, result: results.TestSetResult
) -> results.Evaluation:
    return results.Evaluation(system, (result,), left_out=("BLEU paper: no tokenizer",))


def brief_result(system: results.SystemDescription) -> results.TestSetResult:
    """Return the result of an evaluation without a card."""
    return results.TestSetResult(
        "test", 2, 3, 1, "cc", ("dd",), (results.SystemResult(system, (BLEU,)),)
    )


def full_result() -> results.TestSetResult:
    """Return a result with everything that a card can hold."""
    interval = Interval(31.4, 0.5)
    ours = replace(BLEU, interval=interval)
    theirs = replace(
        BLEU, value=30.0, interval=interval, difference=-1.5, p_value=0.25, test="exact"
    )
    example = results.Example(7, 12.5, "a", "b", ("c", "d"))
    return replace(
        brief_result(MODEL),
        systems=(results.SystemResult(MODEL, (ours,)), results.SystemResult(FILE, (theirs,))),
        exact_matches=(LabelCount("all", 1, 2),),
        contrasts=(LabelCount("all", 2, 2),),
        by_length=results.LengthScores("tokens", (results.LengthBucket(0, 10, 1, (BLEU,)),)),
        examples=results.Examples("chrF2", (example,), (replace(example, source=None),)),
    )


def test_a_file_of_translations_has_neither_device_nor_decode_settings() -> None:
    """A model has both, and an ensemble names its further models."""
    result = {
        "test_set": "test",
        "segments": 2,
        "lines": 3,
        "references": 1,
        "sha256": {"source": "cc", "references": ["dd"]},
        "scores": {"BLEU": {"value": 31.5, "signature": "nrefs:1"}},
    }
    file = {"hypotheses": "out.de", "sha256": "bb", "results": [result]}
    assert as_json(FILE, brief_result(FILE)) == file
    found = as_json(MODEL, brief_result(MODEL))
    decode = asdict(DecodeSettings())
    model = {"model": "model.safetensors", "sha256": "aa", "device": "cpu", "decode": decode}
    assert found == {**model, "results": [result]}
    ensemble = replace(MODEL, ensemble=(results.EnsembleMember("other.safetensors", "ee", "tiny"),))
    other = {"model": "other.safetensors", "sha256": "ee", "recipe": "tiny"}
    assert as_json(ensemble, brief_result(ensemble)) == {**found, "ensemble_with": [other]}


def test_comparisons_lengths_and_examples() -> None:
    (found,) = as_json(MODEL, full_result())["results"]
    interval = {"mean": 31.4, "radius": 0.5}
    score = {"value": 31.5, "signature": "nrefs:1", "confidence_95": interval}
    assert found["scores"] == {"BLEU": score}
    other = {**score, "value": 30.0, "difference": -1.5, "p_value": 0.25, "test": "exact"}
    system = {"hypotheses": "out.de", "sha256": "bb"}
    assert found["compared"] == [{"system": system, "scores": {"BLEU": other}}]
    assert found["exact_match"] == {"all": {"right": 1, "segments": 2}}
    assert found["contrast"] == {"all": {"right": 2, "segments": 2}}
    bucket = {"from": 0, "to": 10, "segments": 1, "scores": {"BLEU": 31.5}}
    assert found["by_length"] == {"length": "tokens", "buckets": [bucket]}
    pair = {"source": "a", "hypothesis": "b", "references": ["c", "d"]}
    example = {"line": 7, "score": 12.5, **pair}
    worst, best = [example], [{**example, "source": None}]
    assert found["examples"] == {"ranked_by": "chrF2", "worst": worst, "best": best}


def test_a_card_adds_date_command_versions_and_recipe() -> None:
    scored = evaluation(MODEL, full_result())
    date = "2026-01-02T03:04:05+00:00"
    card = Card(scored, date, ("nmt", "evaluate"), {"nmt": "1"}, Recipe("x"))
    found = json.loads(card_json(card))
    assert found.pop("recipe")["name"] == "x"
    assert found == as_json(MODEL, full_result()) | {
        "evaluation_card": 1,
        "date": date,
        "command": ["nmt", "evaluate"],
        "versions": {"nmt": "1"},
        "left_out": ["BLEU paper: no tokenizer"],
    }
    assert json.loads(card_json(replace(card, recipe=None)))["recipe"] is None
