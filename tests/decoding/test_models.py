"""Models to translate with: by path, the newest, and changes of their search settings."""

from pathlib import Path

import pytest

from nmt.config import Recipe
from nmt.decoding.translator.load import decode_settings, load_models
from nmt.errors import NmtError, UsageError


def test_the_names_of_the_models_are_printed(tiny_run: Path, skilled_run: Path) -> None:
    notes: list[str] = []
    model, _ = load_models([tiny_run, skilled_run], "cpu", notes.append)
    assert [each.path.parent for each in (model, *model.ensemble)] == [tiny_run, skilled_run]
    (note,) = notes
    assert note.startswith("ensemble: ")
    assert str(model.path) in note


def test_the_default_is_the_newest_model(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_run.parent.parent)
    model, settings = load_models([], "cpu", lambda text: None)
    assert settings == model.recipe.decode
    assert model.path == Path("runs/tiny/model.safetensors")


def test_without_a_model_the_error_names_the_folder() -> None:
    with pytest.raises(NmtError, match="runs/"):
        load_models([], "cpu", lambda text: None)


def test_decode_settings_are_the_recipes_with_changes() -> None:
    recipe = Recipe("x")
    assert decode_settings(recipe) == recipe.decode
    changed = decode_settings(recipe, ["decode.beam_size=7", "decode.beam_size = 8"])
    assert (changed.beam_size, changed.length_penalty) == (8, recipe.decode.length_penalty)


@pytest.mark.parametrize("override", ["model.heads=2", "train.seed=3", "decode.beam=3"])
def test_only_decode_settings_can_be_changed(override: str) -> None:
    with pytest.raises(UsageError, match=override.partition("=")[0]):
        decode_settings(Recipe("x"), [override])


def test_a_bad_setting_is_an_error_before_any_note(tiny_run: Path) -> None:
    notes: list[str] = []
    with pytest.raises(UsageError, match=r"train\.seed"):
        load_models([tiny_run], "cpu", notes.append, ["train.seed=3"])
    assert notes == []
