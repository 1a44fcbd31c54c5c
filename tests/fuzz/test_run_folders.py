"""Fuzz run folders: any mix of intact, changed, lost and exchanged files is listed or refused."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings

from nmt.recipe.files import parse_recipe
from nmt.recipe.toml import to_toml
from nmt.runs.run_folder import RunFolder
from nmt.runs.runs import choose_model, find_recipe_and_run, newest_run
from nmt.studio.run_list import list_runs, render_list
from nmt.training.lost_files import finished_before
from tests.conftest import RECIPE
from tests.fuzz import CASES, fuzz, value_or_error
from tests.fuzz.mutations import changed_bytes, json_text, seeded
from tests.fuzz.test_seals import LINES, metrics

pytestmark = pytest.mark.slow
share = settings(fuzz, max_examples=CASES // 2)  # of each of the two tests

RECIPE_TEXT = to_toml(parse_recipe(RECIPE, "tiny", "the tiny recipe")).encode()
EMPTY_FILES = [
    *(f"checkpoints/update-0000000{update}.{kind}" for update in (4, 8) for kind in ("json",)),
    *("checkpoints/update-00000008.state.pt", "checkpoints/update-x.json", "prepared/train-0.ids"),
    *("checkpoints/update-00000008.safetensors", "checkpoints/update-00000009.safetensors"),
    *(".lock", "notes.md", "tokenizer.model"),
]


def folder(draw: Random) -> dict[str, bytes]:
    """Return the content of a run's files by name."""
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
    """Write the files of a run into an empty folder."""
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    for name, content in files.items():
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(content)


def content_of(run: Path) -> dict[str, bytes]:
    """Return the content of a folder's files by name."""
    found = [path for path in run.rglob("*") if path.is_file()]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in found}


@share
@given(files=seeded(folder))
def test_what_would_be_trained(tmp_path: Path, files: dict[str, bytes]) -> None:
    """A start is allowed or refused, and no check changes a file."""
    run = RunFolder(tmp_path / "runs/tiny")
    write(run.path, files)
    recipe = parse_recipe(RECIPE, "tiny", "the tiny recipe")
    value_or_error(lambda: run.check_recipe(recipe))
    value_or_error(lambda: find_recipe_and_run(run.path, None, {}))
    value_or_error(run.data_dir)
    outcome = value_or_error(lambda: finished_before(recipe, run))
    assert outcome is None  # there is no model, so no training is finished
    assert content_of(run.path) == files


@share
@given(files=seeded(folder), cut=seeded(lambda draw: draw.choice([None, 0, 8, 900, 5000])))
def test_listing(tmp_path: Path, tiny_run: Path, files: dict[str, bytes], cut: int | None) -> None:
    """A run is listed with figures or with its problem; the model is chosen or refused."""
    runs = tmp_path / "runs"
    write(runs / "tiny", files)
    model = (tiny_run / "model.safetensors").read_bytes()
    (runs / "tiny/best.safetensors").write_bytes(model[:cut])
    listed = value_or_error(lambda: list_runs(runs))
    assert listed is not None
    (summary,) = listed
    assert (summary.problem is not None) == (summary.state in ("damaged", "unreadable"))
    json.dumps(summary.data, allow_nan=False)
    assert all(line.isprintable() for line in render_list(listed, now=2e9).split("\n"))
    assert value_or_error(lambda: choose_model(runs)) is not None
    value_or_error(lambda: newest_run(runs))
