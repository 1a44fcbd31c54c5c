"""`nmt explain` without a sentence, without the model in its page, and for two models."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_report import read_data
from tests.conftest import Run


def read_models(page: str = "explain.html") -> list[dict[str, Any]]:
    """Return what a page says about each of its models."""
    models: list[dict[str, Any]] = read_data(Path(page))["models"]
    return models


def test_without_a_sentence_the_page_shows_one_of_the_dev_set(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    result = nmt("explain", "--model", skilled_run)
    assert (result.code, result.out) == (0, "explain.html\n")
    (data,) = read_models()
    dev = (skilled_run.parents[1] / "dev.src").read_text().splitlines()
    assert f"example of the dev set: {data['source']['text']}\n" in result.err
    assert len({*data["examples"]}) == 4
    assert {data["source"]["text"], *data["examples"]} <= {*dev}
    again = nmt("explain", "--model", skilled_run, "--output", "again.html")
    assert again.code == 0
    assert read_models("again.html") == [data]
    shutil.copy(skilled_run / "model.safetensors", "alone.safetensors")
    result = nmt("explain", "--model", "alone.safetensors")
    assert (result.code, result.out) == (1, "")
    last = result.err.splitlines()[-1]
    assert last.startswith("nmt: no example was found: data/dev.src does not exist")
    assert last.endswith('; or give one: nmt explain "TEXT"')
    assert nmt("explain", "sun", "--model", "alone.safetensors").code == 0
    assert read_models()[0]["examples"] == []


def test_two_models_are_compared(nmt: Run, skilled_run: Path, tiny_run: Path) -> None:
    """A model is a run, a file or a checkpoint; the columns have different names."""
    checkpoint = sorted((tiny_run / "checkpoints").glob("*.safetensors"))[0]
    options = ("--beam-size", 2, "--no-live", "sun moon")
    result = nmt("explain", "--compare", skilled_run, checkpoint, *options)
    assert result.code == 0
    early = nmt("explain", "--model", checkpoint, "--output", "early.html", *options)
    assert early.code == 0
    names = [data["model"]["name"] for data in read_models()]
    assert names == ["skilled", checkpoint.stem]
    assert "<title>How skilled and update-" in Path("explain.html").read_text(encoding="utf-8")
    first, second = read_models()
    (alone,) = read_models("early.html")
    assert second["target"] == alone["target"]
    assert second["beam"] == alone["beam"]
    assert first["beam"]["size"] == 2
    assert result.err.splitlines()[-1] == f"translation: {second['target']['text']}"
    assert nmt("explain", "--compare", tiny_run, tiny_run, "--no-live", "sun").code == 0


def test_the_page_holds_the_model_unless_it_is_too_large_or_not_wanted(
    nmt: Run, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explained(*options: str) -> tuple[dict[str, Any], str]:
        result = nmt("explain", "sun", "--model", tiny_run, *options)
        assert result.code == 0
        (data,) = read_models()
        return data, result.err

    data, _ = explained()
    assert "encoder.0.self_attention.query_key_value.weight" in data["live"]["weights"]
    assert data["live_reason"] is None
    data, said = explained("--no-live")
    assert (data["live"], data["examples"]) == (None, [])
    assert "--no-live" in data["live_reason"]
    assert "--no-live" not in said
    monkeypatch.setattr("nmt.studio.explain.live.MOST_PARAMETERS", 1000)
    data, said = explained()
    assert data["live"] is None
    assert "models of at most 1,000" in data["live_reason"]
    assert "models of at most 1,000" in said
