"""Files that an earlier version wrote are read: a model, a run, a prepared corpus and exports.

`old_files/` was made by version 0.1.0 from the corpus of `conftest.write_tiny_corpus`, with
`tokenizer.kind = "word"`. Its recipes hold the settings `train.augment_*`, which exist no more.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Run

OLD = Path(__file__).parent / "old_files"
SOURCES = ["tree leaf", "rain rain seed moon leaf", "sun root", "sun sun"]
# Of greedy search, where each token has more than half of the probability.
TRANSLATIONS = ["LEAF TREE", "MOON SUN SUN STAR", "ROOT SUN", "SUN SUN"]
LOSSES = (0.687289, 0.694405)  # of updates 601 and 602


@pytest.fixture(name="old")
def _old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the old files, which a test may change; the corpus lies there, too."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in SOURCES))
    monkeypatch.setenv("NMT_DATA_DIR", str(tmp_path))
    return tmp_path


MODELS = ["run", "run/best.safetensors", "run/checkpoints/update-00000600.safetensors"]


@pytest.mark.parametrize("model", [*MODELS, "ctranslate2", "huggingface"])
def test_an_old_model_translates(old: Path, nmt: Run, model: str) -> None:
    """Read a run, its files and exports; one to transformers is imported first."""
    options: list[object] = ["--model", old / model]
    if model == "ctranslate2":
        pytest.importorskip("ctranslate2")
        options += ["--engine", "ctranslate2"]
    if model == "huggingface":
        assert nmt("import", old / model, "--output", "imported.safetensors").code == 0
        options = ["--model", "imported.safetensors", "--beam-size", 1]
    ended = nmt("translate", old / "in", *options)
    assert (ended.code, ended.out.splitlines()) == (0, TRANSLATIONS), ended.err


def test_an_old_run_is_listed_and_shown(old: Path, nmt: Run) -> None:
    (listed,) = (run for run in json.loads(nmt("runs", old, "--json").out) if run["name"] == "run")
    assert (listed["state"], listed["updates"], listed["max_updates"]) == ("finished", 600, 600)
    assert listed["score"] == pytest.approx(20.547815)
    assert nmt("inspect", old / "run").code == 0
    assert nmt("report", old / "run").code == 0


def test_an_old_run_is_resumed(old: Path, nmt: Run) -> None:
    """The next updates take the old weights, averages and place in the corpus."""
    options = ["--max-updates", 602, "--set", "train.report_updates=1"]
    ended = nmt("train", old / "run", *options)
    assert ended.code == 0, ended.err
    assert "resumed at update 600 of 602" in ended.err
    assert "learning" not in ended.err
    lines = [json.loads(line) for line in (old / "run/metrics.jsonl").read_text().splitlines()]
    losses = {line["update"]: line["loss"] for line in lines if line["kind"] == "train"}
    assert losses[601] == pytest.approx(LOSSES[0], rel=1e-4)
    assert losses[602] == pytest.approx(LOSSES[1], rel=1e-4)


def test_an_old_prepared_corpus_is_used_again(old: Path, nmt: Run) -> None:
    written = {path: path.read_bytes() for path in (old / "run/prepared").glob("train-0.*")}
    ended = nmt("prepare", old / "run/recipe.toml", "--run", old / "run")
    assert (ended.code, ended.err.count("\n")) == (0, 1), ended.err
    assert {path: path.read_bytes() for path in written} == written


def test_a_deleted_setting_stops_a_training_and_no_translation(old: Path, nmt: Run) -> None:
    """Every old recipe holds it; at its default it does not matter."""
    for name in ("run/model.safetensors", "run/recipe.toml"):
        content = (old / name).read_bytes()
        changed = content.replace(b"augment_tags = 0.0", b"augment_tags = 0.1")
        assert changed != content
        (old / name).write_bytes(changed)
    ended = nmt("translate", old / "in", "--model", old / "run/model.safetensors")
    assert (ended.code, ended.out.splitlines()) == (0, TRANSLATIONS), ended.err
    ended = nmt("train", old / "run", "--max-updates", 602)
    assert (ended.code, ended.err.count("\n")) == (1, 1), ended.err
    assert "train.augment_tags" in ended.err
