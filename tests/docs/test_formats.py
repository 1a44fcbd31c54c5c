"""The pages about files list every key that the program writes."""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from nmt.corpora.detectors import CheckLimits
from nmt.corpora.findings import KINDS
from tests.conftest import Run
from tests.docs.markdown import DOCS, code_spans, parts

REFERENCE = DOCS / "reference"


def documented(page: str) -> set[str]:
    """Return what a page of the reference shows as code."""
    spans = (each for _, line in parts(REFERENCE / page)[1] for each in code_spans(line))
    return set(spans)


def keys(data: Any, prefix: str = "") -> Iterator[str]:
    """Yield the keys of nested objects, joined by points."""
    for key, value in data.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")


def test_run_folder(tiny_run: Path) -> None:
    spans = documented("run-folder.md")
    for path in tiny_run.iterdir():
        assert {path.name, f"{path.name}/"} & spans, f"{path.name} is not on the page"


def test_checkpoints(tiny_run: Path) -> None:
    spans = documented("run-folder.md")
    for path in (tiny_run / "checkpoints").glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        listed = {key for key in keys(content) if key.count(".") <= 1}
        listed -= {"progress", *(key for key in listed if key.startswith("sha256."))}
        assert listed <= spans


def test_manifest(tiny_run: Path) -> None:
    spans = documented("run-folder.md")
    content = json.loads((tiny_run / "prepared" / "manifest.json").read_text(encoding="utf-8"))
    assert {*content} - {"steps"} <= spans
    for name, step in content["steps"].items():
        shown = f"steps.{'train-N' if name.startswith('train-') else name}"
        assert shown in spans
        assert {*step["counts"]} <= spans
        assert all(key in " ".join(spans) for key in step if key != "counts" and step[key])
    for file in content["files"].values():
        assert {*file} <= spans


def test_model_file(tiny_run: Path) -> None:
    spans = documented("model-file.md")
    with safe_open(tiny_run / "model.safetensors", "pt") as file:
        assert {*file.metadata()} <= spans
        assert file.metadata()["format"] in spans
        for name in file.keys():  # noqa: SIM118 (no dict)
            start = name.partition(".")[0]
            assert name in spans or start in ("encoder", "decoder")


def test_metrics(tiny_run: Path) -> None:
    spans = documented("run-folder.md")
    lines = (tiny_run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = set()
    for line in map(json.loads, lines):
        kinds.add(line["kind"])
        assert {*line} | {line["kind"]} <= spans
        for sample in line.get("samples", []):
            assert {*sample} <= spans
    assert kinds == {"train", "dev", "average"}


def test_evaluation_card(
    tiny_run: Path, tiny: Path, nmt: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tiny.parent / "card.json"
    result = nmt("evaluate", "--model", tiny_run, "--card", card, "--compare", tiny_run)
    assert result.code == 0, result.err
    content = json.loads(card.read_text(encoding="utf-8"))
    spans = documented("evaluation-card.md")
    assert {*content} <= spans
    (evaluated,) = content["results"]
    assert {*evaluated} <= spans
    assert {*evaluated["by_length"], *evaluated["by_length"]["buckets"][0]} <= spans
    assert {*evaluated["examples"], *evaluated["examples"]["worst"][0]} <= spans
    for scores in (evaluated["scores"], evaluated["compared"][0]["scores"]):
        for score in scores.values():
            assert {*score, *score["confidence_95"]} <= spans


def test_corpus_check(nmt: Run, tmp_path: Path) -> None:
    spans = documented("corpus-check.md")
    for name in ("c.en", "c.de"):
        (tmp_path / name).write_text("the sun\nthe sun\n")
    files = (tmp_path / "c.en", tmp_path / "c.de")
    report = json.loads(nmt("check", *files, "--json", "--limit", "language_sample=0").out)
    (text,) = report["texts"]
    assert {*report, *report["limits"], *text, *text["histogram"]} <= spans
    assert text["findings"]
    for finding in text["findings"]:
        assert {*finding, *finding["examples"][0], finding["kind"]} <= spans
    assert {name for name, kind in KINDS.items() if kind.fix} <= spans
    assert {f"{limit.default:g}" for limit in fields(CheckLimits)} <= spans


def test_clean_report(nmt: Run, tmp_path: Path) -> None:
    spans = documented("corpus-check.md")
    (tmp_path / "c.en").write_text("the  sun\nthe moon\n")
    (tmp_path / "c.de").write_text("die Sonne\nder Mond\n")
    files = (tmp_path / "c.en", tmp_path / "c.de")
    report = json.loads(nmt("clean", *files, "-o", tmp_path / "x", "--json").out)
    assert {*report, *report["limits"], *report["repaired"]} <= spans
    assert {*report["removed"]} - {"unreadable"} <= spans
