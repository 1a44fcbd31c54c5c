"""The figures of shipped recipes' own trainings: the diagnosis warns of nothing.

`recorded/` has figures only: updates, losses and scores, but no text.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nmt.recipe.files import load_recipe
from nmt.recipe.settings import with_settings
from nmt.runs.history import Record, TrainRecord, ValidationRecord
from nmt.studio.diagnosis.checks import diagnose
from nmt.studio.diagnosis.training import Training
from nmt.text.facts import TokenFacts

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
CURVES = sorted((Path(__file__).parents[3] / "benchmarks" / "results").glob("quality-curve-*.toml"))


def records_of(content: dict[str, Any]) -> list[Record]:
    """Return the records of a recorded training in the order of updates."""
    train = [
        TrainRecord("train", update, loss=loss, perplexity=perplexity, gradient_norm=norm)
        for update, loss, perplexity, norm in content["train"]
    ]
    dev = [
        ValidationRecord("dev", update, epoch=epoch, loss=loss, perplexity=perplexity, score=score)
        for update, epoch, loss, perplexity, score in content["dev"]
    ]
    return sorted([*train, *dev], key=lambda record: record.update)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_training_of_a_shipped_recipe_has_no_fault(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    recipe = load_recipe(content["recipe"])
    facts = msgspec.convert(content["facts"], TokenFacts)
    records = records_of(content)
    for end in range(len(records) + 1):
        training = Training.of(recipe, records[:end], facts)
        assert {finding.severity for finding in diagnose(training)} <= {"note"}


@pytest.mark.parametrize("path", CURVES, ids=lambda path: path.stem)
def test_recorded_scores_give_a_note_on_the_gain_alone(path: Path) -> None:
    recipe = load_recipe("multi30k_en_de")
    for curve in tomllib.loads(path.read_text(encoding="utf-8"))["curves"]:
        points = [each for each in curve["points"] if "updates" in each]
        records = [
            ValidationRecord("dev", each["updates"], loss=1.0, score=each["bleu"])
            for each in points
        ]
        found = diagnose(Training.of(recipe, records))
        assert [each.kind for each in found] == ["expected_gain"] * (len(records) >= 3)


def test_the_gain_of_a_training_that_ends_too_early_is_found() -> None:
    """Multi30k's dev BLEU rose from 35.23 to 39.19 between updates 2,000 and 5,000."""
    curve = tomllib.loads((CURVES[0].parent / "quality-curve-bf16.toml").read_text())["curves"][0]
    recipe = load_recipe("multi30k_en_de")
    records = [
        ValidationRecord("dev", each["updates"], loss=1.0, score=each["bleu"])
        for each in curve["points"]
        if each["updates"] <= 2000
    ]
    ended = with_settings(recipe, {"train.max_updates": 2000})
    (found,) = diagnose(Training.of(ended, records, name="runs/mine"))
    assert found.severity == "note"
    assert "rose by about 15.3 per 1,000 updates, from 19.89" in found.seen
    assert found.change == "raise train.max_updates: `nmt train runs/mine --max-updates 3000`"
    (found,) = diagnose(Training.of(recipe, records, name="runs/mine"))
    assert found.change.endswith("if it has stopped, `nmt train runs/mine` continues it")
    patient = with_settings(recipe, {"train.patience": 5})
    (found,) = diagnose(Training.of(patient, records, name="runs/mine"))
    assert "`nmt train runs/mine --set train.patience=10` continues it" in found.change


def test_one_good_validation_at_the_end_promises_little() -> None:
    """Dev BLEU was 41.3 to 41.9 from update 8,000 to 13,000; the last validation had 42.72."""
    path = CURVES[0].parent / "quality-curve-diversification.toml"
    recipe = load_recipe("multi30k_en_de")
    records = [
        ValidationRecord("dev", each["updates"], loss=1.0, score=each["bleu"])
        for each in tomllib.loads(path.read_text())["curves"][0]["points"]
    ]
    (found,) = diagnose(Training.of(recipe, records))
    assert found.title == "expected gain of continuing: about 0.3 BLEU"
    assert "from 40.82 at update 7,000 to 42.72 at update 14,000" in found.seen


def test_scores_that_a_cooldown_has_raised_promise_no_gain() -> None:
    """The same scores with a falling learning rate say nothing about more updates."""
    recipe = with_settings(load_recipe("multi30k_en_de"), {"train.cooldown_updates": 1000})
    scores = {1000: 19.89, 1500: 29.20, 2000: 35.23}
    records = [
        ValidationRecord("dev", update, loss=1.0, score=score) for update, score in scores.items()
    ]
    assert not diagnose(Training.of(recipe, records))
