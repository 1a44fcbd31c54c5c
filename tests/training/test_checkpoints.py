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
from nmt.evaluation.metrics import choose_metrics
from nmt.training.files.checkpoints import (
    CheckpointManifest,
    checksum,
    read_manifest,
    write_manifest,
)
from nmt.training.files.progress import Progress, Window
from nmt.training.validation import Validation
from tests.training.conftest import (
    NMT,
    TINY,
    Train,
    assert_same,
    finish,
    options,
    start_process,
    without_times,
)

BLEU = choose_metrics("bleu", "de").measures[0]


DIGESTS = {"safetensors": "0" * 64, "state.pt": "f" * 64}


PROGRESS = Progress(
    update=8, epoch=1, batch=3, best_score=1.5, best_update=4, seconds=0.25, window=Window(0.1)
)
MANIFEST = CheckpointManifest(PROGRESS, "abc", DIGESTS)


def sealed(path: Path, **changes: Any) -> Path:
    """Write a manifest with a right checksum and other values; remove a key with None."""
    write_manifest(path, MANIFEST)
    content = {**json.loads(path.read_text()), **changes}
    content = {key: value for key, value in content.items() if value is not None}
    del content["checksum"]
    path.write_text(json.dumps({**content, "checksum": checksum(content)}))
    return path


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "update.json"
    write_manifest(path, MANIFEST)
    assert read_manifest(path, 8) == MANIFEST
    assert read_manifest(sealed(path), 8) == MANIFEST


@pytest.mark.parametrize(
    "changes",
    [
        *({"sha256": None}, {"progress": None}, {"fingerprint": None}, {"progress": 8}),
        *({"sha256": {"safetensors": "0" * 64}}, {"sha256": {**DIGESTS, "state.pt": "0" * 63}}),
        *(
            {"progress": {"update": 8, "seconds": 0.25, "window": {}, **wrong}}
            for wrong in (
                *({"update": 9}, {"update": -8}, {"update": "8"}, {"update": 8.5}),
                *({"seconds": -1}, {"best_update": 9}, {"validated_update": 9}),
                *({"timed_update": 9}, {"epoch": 2**60}, {"batch": -1}, {"skipped": 9}),
                *({"window": None}, {"window": {"updates": 2}}),
                {"window": {"smoothed_loss": None}},
            )
        ),
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
    ("part", "other"),
    [("}\n", ""), ("0.25", "0.5"), ('"checksum"', '"sum"')],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, part: str, other: str) -> None:
    path = sealed(tmp_path / "update.json")
    before = path.read_text() + "\n"
    assert part in before
    path.write_text(before.replace(part, other))
    with pytest.raises(DamagedError, match=r"update\.json is damaged"):
        read_manifest(path, 8)


def test_nan_is_no_best_result_and_is_never_written(tmp_path: Path) -> None:
    """An old run may have the score of a model whose loss is not finite, or the other way round."""
    reached = Progress(update=8)
    for metric in ("loss", "score"):
        assert not reached.is_improvement(Validation(math.nan, math.nan, 0.0, BLEU), metric)
        assert reached.is_improvement(Validation(2.0, 2.0, 0.0, BLEU), metric)
    for validation, best in (
        (Validation(math.nan, math.inf, 3.0, BLEU), (3.0, None)),
        (Validation(2.0, 2.0, math.nan, BLEU), (None, 2.0)),
    ):
        reached.count_validation(validation, improved=True)
        assert (reached.best_score, reached.best_loss) == best
    path = tmp_path / "update.json"
    hostile = replace(reached, best_loss=math.nan, best_score=-math.inf)
    write_manifest(path, replace(MANIFEST, progress=hostile))
    read = read_manifest(path, 8).progress
    assert (read.best_score, read.best_loss) == (None, None)


@pytest.mark.usefixtures("stopped")
def test_an_unreadable_checkpoint_is_not_a_damaged_one(train: Train, tiny_run: Path) -> None:
    """It is not set aside, with all updates since the one before it: the disk may come back."""
    state = TINY.checkpoints / "update-00000008.state.pt"
    state.rename("moved.pt")
    state.symlink_to(Path("/proc/self/mem"))
    assert f"cannot read the file {state}: Input/output error" in train(code=1)
    assert not list(TINY.path.rglob("*.damaged"))
    Path("moved.pt").replace(state)
    train()
    assert_same(tiny_run / "model.safetensors", TINY.model)


# Long enough to be killed before its end; checkpoints and validations are frequent targets.
LONG = (
    *("train.max_updates=90", "train.checkpoint_updates=5", "train.validate_updates=15"),
    *("train.report_updates=3", "train.bpe_dropout=0.1", "train.micro_batch_tokens=120"),
)


# `nmt` that works ahead, as on a GPU: batches early, results late, checkpoints in the background.
AHEAD = """
import sys
from nmt.commands import main
from nmt.training import trainer
from tests.training.conftest import LATE

trainer.choose_prefetch = lambda device: LATE
main(sys.argv[1:])
"""


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
        elif name.parts[0] == "checkpoints":
            left, right = (read_manifest(run / name, int(name.stem[-8:])) for run in (one, other))
            assert untimed(left.progress) == untimed(right.progress), name
    assert without_times(one) == without_times(other)


def untimed(progress: Progress) -> Progress:
    return replace(progress, seconds=0.0, window=replace(progress.window, start_seconds=0.0))


def kill_at_random(command: Sequence[object], run: Path, draw: random.Random) -> bool:
    """Start a training and kill it at a random moment; return False if it ended before that.

    Most kills come after the training has written metrics, the others at any time after the start.
    """

    def size() -> int:
        metrics = run / "metrics.jsonl"
        return metrics.stat().st_size if metrics.is_file() else 0

    known = size()
    process = start_process(*command)
    in_training = draw.random() < 0.8
    while in_training and process.poll() is None and size() == known:
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.4 if in_training else 3.0))  # the random moment
    process.kill()
    code, errors = finish(process)
    assert "Traceback" not in errors
    assert code in (0, -signal.SIGKILL), errors
    return code != 0


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_killed_again_and_again_is_the_uninterrupted_run(
    train: Train, tiny: Path, kills: int
) -> None:
    """After each SIGKILL at a random moment the same command resumes the run."""
    train(*LONG, run="whole")
    draw = random.Random(kills)
    for number, program in enumerate((NMT, AHEAD)):
        killed, rounds = 0, 0
        while killed < kills:
            run = Path(f"killed-{number}-{rounds}")
            command = ["-c", program, "train", tiny, "--run", run, *options(*LONG)]
            while killed < kills and kill_at_random(command, run, draw):
                killed += 1
            code, errors = finish(start_process(*command))
            assert code == 0, errors
            assert_same_run(Path("whole"), run)
            rounds += 1


