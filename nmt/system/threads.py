"""A map over threads that compute side by side, each on cores of its own.

An operation on small tensors gains little from a second core, two halves of the work nearly all of
it: on 2 cores a small model trained 1.35 times as fast so as with both at work in each operation.
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

# oneDNN, which multiplies torch's matrices on a CPU, makes code for each shape it meets and keeps
# 1,024 of each of two kinds. Batches come in hundreds of shapes: that filled a gigabyte; smaller
# caches cost no time that could be measured. The variables are read once, at the first product.
KERNEL_CACHES = {"LRU_CACHE_CAPACITY": "1", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "200"}
MOST = 4  # threads; more would wait for Python's lock, and were not measured

Item = TypeVar("Item")
Result = TypeVar("Result")


def bound_kernel_caches() -> None:
    """Keep oneDNN's caches small, unless the environment says how large they are."""
    for name, capacity in KERNEL_CACHES.items():
        os.environ.setdefault(name, capacity)


def threads_for(device: torch.device) -> "Threads":
    """Threads for work on a CPU; none for a GPU, which takes its work one by one."""
    return Threads(MOST if device.type == "cpu" else 1)


class Threads:
    """Threads that share this process's cores out; with one core, none."""

    def __init__(self, wanted: int = MOST) -> None:
        bound_kernel_caches()
        cores = torch.get_num_threads()
        # As many as leave the fewest cores idle, and some, if there are two.
        numbers = range(min(2, cores, wanted), min(cores, wanted) + 1)
        self.count = max(numbers, key=lambda count: (cores // count * count, count))
        self._pool = None
        if self.count > 1:
            self._pool = ThreadPoolExecutor(
                self.count, "nmt", torch.set_num_threads, (cores // self.count,)
            )
            # All begin now, not when memory for their stacks may be short.
            together = threading.Barrier(self.count)
            list(self._pool.map(lambda _: together.wait(), range(self.count)))

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterable[Result]:
        """As the built-in: the results in order of the items."""
        if self._pool is None:
            return map(function, items)
        return self._pool.map(function, items)
