"""A trained model, and its explanation of one sentence."""

from pathlib import Path

import pytest

from nmt.runs.trained_model import TrainedModel, load_model
from nmt.studio.explain.explanation import Explanation, explain


@pytest.fixture(scope="session")
def model(skilled_run: Path) -> TrainedModel:
    """A small model that writes words; it has two heads and one layer in each stack."""
    return load_model(skilled_run, "cpu")


@pytest.fixture(scope="session")
def explanation(model: TrainedModel) -> Explanation:
    """The explanation of a sentence that resembles the training data."""
    return explain(model, "sun moon star rain", model.recipe.decode)
