"""The manifest of a checkpoint: typed values, sealed by a checksum, never with NaN."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import DamagedError, NmtError
from nmt.evaluation.metrics import task_metrics
from nmt.training.checkpoints import (
    CheckpointManifest,
    checksum,
    read_manifest,
    write_manifest,
)
from nmt.training.progress import Progress, Window
from nmt.training.validation import Validation
from tests.conftest import Run
from tests.training.conftest import assert_same

BLEU = task_metrics("bleu", "de").measures[0]
DIGESTS = {"safetensors": "0" * 64, "state.pt": "f" * 64}
PROGRESS = Progress(
    update=8, epoch=1, batch=3, best_score=1.5, best_update=4, seconds=0.25, window=Window(0.1)
)


def sealed(path: Path, **changes: Any) -> Path:
    """Write a manifest with a right checksum and other values; remove a key with None."""
    write_manifest(path, CheckpointManifest(PROGRESS, "abc", DIGESTS))
    content = json.loads(path.read_text())
    del content["checksum"]
    content.update(changes)
    content = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps({**content, "checksum": checksum(content)}))
    return path


def progress(**changes: Any) -> dict[str, Any]:
    """Return a progress as JSON has it, with other values."""
    return {"update": 8, "seconds": 0.25, "window": {}, **changes}


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "update.json"
    manifest = CheckpointManifest(PROGRESS, "abc", DIGESTS)
    write_manifest(path, manifest)
    assert read_manifest(path, 8) == manifest
    assert read_manifest(sealed(path), 8) == manifest


@pytest.mark.parametrize(
    "changes",
    [
        *({"sha256": None}, {"progress": None}, {"fingerprint": None}, {"sha256": {}}),
        *({"sha256": {"safetensors": "0" * 64}}, {"sha256": {**DIGESTS, "state.pt": 1}}),
        {"sha256": {**DIGESTS, "state.pt": "0" * 63}},
        *({"progress": 8}, {"progress": progress(update=9)}, {"progress": progress(update=-8)}),
        *({"progress": progress(update="8")}, {"progress": progress(update=True)}),
        *({"progress": progress(update=None)}, {"progress": progress(update=8.5)}),
        *({"progress": progress(seconds=-1)}, {"progress": progress(seconds=[])}),
        *({"progress": progress(best_update=9)}, {"progress": progress(validated_update=9)}),
        *({"progress": progress(timed_update=9)}, {"progress": progress(timed_update=-1)}),
        *({"progress": progress(epoch=2**60)}, {"progress": progress(batch=-1)}),
        *({"progress": progress(window=None)}, {"progress": progress(window=[])}),
        *({"progress": progress(window={"updates": 2})}, {"progress": progress(skipped=9)}),
        {"progress": progress(window={"smoothed_loss": None})},
    ],
)
def test_wrong_values_are_refused_even_with_a_right_checksum(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = sealed(tmp_path / "update.json", **changes)
    with pytest.raises(NmtError, match=r"update\.json is damaged") as refused:
        read_manifest(path, 8)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text.replace("0.25", "NaN"),
        lambda text: text.replace("0.25", "1e999"),
        lambda text: text.replace("0.25", "0.5"),
        lambda text: text.replace("0.25", "[" * 5000 + "]" * 5000),
        lambda text: text.replace('"checksum"', '"sum"'),
        lambda text: "",
        lambda text: "[]",
        lambda text: "\0" * len(text),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, change: Any) -> None:
    path = sealed(tmp_path / "update.json")
    path.write_text(change(path.read_text()))
    with pytest.raises(DamagedError, match=r"update\.json is damaged"):
        read_manifest(path, 8)


def test_nan_is_no_best_result_and_is_never_written(tmp_path: Path) -> None:
    """An old run may have the score of a model whose loss is not finite, or the other way round."""
    reached = Progress(update=8)
    for metric in ("loss", "score"):
        assert not reached.is_improvement(Validation(math.nan, math.nan, 0.0, BLEU), metric)
        assert reached.is_improvement(Validation(2.0, 2.0, 0.0, BLEU), metric)
    reached.count_validation(Validation(math.nan, math.inf, 3.0, BLEU), improved=True)
    assert (reached.best_score, reached.best_loss) == (3.0, None)
    reached.count_validation(Validation(2.0, 2.0, math.nan, BLEU), improved=True)
    assert (reached.best_score, reached.best_loss) == (None, 2.0)
    path = tmp_path / "update.json"
    hostile = replace(reached, best_loss=math.nan, best_score=-math.inf)
    write_manifest(path, CheckpointManifest(hostile, "abc", DIGESTS))
    read = read_manifest(path, 8).progress
    assert (read.best_score, read.best_loss) == (None, None)


def test_an_unreadable_checkpoint_is_not_a_damaged_one(
    nmt: Run, tiny: Path, tiny_run: Path
) -> None:
    """It is not set aside, with all updates since the one before it: the disk may come back."""
    nmt("train", tiny, "--max-updates", 8)
    state = Path("runs/tiny/checkpoints/update-00000008.state.pt")
    state.rename("moved.pt")
    state.symlink_to(Path("/proc/self/mem"))
    refused = nmt("train", tiny)
    assert refused.code == 1
    assert f"cannot read the file {state}: Input/output error" in refused.err
    assert not list(Path("runs/tiny").rglob("*.damaged"))
    Path("moved.pt").replace(state)
    assert nmt("train", tiny).code == 0
    assert_same(tiny_run / "model.safetensors", Path("runs/tiny/model.safetensors"))


def test_a_shard_that_is_cut_during_a_training_changes_nothing(
    nmt: Run, tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mapped into memory, it would kill the process with SIGBUS."""
    count = Progress.count_update

    def cut(self: Progress, **options: Any) -> None:
        count(self, **options)
        for path in Path("runs/tiny/prepared").glob("train-0.*"):
            with path.open("r+b") as stream:
                stream.truncate(0)

    monkeypatch.setattr(Progress, "count_update", cut)
    assert nmt("train", tiny).code == 0
    assert_same(tiny_run / "model.safetensors", Path("runs/tiny/model.safetensors"))


def test_a_large_shard_that_is_cut_during_a_training_is_one_sentence(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Progress.count_update

    def cut(self: Progress, **options: Any) -> None:
        count(self, **options)
        if self.update == 6:
            with Path("runs/tiny/prepared/train-0.ids").open("r+b") as stream:
                stream.truncate(0)

    monkeypatch.setattr("nmt.text.shards.SMALL", 0)
    monkeypatch.setattr(Progress, "count_update", cut)
    ended = nmt("train", tiny)
    assert ended.code == 1
    last = ended.err.splitlines()[-1]
    assert last.startswith("nmt: runs/tiny/prepared/train-0.ids was truncated while it was in use")
    resumed = nmt("train", tiny, "--max-updates", 5)
    assert "resumed at update 4" in resumed.err
    assert "train-0 is damaged or missing and is created again" in resumed.err
