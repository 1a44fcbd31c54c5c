"""A trained model's story of one sentence, told once."""

from pathlib import Path

import pytest
import torch

from nmt.checkpoint import TrainedModel, load_model
from nmt.explain.story import Story, tell


@pytest.fixture(scope="session")
def model(skilled_run: Path) -> TrainedModel:
    """A small model that writes words; two heads, one layer a side."""
    return load_model(skilled_run, torch.device("cpu"))


@pytest.fixture(scope="session")
def story(model: TrainedModel) -> Story:
    """Of a sentence that it was trained on the like of."""
    return tell(model, "sun moon star rain", model.recipe.decode, print)
