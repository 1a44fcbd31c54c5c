"""Fuzz run folders and what is in them: manifests, metrics, cards, models; and outputs."""

import copy
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from nmt.config import ModelSettings, Recipe, TokenizerSettings
from nmt.evaluation.card import read_cards
from nmt.model.transformer import Transformer
from nmt.recipe.files import parse_recipe
from nmt.recipe.toml import to_toml
from nmt.runs.history import TrainRecord, ValidationRecord, read_history, read_metrics
from nmt.runs.model_file import ModelFile, save_model
from nmt.runs.run_folder import RunFolder
from nmt.runs.runs import choose_model, find_recipe_and_run, newest_run
from nmt.runs.trained_model import load_model, to_arrays
from nmt.studio.report import DEV_METRICS, TRAIN_METRICS, curves, stored_parameters
from nmt.studio.run_list import list_runs, render_list
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import PAD
from nmt.training.files.checkpoints import CheckpointManifest, checksum, read_manifest
from nmt.training.files.lost_files import finished_before
from nmt.training.files.progress import Progress, Window
from tests.conftest import RECIPE
from tests.fuzz import CASES, fuzz, value_or_error
from tests.fuzz.mutations import ODD_VALUES, change, changed_bytes, changed_json, json_text, seeded

pytestmark = pytest.mark.slow
share = settings(fuzz, max_examples=CASES // 4)  # of each of the three tests

SEAL = asdict(
    CheckpointManifest(
        Progress(8, 1, 3, 1.5, 2.5, 4, 8, 1, 2, 1, 0.5, Window(3.5, 3.0, 9, 8, 1.5, 2, 0.25)),
        "a" * 64,
        {"safetensors": "0" * 64, "state.pt": "f" * 64},
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


@share
@given(content=seeded(seal))
def test_checkpoint_manifests(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(content)
    manifest = value_or_error(lambda: read_manifest(file, 8))
    if manifest is not None:
        progress = manifest.progress
        assert progress.update == 8
        assert min(progress.epoch, progress.batch, progress.seconds, progress.skipped) >= 0
        assert {"safetensors", "state.pt"} <= manifest.sha256.keys()


def metrics(draw: Random) -> bytes:
    lines = [json_text(draw, line) for line in LINES]
    return changed_bytes(draw, b"\n".join(lines), draw.choice([0, 0, 1]))


@share
@given(content=seeded(metrics))
def test_metrics(tmp_path: Path, content: bytes) -> None:
    run = RunFolder(tmp_path)
    run.metrics.write_bytes(content)
    notes: list[str] = []
    records = value_or_error(
        lambda: read_history(run.metrics, Recipe("mine"), notes.append).records
    )
    assert records is not None
    assert all(note.isprintable() and len(note) < 400 for note in notes)
    train = [record for record in records if isinstance(record, TrainRecord)]
    scored = [record for record in records if isinstance(record, ValidationRecord)]
    for drawn in (curves(train, TRAIN_METRICS), curves(scored, DEV_METRICS)):
        json.dumps(drawn, allow_nan=False)
    samples = [asdict(sample) for record in scored for sample in record.samples]
    json.dumps([samples, read_metrics(run.metrics)], allow_nan=False)


@share
@given(content=seeded(lambda draw: json_text(draw, CARD)))
def test_evaluation_cards(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "card.json").write_bytes(content)
    notes: list[str] = []
    cards = value_or_error(lambda: read_cards(tmp_path, notes.append))
    assert cards is not None
    assert len(cards) + len(notes) <= 1
    assert all(note.isprintable() and len(note) < 400 for note in notes)
    json.dumps(cards, allow_nan=False)


RECIPE_TEXT = to_toml(parse_recipe(RECIPE, "tiny", "the tiny recipe")).encode()
EMPTY_FILES = [
    *("checkpoints/update-00000004.json", "checkpoints/update-00000008.json"),
    *("checkpoints/update-00000008.state.pt", "checkpoints/update-x.json", "prepared/train-0.ids"),
    *("checkpoints/update-00000008.safetensors", "checkpoints/update-00000009.safetensors"),
    *(".lock", "notes.md", "tokenizer.model"),
]


def run_files(draw: Random) -> dict[str, bytes]:
    ended = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)
    files = {
        "recipe.toml": changed_bytes(draw, RECIPE_TEXT, draw.choice([0, 0, 0, 2])),
        "metrics.jsonl": metrics(draw) if draw.random() < 0.5 else ended,
        "run.json": json_text(draw, {"data_dir": "/"}),
        **dict.fromkeys(EMPTY_FILES, b""),
    }
    for name in draw.sample(sorted(files), draw.randint(0, len(files))):
        del files[name]
    if files and draw.random() < 0.2:
        one, other = draw.choice(sorted(files)), draw.choice(sorted(files))
        files[one] = files[other]
    return files


def write(run: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    for name, content in files.items():
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(content)


@fuzz
@given(files=seeded(run_files), cut=seeded(lambda draw: draw.choice([None, 0, 8, 900, 5000])))
def test_listing(tmp_path: Path, tiny_run: Path, files: dict[str, bytes], cut: int | None) -> None:
    runs = tmp_path / "runs"
    write(runs / "tiny", files)
    model = (tiny_run / "model.safetensors").read_bytes()
    best = runs / "tiny/best.safetensors"
    best.write_bytes(model[:cut])
    listed = value_or_error(lambda: list_runs(runs))
    assert listed is not None
    (summary,) = listed
    assert (summary.problem is not None) == (summary.state in ("damaged", "unreadable"))
    json.dumps(summary.data, allow_nan=False)
    assert all(line.isprintable() for line in render_list(listed, now=2e9).split("\n"))
    assert value_or_error(lambda: choose_model(runs)) is not None
    value_or_error(lambda: newest_run(runs))
    run, recipe = RunFolder(runs / "tiny"), parse_recipe(RECIPE, "tiny", "the tiny recipe")
    value_or_error(lambda: run.check_recipe(recipe))
    value_or_error(lambda: find_recipe_and_run(run.path, None, {}))
    value_or_error(run.data_dir)
    value_or_error(lambda: finished_before(recipe, run))
    found = {path for path in run.path.rglob("*") if path.is_file()} - {best}
    assert {path.relative_to(run.path).as_posix(): path.read_bytes() for path in found} == files


MODEL = ModelSettings(
    encoder_layers=1, decoder_layers=1, d_model=4, d_ff=3, heads=1, d_k=2, d_v=2, norm="pre"
)
DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I8", "U8", "F8_E4M3", "F4", "[1e999]", "[-1]"]


@pytest.fixture(scope="session", params=[False, True], ids=["float32", "8 bits"])
def model(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> bytes:
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    tokenizer = learn_subwords(["a b c"] * 9, TokenizerSettings(9, kind="word"))
    weights = Transformer(MODEL, len(tokenizer), PAD).state_dict()
    recipe, in_8_bits = Recipe("tiny", model=MODEL), bool(request.param)
    content = ModelFile(to_arrays(weights), tokenizer.model, recipe, (1,))
    save_model(path, content, in_8_bits=in_8_bits)
    assert load_model(path, "cpu").tokenizer.model == tokenizer.model
    return path.read_bytes()


def changed_model(draw: Random, whole: bytes) -> bytes:
    """Return the content of a model file with a changed header, or changed bytes."""
    end = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:end])
    for _ in range(draw.randint(0, 2)):
        header = change(draw, header, [*ODD_VALUES, *DTYPES, [3, 4], [4, 3], [0, 16], [16, 64]])
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + whole[end:]
    return changed_bytes(draw, content, draw.choice([0, 0, 1, 2]))


@fuzz
@given(draw=seeded(copy.copy))
def test_model_files(model: bytes, tmp_path: Path, draw: Random) -> None:
    run = RunFolder(tmp_path)
    run.model.write_bytes(changed_model(draw, model))
    loaded = value_or_error(lambda: load_model(run.model, "cpu"))
    parameters = stored_parameters(run)
    if loaded is not None:
        network = loaded.network
        assert network.settings == loaded.recipe.model
        assert sum(weight.numel() for weight in network.parameters()) == parameters
        assert len(loaded.tokenizer) == network.vocab_size
