"""A trained model's story of one sentence, told once."""

from pathlib import Path

import pytest
import torch

from nmt.artifacts.model_file import TrainedModel, load_model
from nmt.studio.explain.story import Explanation, tell


@pytest.fixture(scope="session")
def model(skilled_run: Path) -> TrainedModel:
    """A small model that writes words; two heads, one layer a side."""
    return load_model(skilled_run, torch.device("cpu"))


@pytest.fixture(scope="session")
def story(model: TrainedModel) -> Explanation:
    """Of a sentence that it was trained on the like of."""
    return tell(model, "sun moon star rain", model.recipe.decode, print)
