"""Start, watch and stop processes: stop signals, children, launchers and their limits.

SIGINT is Ctrl-C, SIGTERM comes from job schedulers and `kill`, SIGHUP from a terminal that was
closed. A command started with `nohup` ignores SIGHUP, and keeps ignoring it.
"""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from nmt.errors import NmtError

Handler = Callable[[int, FrameType | None], object]
RETRY_SECONDS = 0.05
left: list[Callable[[], str]] = []  # its last item says what the command leaves if it is stopped

# The most urgent first: of several signals, this one gives the exit code.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
MAIN_SCRIPT = threading.Lock()  # held by a thread in `hidden_main`


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


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold back stop signals until the block ends; processes started in it ignore them.

    Ctrl-C, a closed terminal, torchrun and job schedulers send them to all processes. A child
    process that died while it passes a result on would keep its parent waiting for the rest.
    """
    received: list[int] = []

    def record(number: int, _: FrameType | None) -> None:
        received.append(number)

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    handlers: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        # The system may deliver the signal to another thread. Its handler then runs in this one,
        # perhaps in a fork hook, where Python drops the exceptions that it raises.
        handlers = {number: signal.getsignal(number) or signal.SIG_DFL for number in STOP_SIGNALS}
    try:
        for number in handlers:
            signal.signal(number, record)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        with ExitStack() as stack:  # all of it happens, even if a restored handler raises at once
            for caught in reversed([*dict.fromkeys(received)]):
                handler = handlers[signal.Signals(caught)]
                if callable(handler):  # raised again, asyncio would count it as a second signal
                    stack.callback(handler, caught, None)
                else:
                    stack.callback(signal.raise_signal, caught)
            for number, handler in handlers.items():
                stack.callback(signal.signal, number, handler)


def watch_parent() -> None:
    """Start a thread that ends this process when its parent ends."""
    threading.Thread(target=exit_with_parent, daemon=True).start()


def exit_with_parent() -> None:
    """Wait until the parent has ended (it may have been killed), then exit."""
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def kill_children() -> None:
    """Kill all child processes; a broken pool only sends them SIGTERM, which they ignore."""
    from multiprocessing import active_children

    for process in active_children():
        process.kill()


@contextmanager
def hidden_main() -> Iterator[None]:
    """Keep processes that are started in the block from importing the main script."""
    searched = {"__spec__", "__file__"}  # multiprocessing finds the script by these two
    with MAIN_SCRIPT:
        names = vars(sys.modules["__main__"])
        kept = {name: value for name, value in names.items() if name in searched}
        names.update(dict.fromkeys(kept))
        try:
            yield
        finally:
            names.update(kept)


def integer_variable(name: str) -> int:
    """Return the integer in an environment variable; raises NmtError if it holds none."""
    try:
        return int(os.environ[name])
    except ValueError as error:
        raise NmtError(
            f"{name} is {os.environ[name]!r}, not a whole number; torchrun sets it: without"
            " torchrun, unset it"
        ) from error


def worker_count(variable: str = "WORLD_SIZE") -> int:
    """Return how many workers a launcher has started; 1 without a launcher.

    variable: "LOCAL_WORLD_SIZE" counts those on this machine. Raises NmtError if it is no number.
    """
    return max(1, integer_variable(variable)) if os.environ.get(variable) else 1
