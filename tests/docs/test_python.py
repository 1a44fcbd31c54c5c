"""Every Python example of the manual runs on the tests' tiny model and corpus."""

import re
from pathlib import Path
from typing import Any

import pytest

from nmt.interop.export import export_model
from tests.conftest import write_tiny_corpus
from tests.docs.markdown import ROOT, blocks
from tests.docs.sandbox import create
from tests.docs.test_commands import write_recipes

EXAMPLES = blocks("python")
PAGES = sorted({block.page for block in EXAMPLES})
UPDATES = 4
# Trainings take the tiny recipe and few updates; models and runs are copies of the tiny one, whose
# vocabulary has only capitals.
REPLACED = (
    (re.compile(r'(read_recipe\(\s*)"[\w/]+"'), r'\1"tiny.toml"'),
    (re.compile(r'("(?:train\.)?(?:max|validate|checkpoint)_updates": )\d+'), rf"\g<1>{UPDATES}"),
    (re.compile(r'"(Postkarte|alte Dame|Greisin|Die Frau)"'), '"SUN"'),
    (re.compile(r'to=\["de", "fr"\]'), 'to=["de", "de"]'),  # all that the tiny model writes
)
LOADED = re.compile(r'"(runs/[\w-]+)(?:/[\w-]+\.safetensors)?"')
TRAINED = re.compile(r'run="(runs/[\w-]+)"')
EXPORTED = {"hf": "huggingface", "onnx": "onnx"}  # folders that a page has exported, and how
TEXTS = re.compile(r'"([\w-]+\.(?:en|de|src|tgt))"')


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_run(
    page: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples of a page are run in order, as one program."""
    code = "\n".join(block.text for block in EXAMPLES if block.page == page)
    for pattern, replacement in REPLACED:
        code = pattern.sub(replacement, code)
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("NMT_DATA_DIR", "data")
    for folder in (tmp_path, tmp_path / "data"):
        write_tiny_corpus(folder)
    write_recipes(page, tmp_path, tiny_run)
    for name in {*LOADED.findall(code), "runs/pocket"} - {*TRAINED.findall(code)}:
        create(Path(name), tiny_run)
    for name, to in EXPORTED.items():
        if f'"{name}"' in code:
            export_model(tiny_run, tmp_path / name, to)
    (tmp_path / "terms.tsv").write_text("sun\tMOON\n")
    (tmp_path / "page.html").write_text("<p>sun <b>moon</b></p>")
    for name in TEXTS.findall(code):
        create(Path(name), tiny_run)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, str(page), "exec"), names)  # noqa: S102 (the manual's own code)
