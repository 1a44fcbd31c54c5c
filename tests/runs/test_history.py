"""The history of a run: lines of metrics.jsonl as typed records, and what they say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.config import Recipe
from nmt.evaluation.metrics import score_measure
from nmt.runs.history import (
    SCORE_KEYS,
    Record,
    Sample,
    TrainRecord,
    ValidationMetrics,
    ValidationRecord,
    parse_history,
    parse_record,
    read_history,
    read_metrics,
)
from nmt.runs.run_folder import RunFolder

RECIPE = Recipe("mine")


def read_records(run: RunFolder, *notify: Any) -> tuple[Record, ...]:
    """Return the records of a run."""
    return read_history(run.metrics, run.load_recipe(), *notify).records


def append(run: RunFolder, *lines: str) -> None:
    """Add lines to metrics.jsonl."""
    with run.metrics.open("a", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def test_each_kind_of_line_has_its_record(run: RunFolder) -> None:
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    records = read_records(run)
    assert [record.kind for record in records] == [line["kind"] for line in lines]
    assert [record.update for record in records] == [line["update"] for line in lines]
    assert [record.seconds for record in records] == [line["seconds"] for line in lines]
    for record, line in zip(records, lines, strict=True):
        if isinstance(record, TrainRecord):
            assert record.learning_rate == line["learning_rate"]
            assert record.gradient_norm == line["gradient_norm"]
            assert record.tokens_per_second == line["tokens_per_second"]
        else:
            assert isinstance(record, ValidationRecord)
            assert record.metrics == ValidationMetrics(
                line["update"], line["loss"], line["perplexity"], line["bleu"]
            )
    kinds = {type(record) for record in records}
    assert kinds == {TrainRecord, ValidationRecord}


def test_records_are_in_the_order_of_updates(run: RunFolder) -> None:
    append(run, '{"kind": "train", "update": 1}')
    updates = [record.update for record in read_records(run)]
    assert updates[:2] == [1, 2]
    assert updates == sorted(updates)


def test_a_figure_that_is_null_or_missing_is_none() -> None:
    """The program writes null for NaN and infinity; a skipped update has no figures."""
    line = {"kind": "dev", "update": 3, "epoch": None, "loss": None, "bleu": None}
    expected = ValidationRecord("dev", 3, None, None, None, None, None, ())
    assert parse_record(line, RECIPE) == expected
    line = {"kind": "skipped", "update": 7, "epoch": 2, "seconds": 0.5, "reason": "loss"}
    assert parse_record(line, RECIPE) == Record("skipped", 7, 2, 0.5)


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
    run: RunFolder, wrong: dict[str, Any]
) -> None:
    whole = read_records(run)
    append(run, json.dumps({"kind": "dev", "update": 3, **wrong}))
    notes: list[str] = []
    assert read_records(run, notes.append) == whole
    assert notes == [f"{run.metrics}: lines with wrong values left out: 1"]


def test_samples_keep_source_references_and_translation() -> None:
    sample = {"source": "a", "references": ["b", "c"], "translation": "d"}
    record = parse_record({"kind": "average", "update": 3, "samples": [sample]}, RECIPE)
    assert isinstance(record, ValidationRecord)
    assert record.samples == (Sample("a", ("b", "c"), "d"),)


def with_metric(metric: str, stopping: str = "bleu") -> Recipe:
    """Return a recipe with a metric, and one that chooses the best model."""
    recipe = replace(RECIPE, data=replace(RECIPE.data, metric=metric))
    return replace(recipe, train=replace(recipe.train, early_stopping_metric=stopping))


def test_the_best_validation_is_the_first_with_the_best_number() -> None:
    """Weights without a finite loss are broken, even if their score, the worst one, is no worse."""
    values = [(0, None), (10, 3.0), (12, 2.5), (12, 2.0), (99, 10**400), (99, None), (None, 1.0)]
    lines = [
        {"kind": "dev", "update": update, "bleu": score, "token_error_rate": score, "loss": loss}
        for update, (score, loss) in enumerate(values)
    ]
    lines.append({"kind": "average", "update": 9, "bleu": 99, "token_error_rate": 0, "loss": 0.1})

    def best(metric: str = "bleu", stopping: str = "bleu") -> int | None:
        found = parse_history(lines, with_metric(metric, stopping)).best
        return found.update if found else None

    assert best() == 2
    assert best("error_rate") == 1
    assert best(stopping="loss") == 6
    del lines[1:]
    assert best() is None


def test_a_score_has_the_key_and_the_order_of_its_measure() -> None:
    for metric, key in SCORE_KEYS.items():
        recipe = with_metric(metric)
        measure = score_measure(recipe)
        assert measure.key == key
        lines = [{"kind": "dev", "update": update, "loss": 1, key: update} for update in (1, 2)]
        best = parse_history(lines, recipe).best
        assert best
        assert best.update == (1 if measure.lower_is_better else 2)


def test_the_last_validation_of_some_weights_is_found() -> None:
    lines: list[dict[str, Any]] = [
        {"kind": "dev", "update": 2, "bleu": 1},
        {"kind": "dev", "update": 4, "bleu": 2},
        {"kind": "average", "update": 4, "averaged_updates": [2, 4], "bleu": 3},
        {"kind": "average", "update": 4, "averaged_updates": [4], "bleu": 4},
    ]
    history = parse_history(lines, RECIPE)
    scores = [history.validation(updates) for updates in ([2], (2, 4), [4], [6], [])]
    assert [record and record.score for record in scores] == [1, 3, 4, None, None]


def test_a_training_has_ended_if_its_last_line_is_of_an_average() -> None:
    dev: dict[str, Any] = {"kind": "dev", "update": 4}
    lines = [dev, {"kind": "average", "update": 4}, {"kind": "train", "update": 6}]
    ended = [parse_history(lines[:count], RECIPE).is_ended for count in range(4)]
    assert ended == [False, False, True, False]


def test_a_device_is_not_read() -> None:
    """Reading /dev/full would never end."""
    assert read_metrics(Path("/dev/full")) == []


def test_lines_without_update_or_kind_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    good = {"kind": "train", "update": 3, "loss": None}
    bad = ["[1e999]", "[" * 3000, '{"kind": 3, "update": 4}', '{"kind": "dev", "update": -1}', "1"]
    bad += ["\x00", '{"kind": "dev", "update": Infinity}', '{"update": 4}']
    path.write_text("\n".join([*bad, json.dumps(good), "", '{"kind": "dev", "upd']))
    notes: list[str] = []
    assert read_metrics(path, notes.append) == [good]
    assert notes == [f"{path}: damaged lines left out: {len(bad) + 1}"]
