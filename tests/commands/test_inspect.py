"""`nmt inspect` for recipes, models and run folders, and its errors."""

import gzip
import json
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest

from nmt.runs.model_file import read_model
from tests.conftest import Run


def data(nmt: Run, *arguments: object) -> dict[str, Any]:
    """Return what `nmt inspect --json` prints."""
    result = nmt("inspect", *arguments, "--json")
    assert (result.code, result.err) == (0, "")
    found: dict[str, Any] = json.loads(result.out)
    return found


def test_a_recipe_fits_on_a_screen(nmt: Run) -> None:
    result = nmt("inspect", "wmt14_en_de_base")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith("wmt14_en_de_base: 6 encoder and 6 decoder layers")
    assert "37,000" in lines[0]
    assert len(lines) < 60
    words = [line.split() for line in lines]
    assert ["encoder", "layer", "×6", "3,150,336", "18,902,016"] in words
    assert ["self_attention.query_key_value.weight", "1,536", "×", "512", "786,432"] in words
    assert ["total", "63,045,632"] in words
    assert ["9.52e17", "the", "run,", "100,000", "updates"] in words
    assert ["252", "MB", "weights"] in words
    row = "in the paper: table 2, row base (en-de) (wmt14_en_de_base): BLEU 27.3 on newstest2014"
    assert row in lines
    assert "deviations from the paper: none" in lines


def test_each_deviation_has_a_line(nmt: Run) -> None:
    out = nmt("inspect", "paper/base", "--set", "model.dropout=0.3", "--set", "train.seed=7").out
    assert "\ndeviations from the paper: 1\n  model.dropout = 0.3, paper: 0.1, section 5.4\n" in out
    assert "\nnearest in the paper: table 3, row base (paper/base): perplexity 4.92, BLEU" in out


def test_json_holds_every_weight_of_every_layer(nmt: Run) -> None:
    found = data(nmt, "paper/c-n2")
    assert len(found["weights"]) == 1 + 2 * 10 + 2 * 15
    assert found["parameters"] == 33_644_544
    assert sum(weight["parameters"] for weight in found["weights"]) == 33_644_544
    assert found["weights"][0] == {
        "name": "embeddings.weight",
        "shape": [37_000, 512],
        "parameters": 18_944_000,
    }
    assert found["flops"]["length"] == 30
    longer = data(nmt, "paper/c-n2", "--length", 100)["flops"]
    assert longer["training_run"] > found["flops"]["training_run"]
    assert nmt("inspect", "--length", 0).code == 2
    memory = found["memory_bytes"]
    assert memory["total"] == pytest.approx(16 * 33_644_544 + memory["activations"])
    assert found["paper"] == {
        "row": "table 3, row C",
        "recipe": "paper/c-n2",
        "bleu": 23.7,
        "perplexity": 6.11,
        "test_set": "newstest2013",
    }
    assert (found["deviations"], found["model"]) == ([], None)


def test_a_model_has_the_size_of_its_own_vocabulary(nmt: Run, tiny_run: Path) -> None:
    path = tiny_run / "model.safetensors"
    found = data(nmt, path)
    weights = read_model(path).weights
    assert {own["name"]: own["shape"] for own in found["weights"]} == {
        name: list(weight.shape) for name, weight in weights.items()
    }
    assert found["vocab_size"] == len(weights["embeddings.weight"])
    assert (found["model"], found["updates"]) == (str(path), [8, 12])
    deviations = {one["setting"]: one for one in found["deviations"]}
    assert deviations["model.heads"] == {
        "setting": "model.heads",
        "value": "2",
        "paper": "8",
        "source": "section 3.2.2",
    }
    assert data(nmt, tiny_run) == found


def test_the_default_is_the_newest_model_else_the_first_recipe(nmt: Run, tiny: Path) -> None:
    """A run folder without a model stands for its recipe."""
    assert data(nmt)["recipe"] == "pocket"
    assert nmt("prepare", tiny, "--set", "model.heads=4").code == 0
    found = data(nmt, "runs/tiny")
    assert (found["model"], found["recipe"]) == (None, "tiny")
    assert nmt("train", tiny, "--run", "runs/mine/first", "--max-updates", 4).code == 0
    assert data(nmt)["model"] == "runs/mine/first/model.safetensors"


def test_decoding_of_a_model_can_be_changed(nmt: Run, tiny_run: Path) -> None:
    found = data(nmt, tiny_run, "--set", "decode.beam_size=9")
    assert "decode.beam_size" in {one["setting"] for one in found["deviations"]}


def test_each_head_of_a_model_is_measured_and_cut(nmt: Run, skilled_run: Path) -> None:
    """Links beside the dev set are followed; a line that holds none is passed over."""
    data_dir = Path("data")
    copytree(skilled_run.parents[1], data_dir, ignore=ignore_patterns("runs"))
    links = "\n" + "target 1 0 the first word\ttarget 2\n" * 9
    (data_dir / "dev.links.gz").write_bytes(gzip.compress(links.encode()))
    found = data(nmt, skilled_run, "--heads", "--data-dir", data_dir)
    assert (found["pairs"], found["measure"]) == (10, "BLEU")
    assert [(head["attention"], head["head"]) for head in found["heads"]] == [
        (f"{stack}.0.{kind}_attention", head)
        for stack, kind in (("encoder", "self"), ("decoder", "self"), ("decoder", "cross"))
        for head in range(2)
    ]
    cross = found["heads"][-1]
    assert {"the translated word (next)", "the end"} <= {*cross["shares"]}
    assert "the first word (next)" in found["heads"][2]["shares"]
    assert any(head["score"] < 0 < head["loss"] for head in found["heads"])
    text = nmt("inspect", skilled_run, "--heads", "--data-dir", data_dir).out
    assert "| decoder 1 cross 2 |" in text
    assert text.count("\n") == 4 + 6


def test_a_recurrent_model_has_no_heads(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--set", "model.architecture=recurrent", "--max-updates", 4).code == 0
    result = nmt("inspect", "runs/tiny", "--heads")
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "is recurrent, and only a Transformer has heads" in result.err
