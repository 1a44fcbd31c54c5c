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
from nmt.studio.diagnosis.training import Finding, Training
from nmt.text.facts import TokenFacts

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
CURVES = sorted((Path(__file__).parents[3] / "benchmarks" / "results").glob("quality-curve-*.toml"))
MULTI30K = with_settings(  # most curves are of trainings without a cooldown
    load_recipe("multi30k_en_de"), {"train.max_updates": 14_000, "train.cooldown_updates": 0}
)


def read_records(content: dict[str, Any]) -> list[Record]:
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
    records = read_records(content)
    for end in range(len(records) + 1):
        training = Training.of(recipe, records[:end], facts)
        assert {finding.severity for finding in diagnose(training)} <= {"note"}


def scored(path: Path) -> list[Record]:
    """Return validations with the scores of the first curve of a data file."""
    points = tomllib.loads(path.read_text(encoding="utf-8"))["curves"][0]["points"]
    return [
        ValidationRecord("dev", point["updates"], loss=1.0, score=point["bleu"])
        for point in points
        if "updates" in point
    ]


@pytest.mark.parametrize("path", CURVES, ids=lambda path: path.stem)
def test_recorded_scores_give_a_note_on_the_gain_alone(path: Path) -> None:
    records = scored(path)
    found = diagnose(Training.of(MULTI30K, records))
    assert [finding.kind for finding in found] == ["expected_gain"] * (len(records) >= 3)


def test_the_gain_of_a_training_that_ends_too_early_is_found() -> None:
    """Multi30k's dev BLEU rose from 35.23 to 39.19 between updates 2,000 and 5,000."""
    curve = scored(CURVES[0].parent / "quality-curve-bf16.toml")
    records = [record for record in curve if record.update <= 2000]

    def only(**changes: int) -> Finding:
        recipe = with_settings(MULTI30K, {f"train.{name}": x for name, x in changes.items()})
        (found,) = diagnose(Training.of(recipe, records, name="runs/mine"))
        return found

    ended = only(max_updates=2000)
    assert ended.severity == "note"
    assert "rose by about 15.3 per 1,000 updates, from 19.89" in ended.seen
    assert ended.change == "raise train.max_updates: `nmt train runs/mine --max-updates 3000`"
    assert only().change.endswith("if it has stopped, `nmt train runs/mine` continues it")
    patient = "`nmt train runs/mine --set train.patience=10` continues it"
    assert patient in only(patience=5).change
    # The same scores with a falling learning rate say nothing about more updates.
    cooled = with_settings(MULTI30K, {"train.cooldown_updates": 1000})
    assert not diagnose(Training.of(cooled, records))


def test_one_good_validation_at_the_end_promises_little() -> None:
    """Dev BLEU was 41.3 to 41.9 from update 8,000 to 13,000; the last validation had 42.72."""
    records = scored(CURVES[0].parent / "quality-curve-diversification.toml")
    (found,) = diagnose(Training.of(MULTI30K, records))
    assert found.title == "expected gain of continuing to update 21,000: about 0.3 BLEU"
    assert "from 40.82 at update 7,000 to 42.72 at update 14,000" in found.seen
