"""The number of cores that computations of this process may use."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"  # Linux


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
