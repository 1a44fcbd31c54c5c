"""`nmt export`: what it writes, what it replaces and what it refuses."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from nmt.recipe.settings import with_settings
from nmt.runs.model_file import ModelFile, read_model, save_model
from nmt.runs.outputs import FILE_LIST
from tests.conftest import Run

pytest.importorskip("ctranslate2")


def changed(run: Path, folder: Path, settings: Mapping[str, object], nan: str = "") -> Path:
    """Write a copy of a model with other settings, and with a weight of NaN."""
    content = read_model(run)
    weights = dict(content.weights)
    if nan:
        weights[nan] = weights[nan] * float("nan")
    path = folder / "model.safetensors"
    recipe = with_settings(content.recipe, settings)
    save_model(path, ModelFile(weights, content.tokenizer, recipe, content.updates))
    return path


@pytest.mark.parametrize(
    ("to", "files"),
    [
        ("ctranslate2", "model.bin config.json shared_vocabulary.json tokenizer.model recipe.toml"),
        (
            "huggingface",
            "model.safetensors config.json generation_config.json tokenizer_config.json source.spm"
            " target.spm vocab.json",
        ),
        (
            "onnx",
            "encoder.onnx decoder.onnx weights.bin settings.json source.spm target.spm vocab.json",
        ),
    ],
)
def test_equal_models_give_equal_folders_with_a_card(
    to: str, files: str, nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    found = []
    for name in ("one", "two", "one"):  # it replaces what it wrote
        folder = tmp_path / name
        result = nmt("export", tiny_run, folder, "--to", to, "--license", "cc0-1.0")
        assert (result.code, result.out) == (0, "")
        assert result.err == f"{folder}: {tiny_run} for {to}\n"
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert found[0] == found[1] == found[2]
    assert found[0].keys() == {*files.split(), "README.md", FILE_LIST}
    assert b'license: "cc0-1.0"' in found[0]["README.md"]


def test_what_is_in_the_way_stays(nmt: Run, tiny_run: Path) -> None:
    for output in (tiny_run, tiny_run / "model.safetensors"):
        result = nmt("export", tiny_run, output, "--to", "ctranslate2")
        assert (result.code, "OUTPUT" in result.err) == (2, True)


@pytest.mark.parametrize("to", ["ctranslate2", "onnx"])
def test_a_model_that_diverged_is_not_exported(
    nmt: Run, tiny_run: Path, tmp_path: Path, to: str
) -> None:
    """Quantised, NaN would become a plausible number."""
    name = "encoder.0.feed_forward.inner.weight"
    model = changed(tiny_run, tmp_path, {}, nan=name)
    result = nmt("export", model, tmp_path / "out", "--to", to)
    assert (result.code, f"{name} has numbers that are not finite" in result.err) == (1, True)
    assert [*tmp_path.iterdir()] == [model]


def test_a_refused_or_missing_model_leaves_nothing(
    nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    """The message names no option that the command lacks."""
    model = changed(tiny_run, tmp_path, {"model.target_order": "right_to_left"})
    for path, reason in ((model, "model.target_order=right_to_left"), (Path("no"), "no does not")):
        result = nmt("export", path, tmp_path / "out", "--to", "huggingface")
        assert (result.code, reason in result.err) == (1, True)
        assert "--model" not in result.err
        assert [*tmp_path.iterdir()] == [model]


def test_a_published_model_names_no_folder_of_its_author(
    nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    """Its card names only the downloads that were used."""
    text = {"source": str(tmp_path / "secret" / "a.en"), "target": "b.de"}
    changes = {"data.train": [text], "data.dev": [text], "data.test": {"own": text}}
    downloads = [{"url": f"https://example.com/{name}", "to": name} for name in ("b.de", "other")]
    changes |= {"data.downloads": downloads, "train.init_from": str(tmp_path / "old")}
    folder = tmp_path / "out"
    options = ["--to", "ctranslate2", "--quantization", "int8"]
    assert nmt("export", changed(tiny_run, tmp_path, changes), folder, *options).code == 0
    card, found = ((folder / name).read_text() for name in ("README.md", "recipe.toml"))
    assert "`a.en + b.de`" in card
    assert "quantised to `int8`" in card
    assert "\n- `https://example.com/b.de`\n" in card
    assert "- `https://example.com/other`" not in card
    assert str(tmp_path) not in card + found


@pytest.mark.parametrize("weights", ["int8", "float32"])
def test_a_published_model_file_names_its_text_and_its_licence(
    nmt: Run, tiny_run: Path, tmp_path: Path, weights: str
) -> None:
    """It names no folder of its author; its licence is that of what is made of it."""
    text = {"source": str(tmp_path / "secret" / "a.en"), "target": "b.de"}
    download = {"url": "https://example.com/b.de", "to": "b.de"}
    model = changed(tiny_run, tmp_path, {"data.train": [text], "data.downloads": [download]})
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    assert nmt("export", model, one, "--weights", weights, "--license", "cc-by-2.0").code == 0
    assert nmt("export", one, two, "--weights", weights).code == 0
    assert one.read_bytes() == two.read_bytes()
    assert str(tmp_path).encode() not in one.read_bytes()
    lines = ["training text: a.en + b.de", "from https://example.com/b.de", "licence: 'cc-by-2.0'"]
    assert nmt("inspect", one).out.splitlines()[1:4] == lines
    assert nmt("export", one, tmp_path / "out", "--to", "ctranslate2").code == 0
    assert 'license: "cc-by-2.0"' in (tmp_path / "out" / "README.md").read_text()
