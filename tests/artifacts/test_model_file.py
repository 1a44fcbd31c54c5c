"""The model file: equal models have equal bytes, and its content is read back exactly."""

from pathlib import Path

import pytest
import torch

from nmt.artifacts.model_file import average, find_model, load_ensemble, read_model, save_model
from nmt.errors import NmtError
from nmt.recipe import load_recipe

RECIPE = load_recipe("pocket")


def test_the_content_is_read_back_and_equal_models_have_equal_bytes(tmp_path: Path) -> None:
    weights = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1.5])}
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    for path in (one, two):
        save_model(path, weights, b"tokenizer", RECIPE, [4, 8])
    assert one.read_bytes() == two.read_bytes()
    content = read_model(one)
    assert (content.tokenizer, content.recipe.model) == (b"tokenizer", RECIPE.model)
    assert content.updates == (4, 8)
    assert content.weights.keys() == weights.keys()
    assert all(torch.equal(content.weights[name], tensor) for name, tensor in weights.items())


def test_the_average_is_summed_in_float64(tmp_path: Path) -> None:
    """A sum in float32 would be wrong: 2^24 + 1 is rounded to 2^24."""
    paths = []
    for update, value in enumerate((2.0**24, 1.0, 1.0, 2.0)):
        paths.append(tmp_path / f"{update}.safetensors")
        save_model(paths[-1], {"a": torch.tensor([value])}, b"tokenizer", RECIPE, [update])
    mean = average(paths)
    assert mean.weights["a"].tolist() == [2.0**22 + 1]
    assert mean.updates == (0, 1, 2, 3)


def test_a_run_folder_names_its_model(tiny_run: Path, tmp_path: Path) -> None:
    model = tiny_run / "model.safetensors"
    assert find_model(tiny_run) == find_model(model) == model
    with pytest.raises(NmtError, match=r"nothing\.safetensors does not exist"):
        find_model(tmp_path / "nothing.safetensors")


def test_an_ensemble_has_each_model_once(tiny_run: Path) -> None:
    """A run folder and its model file are the same model."""
    with pytest.raises(NmtError, match="is named twice"):
        load_ensemble([tiny_run, tiny_run / "model.safetensors"], torch.device("cpu"))
