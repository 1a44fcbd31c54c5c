"""What tests of training read of a run."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt.artifacts.model_file import read_model


def weights(path: Path) -> dict[str, Tensor]:
    """A model file's weights."""
    return read_model(path).weights


def assert_same(one: Path, other: Path) -> None:
    """Two model files hold the same weights, bit for bit."""
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
