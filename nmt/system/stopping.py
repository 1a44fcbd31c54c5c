"""The signals that ask a command to stop.

SIGINT is Ctrl-C, SIGTERM comes from job schedulers and `kill`, SIGHUP from a terminal that was
closed. A command started with `nohup` ignores SIGHUP, and keeps ignoring it.
"""

import _thread
import os
import signal
import time
from collections.abc import Callable
from types import FrameType

Handler = Callable[[int, FrameType | None], object]
RETRY_SECONDS = 0.05
left: list[Callable[[], str]] = []  # its last item says what the command leaves if it is stopped

# The most urgent first: of several signals, this one gives the exit code.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def on_stop_signals(handler: Handler, *, interrupts: bool = True) -> dict[int, "signal._HANDLER"]:
    """Call `handler` for each stop signal and return the handlers before, by signal.

    interrupts: False leaves SIGINT to Python, which raises KeyboardInterrupt. A SIGHUP that is
    ignored stays ignored.
    """
    previous: dict[int, signal._HANDLER] = {}
    for number in STOP_SIGNALS:
        if number == signal.SIGINT and not interrupts:
            continue
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        previous[number] = signal.signal(number, handler)
    return previous


def after_imports(handler: Handler) -> Handler:
    """Return a handler that calls another one, but not while a module is being imported.

    PyTorch's import loses an exception that a handler raises, or ends the process with a message of
    C++. So the signal is sent again until the import has ended.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        if is_importing(frame):
            # `threading` takes locks that the interrupted code may hold.
            _thread.start_new_thread(send_again, (number,))
        else:
            handler(number, frame)

    return handle


def send_again(number: int) -> None:
    """Send this process a signal after a moment."""
    time.sleep(RETRY_SECONDS)
    os.kill(os.getpid(), number)


def stop_at_once() -> None:
    """Let stop signals end the process without a message, because there is nothing to clean up."""
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def is_importing(frame: FrameType | None) -> bool:
    """Return whether a frame is called by Python's import system."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
