"""A signal is recorded, a second Ctrl-C ends at once, and terminals may go away."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.training import metrics_log, trainer
from nmt.training.metrics_log import clock
from nmt.training.signals import Interrupted, StopRequest
from nmt.training.workers import combined_signal, signal_flags
from tests.conftest import Run
from tests.training.conftest import TINY, assert_same


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_recorded_and_a_second_interrupt_ends_at_once(
    first: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(first)
    with StopRequest() as stop:
        os.kill(os.getpid(), first)
        assert stop.signal == first
        with pytest.raises(SystemExit) as end:
            os.kill(os.getpid(), signal.SIGINT)
    assert end.value.code == 130
    assert signal.getsignal(first) == before
    again = "; press Ctrl-C again to stop at once" if first == signal.SIGINT else ""
    assert f"stopping at the end of this update{again}" in capfd.readouterr().err


def test_a_second_sigterm_is_ignored() -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGTERM


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("received", "stops"),
    [
        ([], None),
        ([signal.SIGINT], signal.SIGINT),
        ([signal.SIGINT, None, signal.SIGHUP], signal.SIGHUP),
        ([signal.SIGHUP, signal.SIGTERM, signal.SIGINT], signal.SIGTERM),
    ],
)
def test_workers_agree_on_the_most_urgent_signal(
    received: list[int | None], stops: int | None
) -> None:
    """Each element is what one worker received; the flags are summed over the workers."""
    flags = [signal_flags(each) for each in [None, *received]]
    assert combined_signal(*map(sum, zip(*flags, strict=True))) == stops


def test_a_signal_leaves_only_interruptible_work() -> None:
    finished = []

    def interrupted_work(stop: StopRequest, what: str) -> None:
        with stop.interruptible():
            os.kill(os.getpid(), signal.SIGTERM)
            finished.append(what)

    with StopRequest() as stop:
        with pytest.raises(Interrupted):
            interrupted_work(stop, "cut short")
        os.kill(os.getpid(), signal.SIGTERM)
        finished.append("kept")
        with pytest.raises(Interrupted):
            interrupted_work(stop, "not started")
    assert finished == ["kept"]


def test_a_signal_leaves_a_compilation() -> None:
    """torch.compile turns an Exception of its backend into an error of its own."""

    def backend(graph: Callable[..., Any], inputs: list[torch.Tensor]) -> Callable[..., Any]:
        signal.raise_signal(signal.SIGTERM)
        return graph

    compiled = torch.compile(torch.neg, backend=backend)
    with StopRequest(prints=False) as stop, pytest.raises(Interrupted), stop.interruptible():
        compiled(torch.zeros(1))
    assert stop.signal == signal.SIGTERM


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
    assert left[1].startswith("0:02:3")  # the time to the first update is real
    assert left[2:] == ["0:01:47", "0:00:45"]


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
        assert_same(tiny_run / "model.safetensors", TINY.model)


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
    options = ["--max-updates", "400", "--set", "train.checkpoint_updates=400"]
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


def take_terminal() -> None:
    """Make stdin the controlling terminal of a new session."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
