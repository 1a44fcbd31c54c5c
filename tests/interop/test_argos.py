"""The package for Argos Translate: what is in it, and which models it refuses."""

import json
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.interop.argos import write
from nmt.recipe.settings import with_settings
from nmt.runs.trained_model import load_model
from nmt.text.tokenizer import Tokenizer
from tests.conftest import Run
from tests.interop.models import random_model, tokenizer_of

ctranslate2 = pytest.importorskip("ctranslate2")

NAME = "translate-en_de-1_0"


def test_content(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    """A zip file of one folder, as Argos Translate unpacks it; CTranslate2 loads its model."""
    path = tmp_path / "en_de.argosmodel"
    assert nmt("export", tiny_run, path, "--to", "argos", "--quantization", "int8").code == 0
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        package.extractall(tmp_path)
    folder = tmp_path / NAME
    assert {each.name for each in folder.iterdir()} == {
        *("metadata.json", "sentencepiece.model", "model"),
        *("README.md", "recipe.toml", "nmt-export.json"),
    }
    assert json.loads((folder / "metadata.json").read_text()) == {
        "package_version": "1.0",
        "argos_version": "1.9",
        "type": "translate",
        "from_code": "en",
        "from_name": "English",
        "to_code": "de",
        "to_name": "German",
    }
    tokenizer = tokenizer_of(tiny_run)
    assert (folder / "sentencepiece.model").read_bytes() == tokenizer.model
    assert "argospm install" in (folder / "README.md").read_text()
    engine = ctranslate2.Translator(str(folder / "model"))
    pieces = [tokenizer.source.piece(each) for each in tokenizer.source.encode(["sun moon"])[0]]
    (found,) = engine.translate_batch([pieces], beam_size=1)
    assert isinstance(found.hypotheses[0], list)


def test_equal_models_give_equal_packages(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.argosmodel", tmp_path / "two.argosmodel"
    for path in (one, two):
        assert nmt("export", tiny_run, path, "--to", "argos").code == 0
    assert one.read_bytes() == two.read_bytes()


def test_what_it_may_replace(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    """A package is recognised by its content; another model stays."""
    path, copy, other = (tmp_path / f"{name}.argosmodel" for name in ("one", "copy", "other"))
    assert nmt("export", tiny_run, path, "--to", "argos").code == 0
    shutil.copyfile(path, copy)
    for each in (path, copy):
        assert nmt("export", tiny_run, each, "--to", "argos").code == 0
    shutil.copyfile(tiny_run / "model.safetensors", other)
    before = other.read_bytes()
    result = nmt("export", tiny_run, other, "--to", "argos")
    assert result.code == 2
    assert "is a model that `nmt export` did not write" in result.err
    assert other.read_bytes() == before
    result = nmt("export", tiny_run, tmp_path, "--to", "argos")
    assert result.code == 2
    assert "is a folder; name a file" in result.err
    assert len(os.listdir(tmp_path)) == 3


def test_models_that_it_refuses(tiny_run: Path, right_to_left_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.argosmodel"
    with pytest.raises(NmtError, match=r"model\.target_order=right_to_left"):
        write(load_model(right_to_left_run, "cpu"), path, "")
    tokenizer = tokenizer_of(tiny_run)
    pair = Tokenizer.from_two(tokenizer.source, tokenizer.target)
    with pytest.raises(NmtError, match=r"tokenizer\.joint=false"):
        write(random_model(pair, {"model.tied": "target"}), path, "")
    model = random_model(tokenizer, {})
    model = replace(model, recipe=with_settings(model.recipe, {"data.target_language": "xx"}))
    with pytest.raises(NmtError, match=r"data\.target_language is 'xx'"):
        write(model, path, "")
    assert not path.exists()
