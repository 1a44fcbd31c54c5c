"""The texts and recipes of models that are trained on damaged and cleaned corpora."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from nmt.corpora.pairs import Refused, read_leniently
from nmt.recipe.files import load_recipe
from nmt.text.corpus import ParallelText
from tests.corpora.corpora import corpus, write


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script as a module."""
    return import_module("corpus_bleu")


def test_the_damaged_text_can_be_read_and_the_cleaned_one_is_shorter(
    script: ModuleType, tmp_path: Path
) -> None:
    pytest.importorskip("ftfy")
    (tmp_path / "multi30k").mkdir()
    pairs = [(source, f"{target} \u00e4") for source, target in corpus(600)]
    write(tmp_path / "multi30k", pairs, "train")
    trial = script.Trial(tmp_path, tmp_path / "work", 100, (1,))
    sizes = {}
    for variant in script.variants([5]):
        refused = Refused()
        sizes[variant.name] = len([*read_leniently(trial.text(variant), refused)])
        assert not refused.unreadable
    assert sizes["clean"] == 600
    assert sizes["damaged-5"] == 600 - 30  # without the lines that are not UTF-8
    # Three of the 13 faults are repaired. Each of the others removes 30 pairs, one more or less.
    assert abs(sizes["cleaned-5"] - (600 - 10 * 30)) <= 2


def test_the_schedule_is_shortened_in_proportion(script: ModuleType, tmp_path: Path) -> None:
    base = load_recipe(script.RECIPE)
    trial = script.Trial(tmp_path, tmp_path, base.train.max_updates // 4, (1,))
    text = ParallelText((tmp_path / "a.en", tmp_path / "a.de"), "x")
    recipe = load_recipe(str(trial.recipe(script.Variant("cleaned", 5), text)))
    assert recipe.data.train[0].names == tuple(map(str, text.paths))
    assert recipe.data.test == base.data.test
    assert recipe.train.warmup_updates == base.train.warmup_updates / 4
    assert recipe.train.checkpoint_updates == base.train.checkpoint_updates / 4
    assert recipe.train.learning_rate_scale == pytest.approx(base.train.learning_rate_scale / 2)


def test_what_is_not_measured_yet_is_written_so(script: ModuleType, tmp_path: Path) -> None:
    trial = script.Trial(tmp_path, tmp_path, 4000, (1, 2))
    script.save(tmp_path / "x.toml", trial, [script.Cell("clean", "test", 1.5, "BLEU")], [1])
    text = (tmp_path / "x.toml").read_text("utf-8")
    assert text.count("not measured") == 2
    assert "--share 1 --seed 1 --seed 2" in text
