"""Imported models work in every command, and training from them gives models that work."""

import json
import shutil
from pathlib import Path
from string import ascii_lowercase

import numpy
import pytest

from nmt.runs.model_file import read_model
from nmt.runs.trained_model import TrainedModel, load_model
from tests.conftest import Run
from tests.interop.conftest import imported
from tests.interop.marian_models import TEXTS, Shape, write_folder


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a new folder with parallel text."""
    monkeypatch.setenv("NMT_DATA_DIR", "data")
    for side, name in (("source", "train.en"), ("target", "train.de")):
        # Letters: pairs that differ in digits only are near duplicates.
        lines = [f"{line} {letter}" for letter in ascii_lowercase[:20] for line in TEXTS[side]]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_a_model_is_fine_tuned_and_translates(
    opus_model: TrainedModel, corpus: Path, nmt: Run
) -> None:
    shutil.copy(opus_model.path, "opus.safetensors")
    made = nmt("init", "train.en", "train.de", "-o", "mine.toml", "--init-from", "opus.safetensors")
    assert made.code == 0
    changes = "train.checkpoint_updates=2", "train.validate_updates=4", "train.precision=float32"
    settings = ["--max-updates", "4", *(part for each in changes for part in ("--set", each))]
    trained = nmt("train", "mine.toml", *settings)
    assert trained.code == 0, trained.err
    found = read_model(Path("runs/mine/model.safetensors"))
    assert found.tokenizer == opus_model.tokenizer.model
    assert found.recipe.model == opus_model.recipe.model
    bias = found.weights["embeddings.softmax_bias"]
    assert not numpy.array_equal(bias, opus_model.weights["embeddings.softmax_bias"])
    assert nmt("translate", "train.en", "--model", "runs/mine").out.count("\n") == 100
    assert nmt("evaluate", "--model", "runs/mine").code == 0
    again = nmt("average", "runs/mine", "--last", 1, "--output", "average.safetensors")
    assert again.code == 0, again.err
    assert nmt("train", "runs/mine", "--max-updates", 6).code == 0
    ensemble = nmt("translate", "train.en", "--model", "opus.safetensors", "--model", "runs/mine")
    assert ensemble.out.count("\n") == 100


def test_an_imported_tokenizer_is_not_learned(
    opus_model: TrainedModel, corpus: Path, nmt: Run
) -> None:
    shutil.copy(opus_model.path, "opus.safetensors")
    Path("mine.toml").write_text(
        'extends = "opus.safetensors"\n[data]\n'
        'train = [{ source = "train.en", target = "train.de" }]\n'
        'dev = [{ source = "train.en", target = "train.de" }]\n'
    )
    shutil.copytree(".", "data", ignore=lambda *_: ["data"])
    for command in ("prepare", "train"):
        refused = nmt(command, "mine.toml")
        assert refused.code == 1
        assert "is the tokenizer of an imported model and cannot be learned" in refused.err
        assert "--init-from" in refused.err
    refused = nmt("train", "mine.toml", "--set", "train.bpe_dropout=0.1")
    assert "train.bpe_dropout needs tokenizer.kind=bpe" in refused.err


def test_other_commands(opus_model: TrainedModel, tmp_path: Path, corpus: Path, nmt: Run) -> None:
    model = opus_model.path
    lines = Path("few.en"), Path("few.de")
    for path, side in zip(lines, ("source", "target"), strict=True):
        path.write_text("\n".join(TEXTS[side]) + "\n", encoding="utf-8")
    scored = nmt("score", *lines, "--model", model)
    assert scored.out.count("\n") == len(TEXTS["source"])
    assert nmt("evaluate", *lines, "--model", model).code == 0
    assert nmt("explain", TEXTS["source"][0], "--model", model, "--output", "page.html").code == 0
    nbest = nmt("translate", lines[0], "--model", model, "--n-best", 3, "--output", "n.json")
    assert nbest.code == 0
    reranked = nmt("rerank", "n.json", "--model", model, "--source", lines[0])
    assert reranked.code in (0, 2)
    glossary = Path("terms.tsv")
    glossary.write_text("garden\tGarten\n", encoding="utf-8")
    found = nmt("translate", lines[0], "--model", model, "--glossary", glossary)
    # The outputs of random weights may leave no room for a term; then a note names it.
    assert ("Garten" in found.out.splitlines()[0]) == ("garden" not in found.err)
    assert found.code == 0


def test_equal_vocabularies_make_ensembles(
    opus: Path, opus_model: TrainedModel, tmp_path: Path, nmt: Run
) -> None:
    other = write_folder(tmp_path / "other", seed=2)
    second = imported(other)
    source = tmp_path / "in.txt"
    source.write_text("The garden.\n")
    found = nmt("translate", source, "--model", opus_model.path, "--model", second.path)
    assert (found.code, found.out.count("\n")) == (0, 1)
    names = json.loads((other / "vocab.json").read_text())
    one, two = (name for name, each in names.items() if each in (5, 6))
    (other / "vocab.json").write_text(json.dumps(names | {one: names[two], two: names[one]}))
    third = imported(other)
    refused = nmt("translate", source, "--model", opus_model.path, "--model", third.path)
    assert "has another vocabulary than" in refused.err


def test_separate_vocabularies_are_two(tmp_path: Path, nmt: Run) -> None:
    folder = write_folder(tmp_path / "separate", Shape(separate=True, shared=False))
    model = imported(folder)
    assert not model.tokenizer.is_joint
    assert not model.recipe.tokenizer.joint
    assert len(load_model(model.path, "cpu").tokenizer.target) == 100 + 1
    source = tmp_path / "in.txt"
    source.write_text("The garden.\n")
    assert nmt("translate", source, "--model", model.path).out.count("\n") == 1
