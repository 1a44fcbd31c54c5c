"""The pages about files list every key that the program writes."""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from nmt.corpora.faults.detectors import CheckLimits
from nmt.corpora.faults.findings import KINDS
from tests.conftest import Run
from tests.docs.markdown import DOCS, code_spans, parts

REFERENCE = DOCS / "reference"


def documented(page: str) -> set[str]:
    """Return what a page of the reference shows as code."""
    return {span for _, line in parts(REFERENCE / page)[1] for span in code_spans(line)}


def keys(data: Any, skip: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the keys of nested objects, without those within the skipped ones."""
    for value in data if isinstance(data, list) else ():
        yield from keys(value, skip)
    for key, value in data.items() if isinstance(data, dict) else ():
        yield key
        if key not in skip:
            yield from keys(value, skip)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_run_folder(tiny_run: Path) -> None:
    spans = documented("run-folder.md")
    for path in tiny_run.iterdir():
        assert {path.name, f"{path.name}/"} & spans, f"{path.name} is not on the page"
    for path in (tiny_run / "checkpoints").glob("*.json"):
        content = read(path)
        progress = {f"progress.{key}" for key in content["progress"]}
        assert {*content} - {"progress"} | progress <= spans
    manifest = read(tiny_run / "prepared" / "manifest.json")
    assert {*manifest, *keys([*manifest["files"].values()])} - {"steps"} <= spans
    for name, step in manifest["steps"].items():
        shown = f"steps.{'train-N' if name.startswith('train-') else name}"
        assert {shown, *step["counts"]} <= spans
        assert all(key in " ".join(spans) for key in step if key != "counts" and step[key])
    text = (tiny_run / "metrics.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    kinds = {record["kind"] for record in records}
    assert kinds == {"train", "dev", "average"}
    assert {*keys(records)} | kinds <= spans


def test_model_file(tiny_run: Path) -> None:
    spans = documented("model-file.md")
    with safe_open(tiny_run / "model.safetensors", "pt") as file:
        assert {*file.metadata(), file.metadata()["format"]} <= spans
        for name in file.keys():  # noqa: SIM118 (no dict)
            assert name in spans or name.partition(".")[0] in ("encoder", "decoder")


@pytest.mark.usefixtures("tiny")
def test_evaluation_card(tiny_run: Path, nmt: Run) -> None:
    options = ["--card", "card.json", "--compare", tiny_run]
    assert nmt("evaluate", "--model", tiny_run, *options).code == 0
    found = {*keys(read(Path("card.json")), ("recipe", "versions", "decode"))}
    assert found <= documented("evaluation-card.md")


def test_corpus_check_and_clean(nmt: Run) -> None:
    spans = documented("corpus-check.md")
    Path("c.en").write_text(2 * "the sun\nthe  moon\n")
    Path("c.de").write_text(2 * "die Sonne\nder Mond\n")
    corpus = "c.en", "c.de", "--json"
    checked = json.loads(nmt("check", *corpus, "--limit", "language_sample=0").out)
    cleaned = json.loads(nmt("clean", *corpus, "-o", "x").out)
    kinds = {finding["kind"] for text in checked["texts"] for finding in text["findings"]}
    assert kinds
    assert kinds | {*keys([checked, cleaned])} - {"unreadable"} <= spans
    assert {name for name, kind in KINDS.items() if kind.fix} <= spans
    assert {f"{limit.default:g}" for limit in fields(CheckLimits)} <= spans
