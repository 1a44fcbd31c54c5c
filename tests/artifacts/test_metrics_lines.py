"""Lines of metrics.jsonl: which are read, which validation is the best, when a training ended."""

import json
from pathlib import Path
from typing import Any

from nmt.artifacts.metrics_lines import best_validation, finite, is_ended, read_metrics


def dev(update: int, bleu: Any, loss: Any) -> dict[str, Any]:
    """Return the line of a validation."""
    return {"kind": "dev", "update": update, "bleu": bleu, "loss": loss}


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


def test_the_best_validation_is_the_first_with_the_best_number() -> None:
    lines = [dev(2, 10, 3.0), dev(4, 12, 2.5), dev(6, 12, 2.0), dev(8, None, 10**400)]
    lines.append({**dev(9, 99, 0.1), "kind": "average"})

    def best(**how: bool) -> int:
        line = best_validation(lines, "bleu", **how)
        assert line is not None
        return int(line["update"])

    assert best(lower=False, by_loss=False) == 4
    assert best(lower=True, by_loss=False) == 2
    assert best(lower=False, by_loss=True) == 6
    assert best_validation([dev(2, True, "low")], "bleu", lower=False, by_loss=False) is None
    assert finite(10**400) is None


def test_a_training_has_ended_if_its_last_line_is_of_an_average() -> None:
    average = {"kind": "average", "update": 4}
    assert not is_ended([])
    assert is_ended([dev(4, 1, 1), average])
    assert not is_ended([dev(4, 1, 1), average, {"kind": "train", "update": 6}])
