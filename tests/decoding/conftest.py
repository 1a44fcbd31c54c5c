"""A model that translates words, and what two translations have in common."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from nmt.decoding.translator.translation import Translation
from nmt.runs.trained_model import TrainedModel, load_model


@pytest.fixture(scope="module")
def model(skilled_run: Path) -> TrainedModel:
    return load_model(skilled_run / "model.safetensors", "cpu")


def assert_alike(found: Sequence[Translation], expected: Sequence[Translation]) -> None:
    """Compare the n best of every segment, and every score to some 16 roundings of float32."""
    for one, other in zip(found, expected, strict=True):
        assert [candidate.text for candidate in one.candidates] == [
            candidate.text for candidate in other.candidates
        ]
        for name in ("score", "log_prob"):
            assert [getattr(candidate, name) for candidate in one.candidates] == pytest.approx(
                [getattr(candidate, name) for candidate in other.candidates], rel=2**-19, abs=2e-5
            )
