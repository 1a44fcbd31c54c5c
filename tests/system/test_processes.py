"""Signals are deferred."""

import os
import signal
import threading
from types import FrameType

import pytest

from nmt.system.processes import deferred_interrupts


def test_a_signal_for_another_thread_is_deferred() -> None:
    """Python runs a handler in the main thread, whichever thread the system delivers to."""
    handled: list[int] = []
    ended = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)  # a byte arrives as soon as Python has the signal
    other = threading.Thread(target=lambda: ended.wait(30))  # blocks no signal
    other.start()

    def handle(number: int, _: FrameType | None) -> None:
        handled.append(number)

    previous = signal.signal(signal.SIGINT, handle)
    try:
        with deferred_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            assert os.read(reader, 1) == bytes([signal.SIGINT])
            assert handled == []
        assert handled == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, previous)
        signal.set_wakeup_fd(before)
        ended.set()
        other.join()
        os.close(reader)
        os.close(writer)


def test_every_signal_is_delivered_at_the_end_and_handlers_are_restored() -> None:
    """SIGTERM is delivered even though SIGINT before it raises KeyboardInterrupt."""

    def interrupted() -> None:
        # Sent to this thread: another one could receive what the process is sent, too late.
        main_thread = threading.get_ident()
        with deferred_interrupts():
            signal.pthread_kill(main_thread, signal.SIGINT)
            signal.pthread_kill(main_thread, signal.SIGTERM)
            assert handled == []

    def handle(number: int, _: FrameType | None) -> None:
        handled.append(number)

    handled: list[int] = []
    before = signal.signal(signal.SIGTERM, handle)
    # Tests that a shell started in the background inherit that SIGINT is ignored.
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert handled == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is handle
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & {signal.SIGINT, signal.SIGTERM}
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)
