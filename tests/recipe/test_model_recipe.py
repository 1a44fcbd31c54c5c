"""A recipe may extend a model file, which holds the recipe that it was trained with."""

from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from nmt.errors import NmtError
from nmt.recipe import load_recipe


def write_model(path: Path, recipe: str) -> Path:
    save_file({"x": numpy.zeros(1, numpy.float32)}, path, {"recipe": recipe})
    return path


def test_the_recipe_inside_a_model_is_extended(tiny_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'extends = "{tiny_run / "model.safetensors"}"\n[train]\nmax_updates = 7\n')
    found, base = load_recipe(str(path)), load_recipe(str(tiny_run / "recipe.toml"))
    assert (found.model, found.tokenizer, found.data) == (base.model, base.tokenizer, base.data)
    assert (found.name, found.train.max_updates) == ("mine", 7)


def test_the_model_that_a_model_started_from_is_not_taken_over(tmp_path: Path) -> None:
    write_model(tmp_path / "m.safetensors", '[train]\ninit_from = "old.safetensors"\nseed = 5\n')
    (tmp_path / "a.toml").write_text('extends = "m.safetensors"\n')
    train = load_recipe(str(tmp_path / "a.toml")).train
    assert (train.init_from, train.seed) == ("", 5)


@pytest.mark.parametrize(
    ("recipe", "fact"),
    [
        ("[model", "the recipe inside {path} is not valid TOML"),
        ('extends = "b.toml"', "the recipe inside {path} extends another"),
        ("[train]\nsed = 1\n", "unknown"),
    ],
    ids=["syntax", "extends", "unknown"],
)
def test_a_bad_recipe_inside_a_model_is_named(tmp_path: Path, recipe: str, fact: str) -> None:
    path = write_model(tmp_path / "m.safetensors", recipe)
    (tmp_path / "a.toml").write_text('extends = "m.safetensors"\n')
    (tmp_path / "b.toml").write_text("[train]\nseed = 1\n")
    with pytest.raises(NmtError) as raised:
        load_recipe(str(tmp_path / "a.toml"))
    assert fact.format(path=path) in str(raised.value)


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (None, "a.toml extends 'm.safetensors', but {path} does not exist"),
        (b"", "{path} is not an intact model file"),
        (b"[train]\nseed = 1\n", "{path} is not an intact model file"),
    ],
    ids=["absent", "empty", "text"],
)
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes | None, fact: str) -> None:
    path = tmp_path / "m.safetensors"
    if content is not None:
        path.write_bytes(content)
    (tmp_path / "a.toml").write_text('extends = "m.safetensors"\n')
    with pytest.raises(NmtError) as raised:
        load_recipe(str(tmp_path / "a.toml"))
    assert fact.format(path=path) in str(raised.value)


def test_the_model_of_another_program_is_named(tmp_path: Path) -> None:
    save_file({"x": numpy.zeros(1, numpy.float32)}, tmp_path / "m.safetensors")
    (tmp_path / "a.toml").write_text('extends = "m.safetensors"\n')
    with pytest.raises(
        NmtError, match="is not a model of this program, because it holds no recipe"
    ):
        load_recipe(str(tmp_path / "a.toml"))
