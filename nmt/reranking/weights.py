"""The weights of features, and the file that holds them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nmt.errors import NmtError
from nmt.system.atomic import write_text
from nmt.system.files import read_bytes
from nmt.system.json_data import json_text, parse_json

VERSION = 1
MOST_BYTES = 1_000_000  # of a file


@dataclass(frozen=True)
class WeightsFile:
    """The content of a weights file; a file that was written by hand needs the first two only."""

    rerank_weights: int  # version of the format
    weights: dict[str, float]  # by the names of features
    models: dict[str, str] = field(default_factory=dict)  # by the names of their features
    metric: str = ""
    signature: str = ""  # sacreBLEU's
    segments: int = 0  # of the dev set
    seed: int = 0
    # Scores of the dev set: first candidates, choice by equal and by tuned weights, best choice.
    first: float = 0.0
    equal: float = 0.0
    tuned: float = 0.0
    oracle: float = 0.0


def read_weights(path: Path, features: Sequence[str]) -> list[float]:
    """Return the weight of each feature; raises NmtError if a file has other names."""
    content = read_bytes(path, "the weights file", "`nmt rerank --tune` makes it", MOST_BYTES)
    found = parse_json(content, WeightsFile, str(path))
    if found.rerank_weights != VERSION:
        raise NmtError(
            f"{path} has version {found.rerank_weights} of the weights' format, this program reads"
            f" {VERSION}; tune again"
        )
    if {*found.weights} != {*features}:
        raise NmtError(
            f"{path} has weights for {', '.join(found.weights) or 'nothing'}, but the features are"
            f" {', '.join(features)}; name the same kinds of models as for tuning"
        )
    return [found.weights[name] for name in features]


def write_weights(path: Path, content: WeightsFile) -> None:
    """Write a weights file."""
    write_text(path, json_text(content, indent=2) + "\n")
