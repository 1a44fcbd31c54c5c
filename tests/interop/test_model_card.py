"""Model cards: valid YAML whatever the names hold, and scores of this very model file only."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt.interop.model_card import USAGES, front_matter, licence_fields, model_card
from nmt.recipe.settings import with_settings
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.system.files import compute_sha256
from tests.conftest import Run
from tests.interop.models import two_languages

ODD = 'no: "#x" | `y` \\ \u2028 \x07 \x85 𝔸 %'


def parse_fields(card: str) -> dict[str, Any]:
    match = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert match
    found: dict[str, Any] = yaml.safe_load(match[1])
    return found


@pytest.mark.parametrize("to", sorted({*USAGES} - {"argos"}))
def test_a_card_says_how_to_choose_a_language(to: str, tiny_run: Path) -> None:
    model = replace(two_languages(), path=tiny_run / "model.safetensors")
    card = model_card(model, to)
    assert parse_fields(card)["language"] == ["en", "de"]
    assert "translates `en` to `de`, `de` to `en`." in card
    assert "The model has `>>de<<`, `>>en<<`." in card
    assert ("language_ids" if to == "onnx" else ">>de<<") in card


def make_card(path: Path, to: str = "onnx") -> str:
    return model_card(load_model(path, "cpu"), to)


def read_results(path: Path) -> Any:
    """Return the scores of test sets in the card of a model; None: there are none."""
    index = parse_fields(make_card(path)).get("model-index")
    return index and index[0]["results"]


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def test_any_text_is_read_again_by_yaml() -> None:
    fields: dict[str, Any] = {
        "language": ["no", "y", "1.5", ODD],
        "empty": [],
        "nested": [{"a": {"b": ODD, "c": [1.25, 2]}, "d": [{"e": ""}]}],
    }
    text = front_matter(fields)
    assert yaml.safe_load(text.removeprefix("---\n").removesuffix("---")) == fields
    assert front_matter({"name": "a\udc80"}) == '---\nname: "a\\\\x80"\n---'  # no character


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
def test_a_card_states_what_the_model_file_says(to: str, tiny_run: Path) -> None:
    model = load_model(tiny_run, "cpu")
    card = model_card(model, to)
    fields = parse_fields(card)
    assert fields["language"] == ["en", "de"]
    assert (fields["license"], fields["pipeline_tag"]) == ("unknown", "translation")
    assert "model-index" not in fields
    assert f"{sum(weight.size for weight in model.weights.values()):,} parameters" in card
    for text in ("train.src + train.tgt", "model.d_model = 16", "vaswani2017attention"):
        assert text in card
    assert "is not known" in card
    assert "is not known" not in model_card(model, to, "mit")
    recipe = with_settings(model.recipe, {"model.target_order": "right_to_left"})
    assert "Reverse the tokens of an output" in model_card(replace(model, recipe=recipe), to)
    assert "Reverse the tokens of an output" not in card


def test_scores_are_those_of_this_file(run: Path, nmt: Run, tiny_run: Path) -> None:
    data = ["--data-dir", tiny_run.parent.parent]
    model, best = run / "model.safetensors", run / "best.safetensors"
    for file in (best, model):
        given = ["--model", file, "--card", file.with_suffix(".json"), *data]
        assert nmt("evaluate", *given).code == 0
    scores = json.loads((run / "model.json").read_text())["results"][0]["scores"]
    (entry,) = read_results(model)
    assert entry["dataset"]["name"] == "tiny"
    assert {metric["name"]: metric["args"]["signature"] for metric in entry["metrics"]} == {
        name: scores[name]["signature"] for name in ("BLEU", "chrF2", "TER")
    }
    for score in scores.values():
        signature = score["signature"].replace("|", "\\|")  # in a table
        assert f"`{signature}`" in make_card(model)
    drawn = ["--set", "decode.method=sample", "--card", run / "model.json"]
    assert nmt("evaluate", "--model", model, *drawn, *data).code == 0
    assert read_results(model) is None
    model.write_bytes(best.read_bytes())
    (run / "best.json").unlink()
    assert read_results(model) is None
    alone = run.parent / "alone" / "model.safetensors"
    alone.parent.mkdir()
    shutil.copy(best, alone)
    assert "## Scores" not in make_card(alone)


def test_test_sets_are_named_without_the_folders_of_their_author(
    run: Path, nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    """Two test sets of one name are told apart; another program's translations do not count."""
    model = run / "model.safetensors"
    for number in (1, 2):
        folder = tmp_path / f"secret{number}"
        folder.mkdir()
        texts = [folder / f"dev.{side}" for side in ("src", "tgt")]
        for path in texts:
            lines = (tiny_run.parent.parent / path.name).read_text().splitlines(keepends=True)
            path.write_text("".join(lines[number:]))
        card = run / f"{number}.json"
        assert nmt("evaluate", *texts, "--model", model, "--card", card).code == 0
    found = json.loads((run / "2.json").read_text())
    (run / "2.json").write_text(json.dumps({**found, "engine": "CTranslate2"}))
    assert [entry["dataset"]["name"] for entry in read_results(model)] == ["dev.src"]
    (run / "2.json").write_text(json.dumps(found))
    assert [entry["dataset"]["name"] for entry in read_results(model)] == ["dev.src", "dev.src (2)"]
    assert str(tmp_path) not in make_card(model)


def test_the_dev_score_is_that_of_the_same_updates(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    average = next(line for line in lines if line["kind"] == "average")
    for updates, is_known in (([8, 12], True), ([4, 12], False)):
        average |= {"bleu": 43.21, "averaged_updates": updates}
        (run / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        card = make_card(run / "model.safetensors")
        assert ("`BLEU` on the dev set: 43.21" in card) == is_known


SCORE = {"test_set": "t", "segments": 1, "scores": {"BLEU": {"value": None}}}


@pytest.mark.parametrize(
    "content",
    [
        {"model": "m", "results": [{"test_set": 3}]},
        {"hypotheses": "out.txt", "results": []},
        {"model": "m", "results": [], "ensemble_with": [{}]},
        {"model": "m", "results": [SCORE]},
    ],
)
def test_cards_that_say_nothing_about_the_model_are_left_out(
    content: dict[str, Any], run: Path
) -> None:
    card = {"evaluation_card": 1, "sha256": compute_sha256(run / "model.safetensors"), **content}
    (run / "card.json").write_text(json.dumps(card))
    assert read_results(run / "model.safetensors") is None


def test_names_are_no_markup(tiny_run: Path) -> None:
    model: TrainedModel = load_model(tiny_run, "cpu")
    data = replace(model.recipe.data, source_language="no")
    odd = replace(model, recipe=replace(model.recipe, name=ODD, data=data))
    card = model_card(odd, "onnx", "a | b `c`")
    fields = parse_fields(card)
    assert fields["language"] == ["no", "de"]
    assert fields["license_name"] == "a | b `c`"
    assert f"# ``{' '.join(ODD.split())}``\n" in card
