"""Work on segments in batches of similar length, in parallel where that is faster."""

import sys
from collections.abc import Callable, Sequence, Sized
from typing import Generic, TypeVar

from nmt.system.pools import Pool, ProcessPool
from nmt.system.threads import core_count, limit_kernel_caches
from nmt.text.plan import batches_for_workers

Item = TypeVar("Item", bound=Sized)  # a part of a segment, or a pair; its length in tokens
Result = TypeVar("Result")


class BatchScheduler(Generic[Item, Result]):
    """Distributes parts of segments, or pairs, to batches, and batches to processes."""

    def __init__(
        self, function: Callable[[Sequence[Item]], list[Result]], batch_tokens: int, pool: Pool
    ) -> None:
        """Take the function of one batch and the pool that runs it for many.

        function: returns the result of each item of a batch, such as its n best hypotheses.
        batch_tokens: tokens of a batch, padding included.
        """
        self._function = function
        self._batch_tokens = batch_tokens
        self._pool = pool
        self.on_batch: Callable[[int], object] = lambda count: None  # receives what is done

    def map(self, items: Sequence[Item]) -> list[Result]:
        """Return the result of each item, in order."""
        lengths = [len(item) + 1 for item in items]
        batches = batches_for_workers(lengths, self._batch_tokens, self._pool.count)
        results = self._pool.map(self._function, [[items[i] for i in batch] for batch in batches])
        found = dict[int, Result]()
        for batch, own in zip(batches, results, strict=True):
            found.update(zip(batch, own, strict=True))
            self.on_batch(len(batch))
        return [found[index] for index in range(len(items))]

    def copy_again(self) -> None:
        """Let new copies of this process work from now on, because the function has changed."""
        if isinstance(self._pool, ProcessPool):
            self._pool.close()


def decoding_pool(device: str) -> ProcessPool:
    """Return a pool of one process for each core on Linux's CPUs, and of none elsewhere.

    device: a name, such as "cpu". A GPU takes one batch at a time, and on macOS forks are not safe.
    """
    limit_kernel_caches()
    is_parallel = device == "cpu" and sys.platform == "linux"
    return ProcessPool(core_count() if is_parallel else 1)
