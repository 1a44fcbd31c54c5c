"""Stop at the next update's end when asked to by SIGINT (Ctrl-C) or SIGTERM."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType


class StoppedEarly(Exception):  # noqa: N818 (it is no error)
    """Raised out of work that need not be finished, such as a validation."""


class StopRequest:
    """While entered, notes a signal instead of dying; a second SIGINT stops at once.

    A second SIGTERM does not: a job scheduler sends it to every process and torchrun, which got
    one too, passes it on.
    """

    def __init__(self, *, speaks: bool = True, alone: bool = True) -> None:
        """`speaks`: this process tells the user; `alone`: without torchrun, which keeps a second
        SIGINT to itself.
        """
        self._speaks = speaks
        self._alone = alone
        self.signal: int | None = None
        self._may_leave = False
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def may_leave(self) -> Iterator[None]:
        """A block that a signal leaves at once, by StoppedEarly; not one that writes files."""
        self._may_leave = True
        try:
            if self.signal is not None:
                raise StoppedEarly
            yield
        finally:
            self._may_leave = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if number == signal.SIGINT:
                raise SystemExit(128 + number)
            return
        self.signal = number
        again = b"; again stops at once" if number == signal.SIGINT and self._alone else b""
        with suppress(OSError):  # a bar's lock may be held: write past it
            if self._speaks:
                os.write(2, b"\nstopping at the end of this update" + again + b"\n")
        if self._may_leave:
            raise StoppedEarly
