"""A signal is noted, a second Ctrl-C ends at once, and what may be left is left."""

import os
import signal

import pytest

from nmt.training.signals import StoppedEarly, StopRequest


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_and_a_second_interrupt_ends_at_once(
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
    again = "; again stops at once" if first == signal.SIGINT else ""
    assert f"stopping at the end of this update{again}" in capfd.readouterr().err


def test_a_second_termination_is_the_first_one_passed_on() -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGTERM


def test_only_what_may_be_left_is_left() -> None:
    finished = []

    def leave(stop: StopRequest, what: str) -> None:
        with stop.may_leave():
            os.kill(os.getpid(), signal.SIGTERM)
            finished.append(what)

    with StopRequest() as stop:
        with pytest.raises(StoppedEarly):
            leave(stop, "cut short")
        os.kill(os.getpid(), signal.SIGTERM)
        finished.append("kept")
        with pytest.raises(StoppedEarly):
            leave(stop, "not begun")
    assert finished == ["kept"]