def damage_middle(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        ("safetensors", damage_middle),
        ("state.pt", lambda path: path.write_bytes(path.read_bytes()[:2000])),
        ("json", lambda path: path.write_bytes(b"")),
    ],
)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    train: Train, tiny_run: Path, ending: str, damage: Callable[[Path], object]
) -> None:
    path = TINY.checkpoints / f"update-00000012.{ending}"
    damage(path)
    errors = train()
    assert f"{path} is damaged" in errors
    assert "resumed at update 8 of 12" in errors
    assert path.with_name(f"{path.name}.damaged").is_file()
    for old in TINY.path.rglob("*.damaged"):
        old.unlink()
    assert_same_run(tiny_run, TINY.path)


@pytest.mark.usefixtures("ended")
def test_if_all_checkpoints_are_damaged_nothing_is_changed(train: Train) -> None:
    states = sorted(TINY.checkpoints.glob("*.state.pt"))
    assert len(states) == 2
    for state in states:
        damage_middle(state)
    before = TINY.recipe.read_text()
    error = train(updates=20, code=1)
    assert all(str(state) in error for state in states)
    command = f"nmt train {TINY.recipe} --init-from {TINY.best} --run NEW"
    assert error.endswith(f"train again: `{command}`\n")
    assert TINY.recipe.read_text() == before
    assert sorted(TINY.checkpoints.glob("*.state.pt")) == states


@pytest.mark.usefixtures("ended")
def test_a_damaged_checkpoint_is_left_out_of_the_average(train: Train) -> None:
    damage_middle(TINY.checkpoints / "update-00000008.safetensors")
    errors = train()
    assert "update-00000008.safetensors is damaged" in errors
    assert "model of one checkpoint" in errors


def test_a_full_disk_stops_the_run_and_loses_nothing(train: Train, tiny: Path) -> None:
    """A limit on file sizes stands for a full disk: the model exceeds it, or only the state."""
    larger = ("model.d_model=128", "model.d_ff=512", "train.validate_updates=12")
    train(*larger, run="whole")
    train(*larger, updates=4)
    before = {path: path.read_bytes() for path in TINY.checkpoints.iterdir()}
    sizes = {path.suffix: len(content) for path, content in before.items()}
    assert sizes[".safetensors"] + 1000 < sizes[".pt"]
    for suffix, more in ((".safetensors", -1000), (".state.pt", 1000)):
        limit = sizes[".safetensors"] + more
        limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
        command = ["-c", f"{limited}\n{NMT}", "train", tiny, *options(*larger)]
        code, errors = finish(start_process(*command))
        assert code == 1
        last = errors.splitlines()[-1]
        path = TINY.checkpoints / f"update-00000008{suffix}"
        assert last.startswith(f"nmt: cannot write {path}: File too large; ")
        assert "earlier checkpoints are intact: make it possible to write there" in last
        assert "the same command resumes" in last
        assert all(path.read_bytes() == content for path, content in before.items())
        assert not list(TINY.path.rglob("*.partial"))
    train(*larger)
    for name in ("model.safetensors", "checkpoints/update-00000012.safetensors"):
        assert_same(Path("whole", name), TINY.path / name)
