"""The JSON of evaluations and cards, written out: programs of users rely on its keys."""

import json
from dataclasses import asdict, replace

from nmt.config import DecodeSettings, Recipe
from nmt.evaluation import results  # pytest would collect an imported TestSetResult
from nmt.evaluation.card import Card, card_json, evaluation_json
from nmt.evaluation.results import ExactMatch, Interval, Score

MODEL = results.SystemDescription("model.safetensors", "aa", DecodeSettings(), "cpu")
FILE = results.SystemDescription("out.de", "bb")
BLEU = Score("BLEU", 31.5, "nrefs:1")


def evaluation(
    system: results.SystemDescription, result: results.TestSetResult
) -> results.Evaluation:
    """Return an evaluation on one test set."""
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
        exact_matches=(ExactMatch("all", 1, 2),),
        by_length=results.LengthScores("tokens", (results.LengthBucket(0, 10, 1, (BLEU,)),)),
        examples=results.Examples("chrF2", (example,), (replace(example, source=None),)),
    )


def test_a_file_of_translations_has_neither_device_nor_decode_settings() -> None:
    text = evaluation_json(evaluation(FILE, brief_result(FILE)))
    assert json.loads(text) == {
        "hypotheses": "out.de",
        "sha256": "bb",
        "results": [
            {
                "test_set": "test",
                "segments": 2,
                "lines": 3,
                "references": 1,
                "sha256": {"source": "cc", "references": ["dd"]},
                "scores": {"BLEU": {"value": 31.5, "signature": "nrefs:1"}},
            }
        ],
    }


def test_a_model_is_described_with_its_device_and_decode_settings() -> None:
    found = json.loads(evaluation_json(evaluation(MODEL, brief_result(MODEL))))
    del found["results"]
    assert found == {
        "model": "model.safetensors",
        "sha256": "aa",
        "device": "cpu",
        "decode": asdict(DecodeSettings()),
    }


def test_an_ensemble_names_its_further_models() -> None:
    ensemble = replace(MODEL, ensemble=(results.EnsembleMember("other.safetensors", "ee", "tiny"),))
    found = json.loads(evaluation_json(evaluation(ensemble, brief_result(ensemble))))
    assert found["model"] == "model.safetensors"
    assert found["ensemble_with"] == [
        {"model": "other.safetensors", "sha256": "ee", "recipe": "tiny"}
    ]


def test_comparisons_lengths_and_examples() -> None:
    (found,) = json.loads(evaluation_json(evaluation(MODEL, full_result())))["results"]
    interval = {"mean": 31.4, "radius": 0.5}
    assert found["scores"] == {
        "BLEU": {"value": 31.5, "signature": "nrefs:1", "confidence_95": interval}
    }
    assert found["compared"] == [
        {
            "system": {"hypotheses": "out.de", "sha256": "bb"},
            "scores": {
                "BLEU": {
                    "value": 30.0,
                    "signature": "nrefs:1",
                    "confidence_95": interval,
                    "difference": -1.5,
                    "p_value": 0.25,
                    "test": "exact",
                }
            },
        }
    ]
    assert found["exact_match"] == {"all": {"right": 1, "segments": 2}}
    assert found["by_length"] == {
        "length": "tokens",
        "buckets": [{"from": 0, "to": 10, "segments": 1, "scores": {"BLEU": 31.5}}],
    }
    example = {
        "line": 7,
        "score": 12.5,
        "source": "a",
        "hypothesis": "b",
        "references": ["c", "d"],
    }
    assert found["examples"] == {
        "ranked_by": "chrF2",
        "worst": [example],
        "best": [{**example, "source": None}],
    }


def test_a_card_adds_date_command_versions_and_recipe() -> None:
    scored = evaluation(MODEL, full_result())
    card = Card(scored, "2026-01-02T03:04:05+00:00", ("nmt", "evaluate"), {"nmt": "1"}, Recipe("x"))
    found = json.loads(card_json(card))
    assert {*found} - {*json.loads(evaluation_json(scored))} == {
        "evaluation_card",
        "date",
        "command",
        "versions",
        "left_out",
        "recipe",
    }
    assert found["evaluation_card"] == 1
    assert found["date"] == "2026-01-02T03:04:05+00:00"
    assert found["command"] == ["nmt", "evaluate"]
    assert found["versions"] == {"nmt": "1"}
    assert found["left_out"] == ["BLEU paper: no tokenizer"]
    assert found["recipe"]["name"] == "x"
    assert json.loads(card_json(replace(card, recipe=None)))["recipe"] is None
