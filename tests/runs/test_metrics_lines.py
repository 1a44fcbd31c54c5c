"""Lines of metrics.jsonl: which are read, and when a training ended."""

import json
from pathlib import Path

from nmt.runs.metrics_lines import finite, is_ended, read_metrics


def test_a_device_is_not_read() -> None:
    """Reading /dev/full would never end."""
    assert read_metrics(Path("/dev/full")) == []


def test_lines_without_update_or_kind_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    good = {"kind": "train", "update": 3, "loss": None}
    bad = ["[1e999]", "[" * 3000, '{"kind": 3, "update": 4}', '{"kind": "dev", "update": -1}', "1"]
    path.write_text("\n".join([*bad, json.dumps(good), "", '{"kind": "dev", "upd']))
    notes: list[str] = []
    assert read_metrics(path, notes.append) == [good]
    assert notes == [f"{path}: damaged lines left out: {len(bad) + 1}"]
    assert finite(10**400) is None


def test_a_training_has_ended_if_its_last_line_is_of_an_average() -> None:
    dev, average = ({"kind": kind, "update": 4} for kind in ("dev", "average"))
    assert not is_ended([])
    assert is_ended([dev, average])
    assert not is_ended([dev, average, {"kind": "train", "update": 6}])
