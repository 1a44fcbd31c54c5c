"""Fuzz what a run folder holds as JSON: manifests, metrics and evaluation cards."""

import json
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from nmt.config import Recipe
from nmt.evaluation.card import read_cards
from nmt.runs.history import TrainRecord, ValidationRecord, read_history, read_metrics
from nmt.runs.run_folder import RunFolder
from nmt.studio.report import DEV_FIGURES, TRAIN_FIGURES, curves
from nmt.text.manifest import Content, Manifest, SourceFile, Step
from nmt.training.checkpoints import CheckpointManifest, checksum, read_manifest
from nmt.training.progress import Progress, Window
from tests.fuzz import CASES, fuzz, value_or_error
from tests.fuzz.mutations import changed_bytes, changed_json, json_text, seeded

pytestmark = pytest.mark.slow
share = settings(fuzz, max_examples=CASES // 4)  # of each of the four tests

SEAL = asdict(
    CheckpointManifest(
        Progress(8, 1, 3, 1.5, 2.5, 4, 8, 1, 2, 1, 0.5, Window(3.5, 3.0, 9, 8, 1.5, 2, 0.25)),
        "a" * 64,
        {"safetensors": "0" * 64, "state.pt": "f" * 64},
    )
)
PREPARED = asdict(
    Content(
        3,
        {"dev": Step("k"), "train-0": Step("k", {"ids": "x"}, {"kept": 3, "empty": 0})},
        {"train.src": SourceFile(3, 1, "y")},
    )
)
SAMPLE = {"source": "a", "references": ["b", "c"], "translation": "d"}
LINES: list[Any] = [
    {
        **{"kind": "train", "update": 2, "epoch": 1, "seconds": 0.5, "time": "now", "loss": 2.5},
        **{"perplexity": 9.5, "learning_rate": 0.1, "gradient_norm": 1.5, "tokens_per_second": 9},
    },
    {"kind": "dev", "update": 4, "loss": 2.5, "perplexity": 9, "bleu": 1, "samples": [SAMPLE] * 2},
    {"kind": "average", "update": 4, "averaged_updates": [2, 4], "loss": None, "bleu": 3.5},
    {"kind": "skipped", "update": 5, "reason": "loss", "lines": {"a": [1, 2]}, "skipped": 1},
]
CARD = {
    **{"evaluation_card": 1, "date": "2026-11-26", "command": ["nmt"], "versions": {"nmt": "1"}},
    "results": [{"test_set": "a", "scores": {"BLEU": {"value": 1.5, "signature": "s"}}}],
}


def seal(draw: Random) -> bytes:
    """Return the text of a changed manifest, often with a right checksum."""
    if draw.random() < 0.3:
        return json_text(draw, {**SEAL, "checksum": checksum(SEAL)})
    value = json.loads(json.dumps(changed_json(draw, SEAL, 3)))
    if not isinstance(value, dict):
        return json.dumps(value).encode()
    value.pop("checksum", None)
    return json.dumps({**value, "checksum": checksum(value)}).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.json"


@share
@given(content=seeded(seal))
def test_checkpoint_manifests(file: Path, content: bytes) -> None:
    """A file that is read holds a possible progress: ranges hold and both files have a digest."""
    file.write_bytes(content)
    manifest = value_or_error(lambda: read_manifest(file, 8))
    if manifest is not None:
        progress = manifest.progress
        assert progress.update == 8
        assert min(progress.epoch, progress.batch, progress.seconds, progress.skipped) >= 0
        assert {"safetensors", "state.pt"} <= manifest.sha256.keys()


@share
@given(content=seeded(lambda draw: json_text(draw, PREPARED)))
def test_prepared_manifests(file: Path, content: bytes) -> None:
    """A manifest is whole or empty, and it can be written again."""
    file.write_bytes(content)
    manifest = Manifest(file)
    assert not ((manifest.damage or manifest.has_other_format) and manifest.steps)
    assert len(manifest.damage) < 400
    assert manifest.damage.isprintable()
    value_or_error(lambda: [manifest.key(name) for name in ("dev", "train-0")])
    for name, step in manifest.steps.items():
        assert isinstance(name, str)
        assert all(count >= 0 for count in step.counts.values())
    value_or_error(manifest.save)


def metrics(draw: Random) -> bytes:
    """Return the content of metrics.jsonl with changed lines."""
    lines = [json_text(draw, line) for line in LINES]
    return changed_bytes(draw, b"\n".join(lines), draw.choice([0, 0, 1]))


@share
@given(content=seeded(metrics))
def test_metrics(tmp_path: Path, content: bytes) -> None:
    """Every record can be drawn, and lines that are kept can be written again."""
    run = RunFolder(tmp_path)
    run.metrics.write_bytes(content)
    notes: list[str] = []
    records = value_or_error(
        lambda: read_history(run.metrics, Recipe("mine"), notes.append).records
    )
    assert records is not None
    assert all(note.isprintable() and len(note) < 400 for note in notes)
    train = [each for each in records if isinstance(each, TrainRecord)]
    scored = [each for each in records if isinstance(each, ValidationRecord)]
    drawn = curves(train, TRAIN_FIGURES), curves(scored, DEV_FIGURES)
    samples = [asdict(sample) for each in scored for sample in each.samples]
    json.dumps([drawn, samples, read_metrics(run.metrics)], allow_nan=False)


@share
@given(content=seeded(lambda draw: json_text(draw, CARD)))
def test_evaluation_cards(tmp_path: Path, content: bytes) -> None:
    """A card is left out with a note, or it can be put on the page."""
    (tmp_path / "card.json").write_bytes(content)
    notes: list[str] = []
    cards = value_or_error(lambda: read_cards(tmp_path, notes.append))
    assert cards is not None
    assert len(cards) + len(notes) <= 1
    assert all(note.isprintable() and len(note) < 400 for note in notes)
    json.dumps(cards, allow_nan=False)
