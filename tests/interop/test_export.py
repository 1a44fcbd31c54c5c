"""`nmt export`: what it writes, what it replaces and what it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.commands import export as export_command
from nmt.interop import export
from nmt.recipe.settings import with_settings
from nmt.runs.model_file import read_model, save_model
from nmt.runs.outputs import FILE_LIST
from tests.conftest import Run

pytest.importorskip("ctranslate2")


def test_the_command_offers_what_there_is() -> None:
    assert {*export_command.FORMATS} == {*export.FORMATS}
    known = {each for one in export.FORMATS.values() for each in one.quantizations}
    assert {*export_command.QUANTIZATIONS} == known


def test_equal_models_give_equal_folders(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        result = nmt("export", tiny_run, folder, "--to", "ctranslate2")
        assert (result.code, result.out) == (0, "")
        assert result.err == f"{folder}: {tiny_run} for ctranslate2\n"
    one, two = ({each.name: each.read_bytes() for each in path.iterdir()} for path in folders)
    assert one == two
    assert one.keys() == {
        *("model.bin", "config.json", "shared_vocabulary.json"),
        *("tokenizer.model", "recipe.toml", "README.md", FILE_LIST),
    }
    assert nmt("export", tiny_run, folders[0], "--to", "ctranslate2").code == 0


def test_what_is_in_the_way_stays(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes").write_text("mine")
    result = nmt("export", tiny_run, folder, "--to", "ctranslate2")
    assert result.code == 2
    assert "holds files that `nmt export` did not write" in result.err
    result = nmt("export", tiny_run, tiny_run, "--to", "ctranslate2")
    assert result.code == 2
    assert [each.name for each in folder.iterdir()] == ["notes"]


def test_the_current_folder_is_filled(
    nmt: Run, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for _ in range(2):
        assert nmt("export", tiny_run, ".", "--to", "ctranslate2").code == 0
        assert {"model.bin", FILE_LIST} < {each.name for each in Path().iterdir()}
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_a_missing_model_leaves_nothing(nmt: Run, tmp_path: Path) -> None:
    result = nmt("export", tmp_path / "none", tmp_path / "out", "--to", "ctranslate2")
    assert result.code == 1
    assert "does not exist" in result.err
    assert [*tmp_path.iterdir()] == []


def test_a_folder_has_a_card_with_the_licence(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    options = ["--to", "huggingface", "--license", "cc0-1.0"]
    assert nmt("export", tiny_run, folder, *options).code == 0
    assert 'license: "cc0-1.0"' in (folder / "README.md").read_text(encoding="utf-8")
    assert {each.name for each in folder.iterdir()} == {
        *("README.md", "model.safetensors", "config.json", "generation_config.json"),
        *("source.spm", "target.spm", "vocab.json", "tokenizer_config.json", FILE_LIST),
    }


@pytest.mark.parametrize("to", ["ctranslate2", "onnx"])
def test_a_model_that_diverged_is_not_exported(
    nmt: Run, tiny_run: Path, tmp_path: Path, to: str
) -> None:
    """Quantised, NaN would become a plausible number."""
    content = read_model(tiny_run)
    name = "encoder.0.feed_forward.inner.weight"
    weights = {**content.weights, name: content.weights[name] * float("nan")}
    model = tmp_path / "model.safetensors"
    save_model(model, weights, content.tokenizer, content.recipe, content.updates)
    result = nmt("export", model, tmp_path / "out", "--to", to)
    assert (result.code, f"{name} has numbers that are not finite" in result.err) == (1, True)
    assert [*tmp_path.iterdir()] == [model]


def test_an_exported_model_names_no_folder_of_its_author(
    nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    content = read_model(tiny_run)
    text = {"source": str(tmp_path / "secret" / "a.en"), "target": "b.de"}
    changes = {"data.train": [text], "data.dev": [text], "data.test": {"own": text}}
    recipe = with_settings(content.recipe, {**changes, "train.init_from": str(tmp_path / "old")})
    model, folder = tmp_path / "model.safetensors", tmp_path / "out"
    save_model(model, content.weights, content.tokenizer, recipe, content.updates)
    options = ["--to", "ctranslate2", "--quantization", "int8"]
    assert nmt("export", model, folder, *options).code == 0
    card, found = ((folder / name).read_text() for name in ("README.md", "recipe.toml"))
    assert "`a.en + b.de`" in card
    assert "quantised to `int8`" in card
    assert str(tmp_path) not in card + found


def test_a_card_names_only_the_downloads_that_were_used(
    nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    content = read_model(tiny_run)
    used = content.recipe.data.train[0].source
    downloads = [{"url": f"https://example.com/{each}", "to": each} for each in (used, "other.gz")]
    recipe = with_settings(content.recipe, {"data.downloads": downloads})
    model, folder = tmp_path / "model.safetensors", tmp_path / "out"
    save_model(model, content.weights, content.tokenizer, recipe, content.updates)
    assert nmt("export", model, folder, "--to", "onnx").code == 0
    lines = (folder / "README.md").read_text().splitlines()
    assert [each for each in lines if each.startswith("- `https")] == [
        f"- `https://example.com/{used}`"
    ]


def test_the_message_names_no_option_that_the_command_lacks(
    nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    assert nmt("export", tiny_run, folder, "--to", "ctranslate2").code == 0
    for model in (folder, tmp_path / "none"):
        result = nmt("export", model, tmp_path / "new", "--to", "onnx")
        assert (result.code, "--model" in result.err, "--engine" in result.err) == (1, False, False)


def test_a_refused_model_leaves_nothing(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    content = read_model(tiny_run)
    recipe = with_settings(content.recipe, {"model.target_order": "right_to_left"})
    model = tmp_path / "model.safetensors"
    save_model(model, content.weights, content.tokenizer, recipe, content.updates)
    result = nmt("export", model, tmp_path / "out", "--to", "huggingface")
    assert result.code == 1
    assert "model.target_order=right_to_left" in result.err
    assert [*tmp_path.iterdir()] == [model]


def test_what_a_killed_export_left_is_removed(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    """What a running one writes stays, and so does a folder that each file system has."""
    folder = tmp_path / "out"
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], check=True, stdout=subprocess.PIPE
    )
    left, written = (
        folder / f".out.{each}.0123abcd.partial" for each in (int(ended.stdout), os.getppid())
    )
    for each in (left, written, folder / "lost+found"):
        each.mkdir(parents=True)
    (left / "model.bin").write_text("half")
    for _ in range(2):
        assert nmt("export", tiny_run, folder, "--to", "ctranslate2").code == 0
    assert not left.exists()
    assert written.exists()
    assert (folder / "lost+found").exists()
