"""Use the cores of this machine well: count them, and limit the threads of libraries."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.system.pools import ThreadPool

if TYPE_CHECKING:
    import torch

SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"  # Linux
# The names of one function: in NumPy's wheels, and where NumPy uses an OpenBLAS of the system.
NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)
MODULES = ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath")  # NumPy 2, NumPy 1
# Rounds of the waiting loop, 0.1 to 0.4 ms; GNU OpenMP's default is 300,000. With 1,000, a pause
# between two operations is long enough to fall asleep.
SPIN_COUNT = 10_000
OWN_CHOICES = "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"
# oneDNN, which multiplies torch's matrices on a CPU, compiles a kernel for each shape and keeps
# 1,024 of each of two kinds. Batches come in hundreds of shapes, which filled a gigabyte; smaller
# caches cost no measurable time. The variables are read once, at the first product.
KERNEL_CACHES = {"LRU_CACHE_CAPACITY": "1", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "200"}
MAX_THREADS = 4  # more would wait for Python's lock, and were not measured


def core_count() -> int:
    """Return how many threads PyTorch computes with, without importing it.

    That is one for each core that this process may run on. MKL_NUM_THREADS, or else
    OMP_NUM_THREADS, sets a smaller number. If PyTorch is imported already, it is asked.
    """
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):  # else it is being imported
        return int(torch.get_num_threads())
    cores = present_cores()
    for name in ("MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        wanted = os.environ.get(name, "").partition(",")[0].strip()  # one of each nested level
        if wanted.isdecimal() and int(wanted):
            return min(int(wanted), cores)
    return cores


@contextmanager
def same_core_count() -> Iterator[None]:
    """Restore PyTorch's number of threads after a block.

    Another library that loads OpenMP may reach PyTorch's copy of it, and change the number.
    """
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)


def processor_count() -> int:
    """Return the number of hardware threads that this process may run on."""
    if sys.platform != "linux":
        return os.cpu_count() or 1
    return len(os.sched_getaffinity(0))


def present_cores() -> int:
    """Return the number of cores, not hardware threads, that this process may run on."""
    if sys.platform != "linux":
        return processor_count()
    try:
        numbers = os.sched_getaffinity(0)
        return len({Path(SIBLINGS.format(number)).read_text() for number in numbers})
    except OSError:  # a container may hide them
        return processor_count()


class BlasThreads:
    """The threads of NumPy's OpenBLAS, whose number is one for the whole process.

    Blocks that limit it may run in several threads of Python at once: the first one to begin sets
    the limit, and the last one to end restores the number.
    """

    def __init__(self, get: Callable[[], int], set_: Callable[[int], object]) -> None:
        """Take the functions that get and set the number."""
        self.get, self.set = get, set_
        self._start()
        # Another thread may hold the lock while this process is copied.
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._blocks, self._before = 0, 1

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Let products take one thread until the block ends."""
        with self._lock:
            if not self._blocks:
                self._before = self.get()
                self.set(1)
            self._blocks += 1
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if not self._blocks:
                    self.set(self._before)


def one_blas_thread() -> AbstractContextManager[None]:
    """Let NumPy's products take one thread within a `with` block, if its BLAS is OpenBLAS.

    A search multiplies thousands of small matrices. Each process that searches would have a thread
    on each core, and these threads would wait for each other: with 2 processes on 2 busy cores, a
    translation took ten times as long as with one thread in each.
    """
    threads = None if os.environ.get("OPENBLAS_NUM_THREADS") == "1" else blas_threads()
    return threads.limited() if threads else nullcontext()


@cache
def blas_threads() -> BlasThreads | None:
    """Return the functions of NumPy's OpenBLAS; None if NumPy uses another library."""
    from ctypes import CDLL

    for module in MODULES:
        try:
            library = CDLL(str(import_module(module).__file__))
        except (ImportError, OSError):
            continue
        for name in NAMES:
            if hasattr(library, name.format("set")):
                get, set_ = (getattr(library, name.format(verb)) for verb in ("get", "set"))
                return BlasThreads(get, set_)
    return None


def limit_spinning() -> None:
    """Let waiting threads sleep soon, unless the environment says how they wait.

    When PyTorch's threads have finished an operation, they spin: they wait in a loop, because the
    next operation may come soon. PyTorch's packages for Linux contain GNU OpenMP, which lets them
    spin for milliseconds. That is longer than the pauses between two operations, and it keeps cores
    that other threads or programs need.

    OpenMP reads the variable once, when PyTorch is imported; later this does nothing.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in OWN_CHOICES):
        os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)


def limit_kernel_caches() -> None:
    """Keep oneDNN's caches small, unless the environment sets their size."""
    for name, capacity in KERNEL_CACHES.items():
        os.environ.setdefault(name, capacity)


def thread_count() -> str:
    """Return the number of torch's threads as a text such as "2 threads"."""
    import torch

    count = torch.get_num_threads()
    return f"{count} thread{'' if count == 1 else 's'}"


def thread_pool_for(device: "torch.device") -> ThreadPool:
    """Return a pool for work on a device: several threads on a CPU, one on a GPU."""
    return torch_threads(MAX_THREADS if device.type == "cpu" else 1)


def torch_threads(most: int = MAX_THREADS) -> ThreadPool:
    """Return a pool of up to `most` threads that divide torch's cores among them.

    An operation on small tensors gains little from a second core, but two halves of a batch gain
    almost a whole one: on 2 cores a small model trains 1.35 times as fast with one thread per half
    as with both cores in each operation.
    """
    import torch

    limit_kernel_caches()
    cores = torch.get_num_threads()
    # Leave the fewest cores idle; of equal choices take the most threads.
    numbers = range(min(2, cores, most), min(cores, most) + 1)
    count = max(numbers, key=lambda count: (cores // count * count, count))
    return ThreadPool(count, partial(torch.set_num_threads, cores // count))
