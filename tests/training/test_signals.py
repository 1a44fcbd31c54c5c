"""A signal is recorded, a second Ctrl-C ends at once, and terminals may go away."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.training import trainer
from nmt.training.files import metrics_log
from nmt.training.files.metrics_log import clock
from nmt.training.parallel.workers import combined_signal, signal_flags
from nmt.training.signals import Interrupted, StopRequest
from tests.training.conftest import TINY, Train, assert_same, options


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


def test_a_second_sigterm_and_a_hangup_that_nohup_ignores_are_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signal is None
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
                assert stop.signal == signal.SIGTERM
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
    flags = [signal_flags(number) for number in [None, *received]]
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


def test_a_log_has_a_line_at_the_first_update_and_then_every_minute(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that goes 25 seconds an update shows lines 3 updates, 75 seconds, apart."""
    line = r"update (\d+) of 12: loss \d+\.\d{3} \(label-smoothed\), [\d,]+ tokens/s, about (\S+) l"
    ((update, _),) = re.findall(line, train(run="fast"))
    assert update == "1"
    ticks = iter(range(0, 10_000, 25))
    monkeypatch.setattr(metrics_log, "monotonic", lambda: next(ticks))
    updates, left = zip(*re.findall(line, train(run="slow")), strict=True)
    assert updates == ("1", "4", "7", "10")
    # After the first one: 75, 150 and 225 seconds for 4, 7 and 10 updates; 8, 5 and 2 are left.
    assert left[1].startswith("0:02:3")  # the time to the first update is real
    assert left[2:] == ("0:01:47", "0:00:45")


def test_seconds_are_printed_as_a_clock() -> None:
    seconds = (0, 59.6, 3_725, 360_000)
    assert [*map(clock, seconds)] == ["0:00:00", "0:01:00", "1:02:05", "100:00:00"]


@pytest.mark.parametrize("harm", ["moved", "removed"])
def test_a_run_folder_that_went_away_is_not_said_to_be_saved(
    train: Train, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """It goes away after update 5; the next checkpoint is due at update 8."""
    update = trainer.Trainer.update

    def harmful(self: trainer.Trainer, *arguments: Any) -> object:
        result = update(self, *arguments)
        if self.progress.update == 5:
            self.run.path.rename("elsewhere") if harm == "moved" else shutil.rmtree(self.run.path)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "update", harmful)
        errors = train(code=1)
    assert "runs/tiny was moved or removed during the training" in errors
    assert "saved" not in errors
    assert not TINY.path.exists()
    if harm == "moved":
        Path("elsewhere").rename(TINY.path)
        train()
        assert_same(tiny_run / "model.safetensors", TINY.model)


def test_a_training_stopped_before_its_first_update_says_that_nothing_is_saved(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        trainer, "check_memory", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM)
    )
    errors = train(code=143)
    assert "stopped at update 0, before the first checkpoint" in errors
    assert "saved" not in errors


def test_a_closed_terminal_saves_a_checkpoint(tiny: Path) -> None:
    """The process loses its controlling terminal, as if its window were closed."""
    long = options("train.max_updates=400", "train.checkpoint_updates=400")
    leader, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "nmt", "train", tiny, *long],
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
    assert list(TINY.checkpoints.glob("update-*.json"))
    assert not list(TINY.path.rglob("*.partial"))


def take_terminal() -> None:
    """Make stdin the controlling terminal of a new session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
