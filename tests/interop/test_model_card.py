"""Model cards: valid YAML whatever the names hold, and scores of this very model file only."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt.interop.front_matter import Yaml, front_matter, licence_fields
from nmt.interop.model_card import model_card
from nmt.interop.usage import USAGES
from nmt.recipe.settings import with_settings
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.system.files import sha256_of
from tests.conftest import Run

ODD = 'no: "#x" | `y` \\ \u2028 \x07 \x85 𝔸 %'


def fields_of(card: str) -> dict[str, Any]:
    """Return the YAML block of a card."""
    match = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert match
    found: dict[str, Any] = yaml.safe_load(match[1])
    return found


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """Return a copy of a run folder, to write into."""
    shutil.copytree(tiny_run, tmp_path / "run")
    return tmp_path / "run"


def load(path: Path) -> TrainedModel:
    return load_model(path, "cpu")


def test_any_text_is_read_again_by_yaml() -> None:
    fields: dict[str, Yaml] = {
        "language": ["no", "y", "1.5", ODD],
        "empty": [],
        "nested": [{"a": {"b": ODD, "c": [1.25, 2]}, "d": [{"e": ""}]}],
    }
    text = front_matter(fields)
    assert yaml.safe_load(text.removeprefix("---\n").removesuffix("---")) == fields


def test_a_byte_that_is_no_character_becomes_a_question_mark() -> None:
    assert front_matter({"name": "a\udc80"}) == '---\nname: "a?"\n---'


@pytest.mark.parametrize(
    ("licence", "fields"),
    [
        ("", {"license": "unknown"}),
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        ("My own terms", {"license": "other", "license_name": "My own terms"}),
    ],
)
def test_a_licence_is_named_as_the_hub_names_it(licence: str, fields: dict[str, str]) -> None:
    assert licence_fields(licence) == fields


@pytest.mark.parametrize("to", USAGES)
def test_a_card_states_what_the_model_file_says(to: str, run: Path) -> None:
    model = load(run)
    card = model_card(model, to)
    fields = fields_of(card)
    assert fields["language"] == ["en", "de"]
    assert fields["license"] == "unknown"
    assert fields["pipeline_tag"] == "translation"
    assert "model-index" not in fields
    assert f"{sum(each.size for each in model.weights.values()):,} parameters" in card
    for text in ("train.src + train.tgt", "model.d_model = 16", "vaswani2017attention"):
        assert text in card
    assert "is not known" in card
    assert "is not known" not in model_card(model, to, "mit")


def test_a_card_says_that_the_output_is_reversed(run: Path) -> None:
    model = load(run)
    recipe = with_settings(model.recipe, {"model.target_order": "right_to_left"})
    card = model_card(replace(model, recipe=recipe), "ctranslate2")
    assert "Reverse the tokens of an output" in card
    assert "Reverse the tokens" not in model_card(model, "ctranslate2")


def test_scores_are_those_of_this_file(run: Path, nmt: Run, tiny_run: Path) -> None:
    data = ["--data-dir", tiny_run.parent.parent]
    for name in ("best", "model"):
        options = ["--model", run / f"{name}.safetensors", "--card", run / f"{name}.json", *data]
        assert nmt("evaluate", *options).code == 0
    card = json.loads((run / "model.json").read_text(encoding="utf-8"))
    scores = card["results"][0]["scores"]
    text = model_card(load(run / "model.safetensors"), "onnx")
    (entry,) = fields_of(text)["model-index"][0]["results"]
    assert entry["dataset"]["name"] == "tiny"
    assert {each["name"]: each["args"]["signature"] for each in entry["metrics"]} == {
        name: scores[name]["signature"] for name in ("BLEU", "chrF2", "TER")
    }
    for score in scores.values():
        signature = score["signature"].replace("|", "\\|")  # in a table
        assert f"`{signature}`" in text
    drawn = ["--set", "decode.method=sample", "--card", run / "model.json"]
    assert nmt("evaluate", "--model", run / "model.safetensors", *drawn, *data).code == 0
    assert "model-index" not in fields_of(model_card(load(run / "model.safetensors"), "onnx"))
    (run / "model.safetensors").write_bytes((run / "best.safetensors").read_bytes())
    (run / "best.json").unlink()
    assert "model-index" not in fields_of(model_card(load(run / "model.safetensors"), "onnx"))


def test_a_card_names_no_folder_of_its_author(run: Path, nmt: Run, tiny_run: Path) -> None:
    texts = [tiny_run.parent.parent / f"dev.{side}" for side in ("src", "tgt")]
    model = run / "model.safetensors"
    assert nmt("evaluate", *texts, "--model", model, "--card", run / "own.json").code == 0
    card = model_card(load(model), "onnx")
    assert "dev.src" in card
    assert str(tiny_run.parent.parent) not in card


def test_two_test_sets_of_one_name_are_told_apart(
    run: Path, nmt: Run, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = run / "model.safetensors"
    for number in (1, 2):
        folder = tmp_path / f"secret{number}"
        texts = [folder / f"dev.{side}" for side in ("src", "tgt")]
        folder.mkdir()
        for path in texts:
            lines = (tiny_run.parent.parent / path.name).read_text().splitlines(keepends=True)
            path.write_text("".join(lines[number:]))
        monkeypatch.chdir(run)
        names = [os.path.relpath(path) for path in texts]
        card = run / f"{number}.json"
        assert nmt("evaluate", *names, "--model", model, "--card", card).code == 0
    found = json.loads((run / "2.json").read_text())
    (run / "2.json").write_text(json.dumps({**found, "engine": "CTranslate2"}))
    card_text = model_card(load(model), "onnx")
    assert "secret" not in card_text
    assert "dev.src (2)" not in card_text  # another program's translations
    (run / "2.json").write_text(json.dumps(found))
    both = fields_of(model_card(load(model), "onnx"))["model-index"][0]["results"]
    assert [each["dataset"]["name"] for each in both] == ["dev.src", "dev.src (2)"]


def test_the_dev_score_is_that_of_the_same_updates(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    average = next(line for line in lines if line["kind"] == "average")
    average["bleu"], average["averaged_updates"] = 43.21, [8, 12]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert "`BLEU` on the dev set" in model_card(load(run / "model.safetensors"), "onnx")
    assert "43.21" in model_card(load(run / "model.safetensors"), "onnx")
    average["averaged_updates"] = [4, 12]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert "43.21" not in model_card(load(run / "model.safetensors"), "onnx")


@pytest.mark.parametrize(
    "content",
    [
        {"evaluation_card": 1, "model": "m", "results": [{"test_set": 3}]},
        {"evaluation_card": 1, "hypotheses": "out.txt", "results": []},
        {"evaluation_card": 1, "model": "m", "results": [], "ensemble_with": [{}]},
        {
            "evaluation_card": 1,
            "model": "m",
            "results": [
                {"test_set": "t", "segments": 1, "scores": {"BLEU": {"value": None}}},
            ],
        },
    ],
    ids=["damaged", "hypotheses", "ensemble", "no number"],
)
def test_cards_that_say_nothing_about_the_model_are_left_out(
    content: dict[str, Any], run: Path
) -> None:
    content["sha256"] = sha256_of(run / "model.safetensors")
    (run / "card.json").write_text(json.dumps(content))
    assert "model-index" not in fields_of(model_card(load(run / "model.safetensors"), "onnx"))


def test_names_are_no_markup(run: Path) -> None:
    model = load(run)
    data = replace(model.recipe.data, source_language="no")
    odd = replace(model, recipe=replace(model.recipe, name=ODD, data=data))
    card = model_card(odd, "onnx", "a | b `c`")
    fields = fields_of(card)
    assert fields["language"] == ["no", "de"]
    assert fields["license_name"] == "a | b `c`"
    assert f"# ``{' '.join(ODD.split())}``\n" in card


def test_a_model_outside_a_run_has_no_scores(run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / "model.safetensors"
    alone.parent.mkdir()
    shutil.copy(run / "model.safetensors", alone)
    card = model_card(load(alone), "onnx")
    assert "## Scores" not in card
    assert "model-index" not in fields_of(card)
