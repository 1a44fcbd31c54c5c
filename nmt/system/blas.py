"""Limit the threads of NumPy's matrix products.

A search multiplies thousands of small matrices with OpenBLAS. Each process that searches would have
a thread on each core, and these threads would wait for each other: with 2 processes on 2 busy
cores, a translation took ten times as long as with one thread in each.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import NamedTuple

# The names of one function: in NumPy's wheels, and where NumPy uses an OpenBLAS of the system.
NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)
MODULES = ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath")  # NumPy 2, NumPy 1


class BlasThreads(NamedTuple):
    """Functions of a BLAS that get and set the number of its threads."""

    get: Callable[[], int]
    set: Callable[[int], object]


class SharedLimit:
    """The limit of one BLAS thread, for blocks that may run in several threads of Python at once.

    The number is one for the whole process: the first block to begin sets it, and the last one to
    end restores it.
    """

    def __init__(self) -> None:
        """Start without a block; a forked copy of the process does so, too."""
        self._lock = threading.Lock()
        self._blocks = 0
        self._before = 1

    def enter(self, threads: BlasThreads) -> None:
        """Begin a block."""
        with self._lock:
            if not self._blocks:
                self._before = threads.get()
                threads.set(1)
            self._blocks += 1

    def leave(self, threads: BlasThreads) -> None:
        """End a block."""
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                threads.set(self._before)


_limit = SharedLimit()
# Another thread may hold the lock while this process is copied.
os.register_at_fork(after_in_child=_limit.__init__)  # type: ignore[misc] # it makes the object again


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy's products take one thread within a `with` block, if its BLAS is OpenBLAS."""
    threads = None if os.environ.get("OPENBLAS_NUM_THREADS") == "1" else blas_threads()
    if threads is None:
        yield
        return
    _limit.enter(threads)
    try:
        yield
    finally:
        _limit.leave(threads)


@cache
def blas_threads() -> BlasThreads | None:
    """Return the functions of NumPy's OpenBLAS; None if NumPy uses another library."""
    for module in MODULES:
        try:
            library = ctypes.CDLL(str(import_module(module).__file__))
        except (ImportError, OSError):
            continue
        for name in NAMES:
            if hasattr(library, name.format("set")):
                get, set_ = (getattr(library, name.format(each)) for each in ("get", "set"))
                return BlasThreads(get, set_)
    return None
