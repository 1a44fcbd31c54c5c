"""Every Python example of the manual runs on the tests' tiny model and corpus."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from nmt.interop.export import export_model
from tests.conftest import write_tiny_corpus
from tests.docs.markdown import ROOT, blocks
from tests.docs.test_commands import write_recipes

EXAMPLES = blocks("python")
UPDATES = 4
# Trainings take the tiny recipe and few updates; models and runs are copies of the tiny one, whose
# vocabulary has only capitals.
REPLACED = (
    (re.compile(r'(read_recipe\(\s*)"[\w/]+"'), r'\1"tiny.toml"'),
    (re.compile(r'("(?:train\.)?(?:max|validate|checkpoint)_updates": )\d+'), rf"\g<1>{UPDATES}"),
    (re.compile(r'"(Postkarte|alte Dame|Greisin|Die Frau)"'), '"SUN"'),
)
LOADED = re.compile(r'"(runs/[\w-]+)(/[\w-]+\.safetensors)?"')
TRAINED = re.compile(r'run="(runs/[\w-]+)"')
EXPORTED = {"hf": "huggingface", "onnx": "onnx"}  # folders that a page has exported, and how
TEXTS = re.compile(r'"([\w-]+\.(?:en|de|src|tgt))"')


def test_pages_show_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(each, id=str(each.relative_to(ROOT)))
        for each in sorted({b.page for b in EXAMPLES})
    ],
)
def test_examples_run(
    page: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples of a page are run in order, as one program."""
    code = "\n".join(each.text for each in EXAMPLES if each.page == page)
    for pattern, replacement in REPLACED:
        code = pattern.sub(replacement, code)
    data = tmp_path / "data"
    data.mkdir()
    for each in (tmp_path, data):
        write_tiny_corpus(each)
    write_recipes(page, tmp_path, tiny_run)
    trained = {match[1] for match in TRAINED.finditer(code)}
    for match in [*LOADED.finditer(code), *LOADED.finditer('"runs/pocket"')]:
        run = tmp_path / match[1]
        if match[1] not in trained and not run.exists():
            shutil.copytree(tiny_run, run)
    for folder, to in EXPORTED.items():
        if f'"{folder}"' in code:
            export_model(tiny_run, tmp_path / folder, to)
    (tmp_path / "terms.tsv").write_text("sun\tMOON\n")
    (tmp_path / "page.html").write_text("<p>sun <b>moon</b></p>")
    for match in TEXTS.finditer(code):
        source = "dev.src" if match[1].endswith(("en", "src")) else "dev.tgt"
        if not (tmp_path / match[1]).exists():
            shutil.copy(tmp_path / source, tmp_path / match[1])
    monkeypatch.setenv("NMT_DATA_DIR", str(data))
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, str(page), "exec"), names)  # noqa: S102 (the manual's own code)
