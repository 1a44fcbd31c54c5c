"""Settings of a training that starts from a trained model."""

import math
from pathlib import Path

import pytest

from nmt.corpora.fine_tuning import TrainedModel, fine_tuning_settings
from nmt.corpora.presets import CorpusFacts
from nmt.recipe.files import load_recipe
from nmt.recipe.settings import get_setting


def facts(pairs: int) -> CorpusFacts:
    """Return a corpus of pairs with ten words a side."""
    return CorpusFacts(pairs, 10 * pairs, 60 * pairs, 60, 60, pairs)


@pytest.mark.parametrize("pairs", [1, 100, 10_000, 1_000_000, 100_000_000])
@pytest.mark.parametrize(("base", "width"), [("pocket", 128), ("wmt14_en_de_base", 512)])
def test_training_is_short_and_its_learning_rate_small(pairs: int, base: str, width: int) -> None:
    model = TrainedModel(Path("old.safetensors"), load_recipe(base))
    chosen = fine_tuning_settings(facts(pairs), model)
    scale, warmup = (
        chosen.value(f"train.{name}") for name in ("learning_rate_scale", "warmup_updates")
    )
    assert scale / math.sqrt(width * warmup) == pytest.approx(0.05 / width, rel=0.01)
    updates = chosen.value("train.max_updates")
    assert 280 <= updates <= 14_000
    assert warmup < updates / 5
    assert updates % chosen.value("train.checkpoint_updates") == 0
    assert 500 <= chosen.value("train.batch_source_tokens") <= 4000


@pytest.mark.parametrize(
    ("model", "output", "link"),
    [
        ("m.safetensors", "a.toml", "m.safetensors"),
        ("m.safetensors", "sub/a.toml", "../m.safetensors"),
        ("sub/m.safetensors", "sub/a.toml", "m.safetensors"),
        ("/models/m.safetensors", "sub/a.toml", "/models/m.safetensors"),
    ],
)
def test_a_recipe_names_the_model_from_its_own_folder(model: str, output: str, link: str) -> None:
    assert TrainedModel(Path(model), load_recipe("pocket")).link(Path(output)) == link


def test_every_choice_is_a_setting() -> None:
    recipe = load_recipe("pocket")
    for each in fine_tuning_settings(facts(50), TrainedModel(Path("m"), recipe)).choices:
        get_setting(recipe, each.name)
