"""The header of a model file is checked before tensors are loaded and a network is made."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nmt.errors import DamagedError
from nmt.recipe.size import count_parameters
from nmt.runs.model_header import open_model
from tests.conftest import Run


def with_recipe(source: Path, to: Path, change: Callable[[str], str]) -> Path:
    """Write a copy of a model file with another recipe; return its path."""
    with safe_open(source, "pt") as file:
        metadata = dict(file.metadata())
    metadata["recipe"] = change(metadata["recipe"])
    save_file(load_file(source), to, metadata)
    return to


def deeper(text: str) -> str:
    """Return a recipe with as many layers as a recipe may have."""
    return text.replace("encoder_layers = 1", "encoder_layers = 100")


def wider(text: str) -> str:
    """Return a recipe whose network would take a gigabyte."""
    return deeper(text).replace("d_ff = 32", "d_ff = 60000").replace("d_v = 8", "d_v = 4000")


def test_the_header_says_what_a_model_holds(tiny_run: Path) -> None:
    with open_model(tiny_run / "model.safetensors", "np") as model:
        header = model.header
        assert header.updates == (8, 12)
        assert header.vocab_size == 40
        assert header.parameters == count_parameters(header.recipe.model, 40)


@pytest.mark.parametrize("change", [deeper, wider])
@pytest.mark.parametrize("command", ["translate", "evaluate", "inspect", "explain", "train"])
def test_no_network_is_made_of_a_recipe_that_the_weights_do_not_fit(
    nmt: Run,
    tiny_run: Path,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    change: Callable[[str], str],
) -> None:
    """Such a network takes any amount of memory."""
    model = with_recipe(tiny_run / "model.safetensors", Path("m.safetensors"), change)

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a network is made, or a tensor is loaded")

    monkeypatch.setattr("nmt.model.transformer.Transformer.__init__", refuse)
    shutil.copy("dev.src", "in")
    arguments: dict[str, list[object]] = {
        "translate": ["in", "--model", model],
        "evaluate": ["in", "dev.tgt", "--model", model],
        "inspect": [model],
        "explain": ["sun", "--model", model],
        "train": [tiny, "--init-from", model],
    }
    result = nmt(command, *arguments[command])
    assert (result.code, result.out) == (1, "")
    assert re.search(
        r"do not fit its recipe: '\w+[.\w]*' (is .* instead of|is missing|does not belong)",
        result.err,
    )
    assert result.err.count("\n") == 1


def test_a_header_is_refused_before_a_tensor_is_loaded(tiny_run: Path, tmp_path: Path) -> None:
    model = with_recipe(tiny_run / "model.safetensors", tmp_path / "m.safetensors", wider)
    with pytest.raises(DamagedError, match="do not fit its recipe"), open_model(model, "pt"):
        raise AssertionError("the file is opened")
