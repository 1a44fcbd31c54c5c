"""The history of a run: curves, best validation, average, samples, cards and parameters."""

import json
import os
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.runs.run_folder import RunFolder
from nmt.runs.runs import newest_run
from nmt.studio.report.reported_run import (
    DEV_FIGURES,
    TRAIN_FIGURES,
    curves,
    read_run,
)
from nmt.training.validation import SAMPLES


def test_curves_have_the_values_of_the_metrics(run: RunFolder) -> None:
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    history = read_run(run)
    for kind, records, figures in (
        ("train", history.train_records, TRAIN_FIGURES),
        ("dev", history.validations, DEV_FIGURES),
    ):
        own = [line for line in lines if line["kind"] == kind]
        found = curves(records, figures)
        assert tuple(found) == figures
        for figure, curve in found.items():
            values = [line["bleu" if figure == "score" else figure] for line in own]
            assert curve.updates == tuple(line["update"] for line in own)
            assert curve.values == pytest.approx(values, rel=1e-5)


def test_best_and_average_are_those_of_the_metrics(run: RunFolder) -> None:
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    history = read_run(run)
    assert history.best
    assert history.best.score == max(line["bleu"] for line in lines if line["kind"] == "dev")
    assert history.average
    assert history.average.figures.loss == lines[-1]["loss"]


def test_samples_are_the_same_segments_at_every_validation(run: RunFolder) -> None:
    scored = read_run(run).scored
    assert [(each.update, each.kind) for each in scored] == [
        (6, "dev"),
        (12, "dev"),
        (12, "average"),
    ]
    first, *others = [[(x.source, x.references) for x in each.samples] for each in scored]
    assert len(first) == SAMPLES
    assert all(other == first for other in others)
    for source, references in first:
        assert references == (" ".join(reversed(source.upper().split())),)


def test_a_validation_without_a_score_is_never_the_best(run: RunFolder) -> None:
    best = read_run(run).best
    line = {"kind": "dev", "update": 99, "loss": None, "perplexity": None, "bleu": None}
    with run.metrics.open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    history = read_run(run)
    assert curves(history.validations, DEV_FIGURES)["score"].values[-1] is None
    assert history.best == best


def test_the_best_error_rate_is_the_lowest(run: RunFolder) -> None:
    text = run.recipe.read_text().replace('metric = "bleu"', 'metric = "error_rate"')
    run.recipe.write_text(text.replace('stopping_metric = "bleu"', 'stopping_metric = "loss"'))
    key = read_run(run).measure.key
    rates = {6: 50.0, 12: 40.0, 18: 60.0}
    lines = [
        {"kind": "dev", "update": update, "loss": 1.0, key: rate} for update, rate in rates.items()
    ]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    history = read_run(run)
    assert history.measure.lower_is_better
    assert history.best
    assert (history.best.update, history.best.score) == (12, 40.0)


def test_parameters_are_those_of_the_model(run: RunFolder) -> None:
    attention, feed_forward, norm = 4 * 16 * 16, 2 * 16 * 32 + 32 + 16, 2 * 16
    encoder = attention + feed_forward + 2 * norm
    decoder = 2 * attention + feed_forward + 3 * norm
    assert read_run(run).parameters == 40 * 16 + encoder + decoder
    for name in ("model", "best"):
        (run.path / f"{name}.safetensors").unlink()
    assert read_run(run).parameters is None


def test_evaluation_cards_are_found_by_their_key(run: RunFolder) -> None:
    later = {"evaluation_card": 1, "date": "2026-11-25"}
    earlier = {"evaluation_card": 1, "date": "2026-11-24"}
    (run.path / "a.json").write_text(json.dumps(later))
    (run.path / "b.json").write_text(json.dumps(earlier))
    (run.path / "other.json").write_text('{"a": 1}')
    assert read_run(run).cards == (
        {"file": "b.json", **earlier},
        {"file": "a.json", **later},
    )


@pytest.mark.parametrize(
    "text",
    ["{", "", "[1]", "\0", '{"evaluation_card": NaN}', '{"evaluation_card": 1, "date": 1e999}'],
)
def test_a_damaged_card_is_named(run: RunFolder, text: str) -> None:
    (run.path / "broken.json").write_text(text)
    notes: list[str] = []
    assert read_run(run, notes.append).cards == ()
    assert [str(run.path / "broken.json") in note for note in notes] == [True]


def test_an_unreadable_card_is_named_and_a_pipe_is_no_card(run: RunFolder) -> None:
    os.mkfifo(run.path / "pipe.json")
    (run.path / "folder.json").mkdir()
    memory = Path("/proc/self/mem")
    if memory.exists():
        (run.path / "memory.json").symlink_to(memory)
    notes: list[str] = []
    assert read_run(run, notes.append).cards == ()
    assert all("memory.json: Input/output error" in note for note in notes)
    assert len(notes) == memory.exists()


def test_a_folder_that_is_not_a_run_is_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"not a run folder.*recipe\.toml"):
        read_run(RunFolder(tmp_path))
    run.metrics.write_text("")
    with pytest.raises(NmtError, match=r"metrics\.jsonl.*nmt train"):
        read_run(run)


def test_the_newest_run_is_the_last_to_report(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no run under"):
        newest_run(tmp_path)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text(name)
    (tmp_path / "empty").mkdir()
    os.utime(tmp_path / "second" / "metrics.jsonl", (1, 1))
    assert newest_run(tmp_path).path.name == "first"
    (tmp_path / "paper" / "base").mkdir(parents=True)  # the recipe's name contains a folder
    (tmp_path / "paper" / "base" / "metrics.jsonl").write_text("base")
    os.utime(tmp_path / "first" / "metrics.jsonl", (2, 2))
    assert newest_run(tmp_path).path == tmp_path / "paper" / "base"
