"""The trial of a recipe: what it measures, that it leaves nothing behind, how it ends."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nmt.config import DataSettings, Recipe, TokenizerSettings
from nmt.corpora import advice
from nmt.corpora.advice import TrialText, encoded, forecast
from nmt.corpora.pairs import learn_from
from nmt.errors import NmtError
from nmt.recipe.files import load_recipe
from nmt.recipe.settings import with_settings
from nmt.text.reading.corpus import Pair
from nmt.training import memory_probe
from nmt.training.updates import Updater
from tests.corpora.corpora import as_pairs, corpus

CPU = torch.device("cpu")


@pytest.fixture
def recipe(tiny: Path) -> Recipe:
    return load_recipe(str(tiny))


@pytest.fixture
def text(tiny: Path) -> TrialText:
    def pairs(name: str) -> list[Pair]:
        sides = [(tiny.parent / f"{name}.{end}").read_text().split("\n") for end in ("src", "tgt")]
        return [Pair(*pair) for pair in zip(*sides, strict=True) if pair[0]]

    return TrialText(pairs("train"), pairs("dev"), 100)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "MOST_UPDATES", 4)
    monkeypatch.setattr(advice, "WARM_UP_SECONDS", 0.0)


def test_the_time_is_that_of_all_updates_and_validations_and_nothing_is_left(
    recipe: Recipe, text: TrialText, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    state = torch.random.get_rng_state()
    found = forecast(recipe, text, CPU)
    assert (found.measured_updates, found.updates) == (4, 12)
    assert found.validations == 3  # after 6 and 12 updates, and of the average
    validations = found.validations * found.seconds_per_validation
    assert found.seconds == pytest.approx(12 * found.seconds_per_update + validations)
    assert found.seconds_per_update > 0
    assert 0 < found.processor_share <= 1
    assert found.precision == "float32"  # the recipe's
    assert found.device.startswith("CPU, ")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert torch.equal(torch.random.get_rng_state(), state)


def test_too_little_memory_is_an_error(
    recipe: Recipe, text: TrialText, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_probe, "available_bytes", lambda: 1000)
    with pytest.raises(NmtError, match=r"need 0\.0 GB of memory, but 0\.0 GB are available"):
        forecast(recipe, text, CPU)


def test_no_pair_within_the_limits_is_an_error(recipe: Recipe, text: TrialText) -> None:
    short = with_settings(recipe, {"data.max_length": 1})
    long = [Pair("sun moon", "MOON SUN")] * 50
    with pytest.raises(NmtError, match="no pair of the sample is left"):
        forecast(short, replace(text, pairs=long), CPU)


def test_pairs_are_encoded_in_memory_as_a_training_reads_them() -> None:
    pairs = as_pairs([*corpus(30), ("one", " ".join(["word"] * 300))])  # the last is too long
    tokenizer = learn_from(pairs, TokenizerSettings(vocab_size=60))
    shard = encoded(pairs, tokenizer, DataSettings(max_length=200))
    assert len(shard) == 30
    assert shard.lines.tolist() == list(range(1, 31))
    start, end = shard.offsets[:2]
    assert shard.ids[start:end].tolist() == tokenizer.source.encode([pairs[0][0]])[0]


def test_ctrl_c_ends_the_trial_and_its_threads(
    recipe: Recipe, text: TrialText, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Updater, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        forecast(recipe, text, CPU)
    assert "loader" not in {thread.name for thread in threading.enumerate()}
