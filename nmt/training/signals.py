"""Stop at the next update's end when asked to by SIGINT (Ctrl-C) or SIGTERM."""

import os
import signal
from contextlib import suppress
from types import FrameType, TracebackType


class StopRequest:
    """While entered, notes a signal instead of dying; a second one stops at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
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

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise SystemExit(128 + number)
        self.signal = number
        with suppress(OSError):  # a bar's lock may be held: write past it
            os.write(2, b"\nstopping at the end of this update; again stops at once\n")
