"""Messages of a training state what was verified: progress, and where a stopped run stands."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.training import metrics_log, trainer
from nmt.training.metrics_log import clock
from tests.conftest import Run
from tests.training.conftest import assert_same, finish, read_metrics, start_process
from tests.waiting import wait_until

LINE = re.compile(
    r"update (\d+) of 12: loss \d+\.\d{3} \(label-smoothed\), [\d,]+ tokens/s, about \S+ left"
)


def progress_lines(errors: str) -> list[int]:
    """Return the updates of the progress lines in a training's stderr."""
    return [int(found[1]) for found in LINE.finditer(errors)]


def test_a_log_has_a_line_at_the_first_update_and_then_every_minute(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that goes 25 seconds an update shows lines 3 updates, 75 seconds, apart."""
    assert progress_lines(nmt("train", tiny, "--run", "fast").err) == [1]
    ticks = iter(range(0, 10_000, 25))
    monkeypatch.setattr(metrics_log, "monotonic", lambda: next(ticks))
    ended = nmt("train", tiny, "--run", "slow")
    assert progress_lines(ended.err) == [1, 4, 7, 10]
    # After the first one: 75, 150 and 225 seconds for 4, 7 and 10 updates; 8, 5 and 2 are left.
    left = re.findall(r"about (\S+) left", ended.err)
    assert left[1:] == ["0:02:30", "0:01:47", "0:00:45"]


def test_seconds_are_printed_as_a_clock() -> None:
    assert [clock(each) for each in (0, 59.6, 3_725, 360_000)] == [
        "0:00:00",
        "0:01:00",
        "1:02:05",
        "100:00:00",
    ]


@pytest.mark.parametrize("harm", ["moved", "removed"])
def test_a_run_folder_that_went_away_is_not_said_to_be_saved(
    nmt: Run, tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """It goes away after update 5; the next checkpoint is due at update 8."""
    update = trainer.Trainer.update

    def harmful(self: trainer.Trainer, *arguments: object) -> object:
        result = update(self, *arguments)  # type: ignore[arg-type] # passed on
        if self.progress.update == 5:
            self.run.path.rename("elsewhere") if harm == "moved" else shutil.rmtree(self.run.path)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "update", harmful)
        ended = nmt("train", tiny)
    assert ended.code == 1
    assert "runs/tiny was moved or removed during the training" in ended.err
    assert "saved" not in ended.err
    assert not Path("runs/tiny").exists()
    if harm == "moved":
        Path("elsewhere").rename("runs/tiny")
        assert nmt("train", tiny).code == 0
        assert_same(tiny_run / "model.safetensors", Path("runs/tiny/model.safetensors"))


def test_a_training_stopped_before_its_first_update_says_that_nothing_is_saved(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "check_memory", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    ended = nmt("train", tiny)
    assert ended.code == 143
    assert "stopped at update 0, before the first checkpoint" in ended.err
    assert "saved" not in ended.err


def test_a_closed_terminal_saves_a_checkpoint(nmt: Run, tiny: Path) -> None:
    """The process loses its controlling terminal, as if its window were closed."""
    options = ["--max-updates", "400", "--set", "train.checkpoint_updates=100"]
    command = [sys.executable, "-m", "nmt", "train", str(tiny), "--run", "parts", *options]
    leader, terminal = os.openpty()
    process = subprocess.Popen(
        command,
        stdin=terminal,
        stderr=terminal,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        preexec_fn=take_terminal,  # noqa: PLW1509 (this test starts no threads)
    )
    os.close(terminal)
    seen = b""
    while b"loss" not in seen:  # a bar shows the figures of the first update
        seen += os.read(leader, 1 << 16)
    os.close(leader)
    assert process.wait(timeout=120) == 129
    assert list(Path("parts/checkpoints").glob("update-*.json"))
    assert not list(Path("parts").rglob("*.partial"))
    assert "resumed at update" in nmt("train", tiny, "--run", "parts", *options).err


def take_terminal() -> None:
    """Make stdin the controlling terminal of a new session."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_terminal_that_is_gone_without_a_signal_does_not_end_a_training(
    nmt: Run, tiny: Path
) -> None:
    """Without a controlling terminal there is no SIGHUP, but each write to stderr fails."""
    leader, terminal = os.openpty()
    command = [sys.executable, "-m", "nmt", "train", str(tiny), "--max-updates", "300"]
    process = subprocess.Popen(command, stderr=terminal, env={**os.environ, "OMP_NUM_THREADS": "1"})
    os.close(terminal)
    os.read(leader, 1)
    os.close(leader)
    assert process.wait(timeout=120) == 0
    assert read_metrics(Path("runs/tiny"))[-1]["kind"] == "average"


def test_prepare_leaves_no_partial_file_at_a_hangup(tiny: Path) -> None:
    """The preparation of a corpus that takes a while."""
    lines = [f"sun moon star {number}\n" for number in range(60_000)]
    for side in ("src", "tgt"):
        Path(f"train.{side}").write_text("".join(lines))
    process = start_process(
        "-m", "nmt", "prepare", tiny, "--run", "big", "--set", "tokenizer.vocab_size=60"
    )
    wait_until(lambda: list(Path("big").rglob("*.partial")), process)
    process.send_signal(signal.SIGHUP)
    code, errors = finish(process)
    assert (code, "Traceback" in errors) == (129, False)
    assert not list(Path("big").rglob("*.partial"))
