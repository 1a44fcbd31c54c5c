"""Checkpoints: a sealed manifest, and runs that survive kills, signals, a full disk and damage."""

import json
import math
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

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
from tests.training.conftest import (
    NMT,
    Process,
    assert_same,
    finish,
    start_process,
    without_times,
)

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
    nmt: Run, stopped: Path, tiny_run: Path
) -> None:
    """It is not set aside, with all updates since the one before it: the disk may come back."""
    state = Path("runs/tiny/checkpoints/update-00000008.state.pt")
    state.rename("moved.pt")
    state.symlink_to(Path("/proc/self/mem"))
    refused = nmt("train", stopped)
    assert refused.code == 1
    assert f"cannot read the file {state}: Input/output error" in refused.err
    assert not list(Path("runs/tiny").rglob("*.damaged"))
    Path("moved.pt").replace(state)
    assert nmt("train", stopped).code == 0
    assert_same(tiny_run / "model.safetensors", Path("runs/tiny/model.safetensors"))


# Long enough to be killed before its end; checkpoints and validations are frequent targets.
LONG = [
    *("--max-updates", "150", "--set", "train.checkpoint_updates=5"),
    *("--set", "train.validate_updates=15", "--set", "train.report_updates=3"),
    *("--set", "train.bpe_dropout=0.1"),
]


# `nmt` at the pace of a GPU: batches ahead, results late, checkpoints written in the background.
AT_GPU_PACE = """
import sys
from nmt.commands import main
from nmt.training import trainer
from tests.training.conftest import LATE

trainer.pace_of = lambda device: LATE
main(sys.argv[1:])
"""


AS_ALWAYS = ("-m", "nmt")


def start(recipe: Path, run: object, *options: str, program: Sequence[str] = AS_ALWAYS) -> Process:
    """Start a real `nmt train`."""
    return start_process(*program, "train", recipe, "--run", run, *options)


def assert_same_run(one: Path, other: Path) -> None:
    """Assert that models, states and metrics of two runs are equal bit for bit, except times."""
    names = {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
    assert names == {path.relative_to(other) for path in other.rglob("*") if path.is_file()}
    for name in names:
        is_shard = name.parts[0] == "prepared" and name.suffix != ".json"
        if name.suffix == ".safetensors" or is_shard:
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
        elif name.suffix == ".pt":
            left, right = (torch.load(run / name, weights_only=True) for run in (one, other))
            torch.testing.assert_close(left, right, rtol=0, atol=0)
    assert without_times(one) == without_times(other)


def kill_at_random(
    recipe: Path, run: Path, draw: random.Random, program: Sequence[str] = AS_ALWAYS
) -> bool:
    """Start a training and kill it at a random moment; return False if it ended before that.

    Most kills come after the training has written metrics, the others at any time after the start.
    """
    known = metrics_size(run)
    process = start(recipe, run, *LONG, program=program)
    in_training = draw.random() < 0.8
    while in_training and process.poll() is None and metrics_size(run) == known:
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.4 if in_training else 3.0))  # the random moment
    process.kill()
    code, errors = finish(process)
    assert "Traceback" not in errors
    assert code in (0, -signal.SIGKILL), errors
    return code != 0


def metrics_size(run: Path) -> int:
    """Return the size of a run's metrics in bytes, 0 without metrics."""
    metrics = run / "metrics.jsonl"
    return metrics.stat().st_size if metrics.is_file() else 0


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_killed_again_and_again_is_the_uninterrupted_run(
    nmt: Run, tiny: Path, kills: int
) -> None:
    """After each SIGKILL at a random moment the same command resumes the run."""
    assert nmt("train", tiny, "--run", "whole", *LONG).code == 0
    draw = random.Random(kills)
    for number, program in enumerate((AS_ALWAYS, ("-c", AT_GPU_PACE))):
        killed, rounds = 0, 0
        while killed < kills:
            run = Path(f"killed-{number}-{rounds}")
            while killed < kills and kill_at_random(tiny, run, draw, program):
                killed += 1
            code, errors = finish(start(tiny, run, *LONG, program=program))
            assert code == 0, errors
            assert_same_run(Path("whole"), run)
            rounds += 1


def damage_middle(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Drop the second half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        ("safetensors", damage_middle),
        ("state.pt", truncate),
        ("json", lambda path: path.write_bytes(b"")),
    ],
)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    nmt: Run, ended: Path, tiny_run: Path, ending: str, damage: Callable[[Path], object]
) -> None:
    path = Path(f"runs/tiny/checkpoints/update-00000012.{ending}")
    damage(path)
    resumed = nmt("train", ended)
    assert resumed.code == 0
    assert f"{path} is damaged" in resumed.err
    assert "resumed at update 8 of 12" in resumed.err
    assert path.with_name(f"{path.name}.damaged").is_file()
    for old in Path("runs/tiny").rglob("*.damaged"):
        old.unlink()
    assert_same_run(tiny_run, Path("runs/tiny"))


def test_if_all_checkpoints_are_damaged_nothing_is_renamed(nmt: Run, ended: Path) -> None:
    states = sorted(Path("runs/tiny/checkpoints").glob("*.state.pt"))
    assert len(states) == 2
    for state in states:
        damage_middle(state)
    refused = nmt("train", ended)
    assert refused.code == 1
    assert all(str(state) in refused.err for state in states)
    assert sorted(Path("runs/tiny/checkpoints").glob("*.state.pt")) == states


def test_a_damaged_checkpoint_is_left_out_of_the_average(nmt: Run, ended: Path) -> None:
    damage_middle(Path("runs/tiny/checkpoints/update-00000008.safetensors"))
    resumed = nmt("train", ended)
    assert resumed.code == 0
    assert "update-00000008.safetensors is damaged" in resumed.err
    assert "average of 1 checkpoint" in resumed.err


def test_a_full_disk_stops_the_run_and_loses_nothing(nmt: Run, tiny: Path) -> None:
    """A limit on file sizes stands for a full disk: the model exceeds it, or only the state."""
    options = ["--set", "model.d_model=128", "--set", "model.d_ff=512"]
    options += ["--set", "train.validate_updates=12"]
    nmt("train", tiny, "--run", "whole", *options)
    nmt("train", tiny, "--run", "full", "--max-updates", 4, *options)
    before = {path: path.read_bytes() for path in Path("full/checkpoints").iterdir()}
    sizes = {path.suffix: len(content) for path, content in before.items()}
    assert sizes[".safetensors"] + 1000 < sizes[".pt"]
    for suffix, more in ((".safetensors", -1000), (".state.pt", 1000)):
        limit = sizes[".safetensors"] + more
        limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
        code, errors = finish(start(tiny, "full", *options, program=("-c", f"{limited}\n{NMT}")))
        assert code == 1
        last = errors.splitlines()[-1]
        path = f"full/checkpoints/update-00000008{suffix}"
        assert last.startswith(f"nmt: cannot write {path}: File too large; ")
        assert "earlier checkpoints are intact: make it possible to write there" in last
        assert "the same command resumes" in last
        assert all(path.read_bytes() == content for path, content in before.items())
        assert not list(Path("full").rglob("*.partial"))
    assert nmt("train", tiny, "--run", "full", *options).code == 0
    for name in ("model.safetensors", "checkpoints/update-00000012.safetensors"):
        assert (Path("whole") / name).read_bytes() == (Path("full") / name).read_bytes()
