"""The package for Argos Translate: what is in it, and which models it refuses."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.config import TextFiles
from nmt.errors import NmtError
from nmt.interop.argos_export import write
from nmt.recipe.settings import with_settings
from nmt.text.subwords.tokenizer import Tokenizer
from tests.conftest import Run
from tests.interop.models import random_model, two_languages

ctranslate2 = pytest.importorskip("ctranslate2")


def test_content(nmt: Run, tiny_run: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    """A zip file of one folder, as Argos Translate unpacks it; CTranslate2 loads its model."""
    path = tmp_path / "en_de.argosmodel"
    assert nmt("export", tiny_run, path, "--to", "argos", "--quantization", "int8").code == 0
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        package.extractall(tmp_path)
    folder = tmp_path / "translate-en_de-1_0"
    assert {file.name for file in folder.iterdir()} == {
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
    assert (folder / "sentencepiece.model").read_bytes() == tokenizer.model
    assert "argospm install" in (folder / "README.md").read_text()
    engine = ctranslate2.Translator(str(folder / "model"))
    pieces = [tokenizer.source.piece(token) for token in tokenizer.source.encode(["sun moon"])[0]]
    (found,) = engine.translate_batch([pieces], beam_size=1)
    assert isinstance(found.hypotheses[0], list)


def test_equal_packages_that_it_may_replace(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    """A package is recognised by its content; another model stays."""
    path, copy, other = (tmp_path / f"{name}.argosmodel" for name in ("one", "copy", "other"))
    assert nmt("export", tiny_run, path, "--to", "argos").code == 0
    before = path.read_bytes()
    shutil.copyfile(path, copy)
    for package in (path, copy):
        assert nmt("export", tiny_run, package, "--to", "argos").code == 0
        assert package.read_bytes() == before
    shutil.copyfile(tiny_run / "model.safetensors", other)
    before = other.read_bytes()
    for output, reason in (
        (other, "is a model that `nmt export` did not write"),
        (tmp_path, "is a folder; name a file"),
    ):
        result = nmt("export", tiny_run, output, "--to", "argos")
        assert (result.code, reason in result.err) == (2, True)
    assert other.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {path.name, copy.name, other.name}


def test_models_that_it_refuses(tokenizer: Tokenizer, tmp_path: Path) -> None:
    pair = Tokenizer.from_two(tokenizer.source, tokenizer.target)
    model, backwards = random_model(tokenizer, {}), {"model.target_order": "right_to_left"}
    foreign = replace(model, recipe=with_settings(model.recipe, {"data.target_language": "xx"}))
    for refused, reason in (
        (random_model(tokenizer, backwards), r"model\.target_order=right_to_left"),
        (random_model(pair, {"model.tied": "target"}), r"tokenizer\.joint=false"),
        (two_languages(), "which of its languages"),
        (foreign, r"data\.target_language is 'xx'"),
    ):
        with pytest.raises(NmtError, match=reason):
            write(refused, tmp_path / "x.argosmodel", "")
    assert [*tmp_path.iterdir()] == []


def test_the_texts_of_a_model_state_its_languages(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = random_model(tokenizer, {})
    texts = (TextFiles("a", "b", source_language="nl", target_language="fr"),)
    recipe = replace(model.recipe, data=replace(model.recipe.data, train=texts))
    write(replace(model, recipe=recipe), tmp_path, "")
    stated = json.loads((tmp_path / "metadata.json").read_text())
    assert (stated["from_name"], stated["to_name"]) == ("Dutch", "French")
