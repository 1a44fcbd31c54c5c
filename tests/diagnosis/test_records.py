"""Lines of metrics.jsonl as typed records, with damaged lines and values among them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from nmt.diagnosis.records import (
    Figures,
    Record,
    TrainRecord,
    ValidationRecord,
    best_validation,
    parse_record,
    parse_records,
    read_records,
)
from nmt.evaluation.sample import Sample
from nmt.evaluation.scores import Measure
from nmt.evaluation.tasks import score_measure
from nmt.runs.run_folder import RunFolder


@pytest.fixture
def measure(run: RunFolder) -> Measure:
    return score_measure(run.load_recipe())


def append(run: RunFolder, *lines: str) -> None:
    """Add lines to metrics.jsonl."""
    with run.metrics.open("a", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def test_each_kind_of_line_has_its_record(run: RunFolder, measure: Measure) -> None:
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    records = read_records(run, measure)
    assert [each.kind for each in records] == [line["kind"] for line in lines]
    assert [each.update for each in records] == [line["update"] for line in lines]
    assert [each.seconds for each in records] == [line["seconds"] for line in lines]
    for record, line in zip(records, lines, strict=True):
        if isinstance(record, TrainRecord):
            assert record.learning_rate == line["learning_rate"]
            assert record.gradient_norm == line["gradient_norm"]
            assert record.tokens_per_second == line["tokens_per_second"]
        else:
            assert isinstance(record, ValidationRecord)
            assert record.figures == Figures(
                line["update"], line["loss"], line["perplexity"], line["bleu"]
            )
    kinds = {type(each) for each in records}
    assert kinds == {TrainRecord, ValidationRecord}


def test_a_skipped_update_is_a_record_without_figures() -> None:
    line = {"kind": "skipped", "update": 7, "epoch": 2, "seconds": 0.5, "reason": "loss"}
    assert parse_record(line, "bleu") == Record("skipped", 7, 2, 0.5)


def test_records_are_in_the_order_of_updates(run: RunFolder, measure: Measure) -> None:
    append(run, '{"kind": "train", "update": 1}')
    updates = [each.update for each in read_records(run, measure)]
    assert updates[:2] == [1, 2]
    assert updates == sorted(updates)


def test_a_run_without_metrics_has_no_records(run: RunFolder, measure: Measure) -> None:
    run.metrics.unlink()
    assert read_records(run, measure) == ()


def test_damaged_lines_are_counted_and_left_out(run: RunFolder, measure: Measure) -> None:
    whole = read_records(run, measure)
    append(run, '{"kind": "dev", "upd', "[1, 2]", '{"kind": "dev", "update": Infinity}', "", "\x00")
    notes: list[str] = []
    assert read_records(run, measure, notes.append) == whole
    (note,) = notes
    assert str(run.metrics) in note
    assert "4" in note


def test_a_figure_that_is_null_or_missing_is_none() -> None:
    """The program writes null for NaN and infinity."""
    line = {"kind": "dev", "update": 3, "epoch": None, "loss": None, "bleu": None}
    expected = ValidationRecord("dev", 3, None, None, None, None, None, ())
    assert parse_record(line, "bleu") == expected


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: "low"} for name in ("epoch", "loss", "bleu")),
        *({name: True} for name in ("epoch", "loss", "bleu")),
        *({name: [1.0]} for name in ("epoch", "loss", "bleu")),
        *({"samples": [1]}, {"samples": "text"}, {"samples": None}, {"samples": {}}),
        {"samples": [{"source": "a", "translation": None, "references": []}]},
        {"samples": [{"source": "a", "translation": "b"}]},
        {"samples": [{"source": "a", "translation": "b", "references": [1]}]},
    ],
)
def test_lines_with_wrong_values_are_counted_and_left_out(
    run: RunFolder, measure: Measure, wrong: dict[str, Any]
) -> None:
    whole = read_records(run, measure)
    append(run, json.dumps({"kind": "dev", "update": 3, **wrong}))
    notes: list[str] = []
    assert read_records(run, measure, notes.append) == whole
    assert notes == [f"{run.metrics}: lines with wrong values left out: 1"]


def test_samples_keep_source_references_and_translation() -> None:
    sample = {"source": "a", "references": ["b", "c"], "translation": "d"}
    record = parse_record({"kind": "average", "update": 3, "samples": [sample]}, "bleu")
    assert isinstance(record, ValidationRecord)
    assert record.samples == (Sample("a", ("b", "c"), "d"),)


def test_the_best_validation_is_the_first_with_the_best_number(measure: Measure) -> None:
    """Weights without a finite loss are broken, even if their score, the worst one, is no worse."""
    values = [(0, None), (10, 3.0), (12, 2.5), (12, 2.0), (99, 10**400), (99, None), (None, 1.0)]
    lines = [
        {"kind": "dev", "update": update, "bleu": bleu, "loss": loss}
        for update, (bleu, loss) in enumerate(values)
    ]
    lines.append({"kind": "average", "update": 9, "bleu": 99, "loss": 0.1})

    def best(measure: Measure = measure, *, by_loss: bool = False) -> int | None:
        found = best_validation(parse_records(lines, measure), measure, by_loss=by_loss)
        return found.update if found else None

    assert best() == 2
    assert best(replace(measure, lower_is_better=True)) == 1
    assert best(by_loss=True) == 6
    del lines[1:]
    assert best() is None
