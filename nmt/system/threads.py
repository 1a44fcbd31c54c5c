"""A pool of threads that share the cores of this process.

An operation on small tensors gains little from a second core, but two halves of a batch gain almost
a whole one: on 2 cores a small model trains 1.35 times as fast with one thread per half as with
both cores in each operation.
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from nmt.system.parallel import Item, Result

if TYPE_CHECKING:
    import torch

# oneDNN, which multiplies torch's matrices on a CPU, compiles a kernel for each shape and keeps
# 1,024 of each of two kinds. Batches come in hundreds of shapes, which filled a gigabyte; smaller
# caches cost no measurable time. The variables are read once, at the first product.
KERNEL_CACHES = {"LRU_CACHE_CAPACITY": "1", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "200"}
MAX_THREADS = 4  # more would wait for Python's lock, and were not measured


def limit_kernel_caches() -> None:
    """Keep oneDNN's caches small, unless the environment sets their size."""
    for name, capacity in KERNEL_CACHES.items():
        os.environ.setdefault(name, capacity)


def thread_count() -> str:
    """Return the number of torch's threads as a text such as "2 threads"."""
    import torch

    count = torch.get_num_threads()
    return f"{count} thread{'' if count == 1 else 's'}"


def thread_pool_for(device: "torch.device") -> "TorchThreadPool":
    """Return a pool for work on a device: several threads on a CPU, one on a GPU."""
    return TorchThreadPool(MAX_THREADS if device.type == "cpu" else 1)


class TorchThreadPool:
    """A pool of up to `max_threads` threads that divide torch's cores among them.

    With one core, work runs on the calling thread.
    """

    def __init__(self, max_threads: int = MAX_THREADS) -> None:
        import torch

        limit_kernel_caches()
        cores = torch.get_num_threads()
        # Leave the fewest cores idle; of equal choices take the most threads.
        numbers = range(min(2, cores, max_threads), min(cores, max_threads) + 1)
        self.count = max(numbers, key=lambda count: (cores // count * count, count))
        self._pool = None
        if self.count > 1:
            self._pool = ThreadPoolExecutor(
                self.count, "nmt", torch.set_num_threads, (cores // self.count,)
            )
            # Start all threads now: later, memory for their stacks may be short.
            together = threading.Barrier(self.count)
            list(self._pool.map(lambda _: together.wait(), range(self.count)))

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterable[Result]:
        """Return the results in the order of the items, like the built-in `map`."""
        if self._pool is None:
            return map(function, items)
        return self._pool.map(function, items)
