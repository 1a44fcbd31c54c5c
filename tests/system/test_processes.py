"""Stop signals are handled, deferred or repeated."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

import pytest

from nmt.errors import NmtError
from nmt.system.processes import deferred_interrupts
from tests.conftest import Run

# It is asked to stop while it imports a module that loses every exception, as PyTorch's does.
IMPORTING = """
import signal, sys, time
from nmt.system.processes import after_imports, on_stop_signals
on_stop_signals(after_imports(lambda number, frame: sys.exit(128 + number)))
import careless
print("imported", flush=True)
time.sleep(60)
"""
CARELESS = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIG)
    sum(range(10**6))
except BaseException:
    print("lost")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_a_signal_waits_for_the_end_of_an_import(tmp_path: Path, name: str) -> None:
    (tmp_path / "careless.py").write_text(CARELESS.replace("SIG)", f"{name})"))
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}
    command = [sys.executable, "-c", IMPORTING]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout == "imported\n"
    assert ended.returncode == 128 + getattr(signal, name)


def test_a_library_that_hides_a_signal_in_an_error_changes_nothing(
    nmt: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hide(*arguments: object, **options: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException as error:
            raise NmtError("the model is damaged") from error

    monkeypatch.setattr("nmt.commands.cli.main", hide)
    ended = nmt("inspect")
    assert (ended.code, ended.out, ended.err) == (143, "", "")


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


def test_an_event_loop_handles_a_deferred_signal_once() -> None:
    """The second one ends a server at once."""
    handled: list[int] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, handled.append, signal.SIGTERM)
        with deferred_interrupts():
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        await asyncio.sleep(0.1)
        loop.remove_signal_handler(signal.SIGTERM)

    asyncio.run(run())
    assert handled == [signal.SIGTERM]


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
