"""Stop training cleanly at Ctrl-C, SIGTERM, or when the terminal is closed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from nmt.system.processes import on_stop_signals


class Interrupted(BaseException):
    """Raised by a signal in work that may be left unfinished, such as a validation.

    Like KeyboardInterrupt, it is no Exception, which torch.compile would catch and report as a
    fault of the compiler.
    """


class StopRequest:
    """A context manager that records a stop signal instead of ending the process.

    A second SIGINT ends the process at once. A second SIGTERM does not: a job scheduler sends it to
    every process, torchrun included, which sends it on.
    """

    def __init__(self, *, prints: bool = True, single_process: bool = True) -> None:
        """Create the handler.

        prints: print a line to stderr when the first signal arrives. single_process: torchrun did
        not start this process; torchrun does not send on a second SIGINT.
        """
        self._prints = prints
        self._single_process = single_process
        self.signal: int | None = None
        self._interruptible = False
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is not threading.main_thread():
            return self  # Python delivers signals to the main thread only
        self._previous = on_stop_signals(self._record)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal leave a `with` block at once; the block must not write files.

        Raises Interrupted, also if a signal came before the block.
        """
        self._interruptible = True
        try:
            if self.signal is not None:
                raise Interrupted
            yield
        finally:
            self._interruptible = False

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if number == signal.SIGINT:
                raise SystemExit(128 + number)
            return
        self.signal = number
        twice = number == signal.SIGINT and self._single_process
        hint = b"; press Ctrl-C again to stop at once" if twice else b""
        with suppress(OSError):
            if self._prints:
                # A progress bar's lock may be held here, so write to the file descriptor.
                os.write(2, b"\nstopping at the end of this update" + hint + b"\n")
        if self._interruptible:
            raise Interrupted
