"""Settings that were removed: ignored at their defaults and where nothing trains, else refused."""

import re
from pathlib import Path

import pytest

from nmt.corpora.presets import CorpusFacts, fine_tuning_settings, read_start_model
from nmt.errors import NmtError, UsageError
from nmt.recipe.files import load_recipe, parse_recipe
from nmt.recipe.toml import REMOVED, to_toml, was_written
from nmt.runs.model_file import write_metadata
from nmt.runs.run_folder import RunFolder
from tests.conftest import Run

DEFAULTS = "".join(f"{name[6:]} = 0.0\n" for name in REMOVED if name.startswith("train."))
USED = DEFAULTS.replace("typos = 0.0", "typos = 0.1")
REASON = "it cost 0.6 to 2.0 BLEU, and decoding places tags instead; leave it out"


def old_recipe(text: str, values: str) -> str:
    """Return a recipe as an older version wrote it."""
    assert "\ninit_from = " in text
    return text.replace("\ninit_from = ", f"\n{values}init_from = ")


def add_to_recipe(path: Path, values: str) -> None:
    path.write_text(old_recipe(path.read_text("utf-8"), values), "utf-8")


def test_a_default_is_ignored_in_every_recipe(tmp_path: Path) -> None:
    recipe = load_recipe("pocket")
    text = old_recipe(to_toml(recipe), DEFAULTS)
    assert parse_recipe(text, "x", "a run", will_train=True) == recipe
    assert parse_recipe(text, "x", "a model") == recipe
    (tmp_path / "old.toml").write_text(text)
    assert load_recipe(str(tmp_path / "old.toml")) == recipe
    assert was_written(text, recipe)
    assert not was_written(f"{text}\n", recipe)


def test_another_value_is_for_no_training(tmp_path: Path) -> None:
    recipe = load_recipe("pocket")
    text = old_recipe(to_toml(recipe), USED)
    assert parse_recipe(text, "x", "a model") == recipe
    (tmp_path / "old.toml").write_text(text)
    message = rf"old\.toml: train\.augment_typos was removed: {REASON}, and train in a new run"
    with pytest.raises(NmtError, match=message):
        load_recipe(str(tmp_path / "old.toml"))
    with pytest.raises(NmtError, match=r"a run: train\.augment_typos was removed"):
        parse_recipe(text, "x", "a run", will_train=True)
    for name, removed in REMOVED.items():
        fix = re.escape(f"{removed.reason}; leave it out")
        with pytest.raises(UsageError, match=rf"{name} was removed: {fix}$"):
            load_recipe("pocket", [f"{name}=0"])


def test_a_model_of_such_a_training_is_extended(run: RunFolder) -> None:
    """That it translates, the tests of old files show."""
    text = old_recipe(to_toml(run.load_recipe()), USED)
    write_metadata(run.model, "recipe", text)
    Path("next.toml").write_text(f'extends = "{run.model}"\n')
    assert load_recipe("next.toml").train.seed == run.load_recipe().train.seed
    notes = fine_tuning_settings(CorpusFacts(9, 9, 9, 9, 9, 9), read_start_model(run.model)).notes
    assert notes[1:] == (
        "The model was trained with train.augment_typos, which was removed and has no effect here.",
    )


def test_a_prepared_run_of_an_older_version_takes_other_settings(nmt: Run, tiny: Path) -> None:
    """Its recipe was written by nmt, so that it is replaced."""
    assert nmt("prepare", tiny, "--run", "old").code == 0
    add_to_recipe(Path("old/recipe.toml"), DEFAULTS)
    again = nmt("prepare", tiny, "--run", "old", "--set", "train.label_smoothing=0.2")
    assert again.code == 0, again.err
    assert "augment" not in Path("old/recipe.toml").read_text()
