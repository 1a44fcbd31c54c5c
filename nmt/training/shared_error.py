"""The message of the first worker that failed, in a key-value store that all workers share."""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Protocol

import torch.distributed as dist

ANSWER_SECONDS = 3.0  # for the store, whose machine may be gone
ERROR = "error"  # key of the message


class Store(Protocol):
    """A key-value store that all workers share (PyTorch's own class has no type annotations)."""

    def set(self, key: str, value: str, /) -> None:
        """Store a value."""

    def get(self, key: str, /) -> bytes:
        """Wait for a value and return it."""

    def check(self, keys: list[str], /) -> bool:
        """Return True if all keys have values."""


def shared_error(store: Store) -> str | None:
    """Return the message of the first worker that failed; None if none has."""
    return str(store.get(ERROR), "utf-8") if store.check([ERROR]) else None


def set_shared_error(store: Store, message: str) -> None:
    """Share the message of a worker that failed, unless another one failed before."""
    with suppress(dist.DistError):  # torchrun may be gone as well
        if not store.check([ERROR]):
            store.set(ERROR, message)


def run_for(seconds: float, action: Callable[[], object]) -> Thread:
    """Run an action in a thread, wait at most so long for its end, and return the thread."""
    thread = Thread(target=action, name="wait", daemon=True)
    thread.start()
    thread.join(seconds)
    return thread


class SharedError:
    """Reads and shares the message without waiting for a store that hangs."""

    def __init__(self, store: Store) -> None:
        """Use a store, which no other thread must use: a call may never end."""
        self.is_gone = False  # whether the connection to the store has ended
        self._store = store
        self._message: str | None = None
        self._thread: Thread | None = None

    def read(self) -> str | None:
        """Return the message; None if there is none, or if the store does not answer soon."""
        self._ask(self._read)
        return self._message

    def share(self, message: str) -> None:
        """Share a message as `set_shared_error` does, if the store answers soon."""
        self._ask(lambda: set_shared_error(self._store, message))

    def _read(self) -> None:
        try:
            self._message = shared_error(self._store)
        except dist.DistError:
            self.is_gone = True

    def _ask(self, action: Callable[[], None]) -> None:
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(ANSWER_SECONDS)
        elif not self.is_gone:
            self._thread = run_for(ANSWER_SECONDS, action)
