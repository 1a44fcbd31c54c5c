"""A signal is recorded, a second Ctrl-C ends at once, interruptible work is left."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch

from nmt.training.signals import Interrupted, StopRequest
from nmt.training.workers import combined_signal, signal_flags


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
