"""Search encoded sources in batches of similar length, in parallel where that is faster."""

import sys
from collections.abc import Callable, Sequence

import torch

from nmt.decoding.hypothesis import Hypothesis
from nmt.system.parallel import Pool
from nmt.system.processes import ProcessPool
from nmt.system.threads import limit_kernel_caches
from nmt.text.plan import batches_for_workers

Search = Callable[[Sequence[list[int]]], list[list[Hypothesis]]]


class BatchScheduler:
    """Distributes sources to batches, and batches to processes."""

    def __init__(self, search: Search, batch_tokens: int, pool: Pool) -> None:
        """Take the search of one batch and the pool that runs it for many.

        search: returns the n best hypotheses of each source of a batch.
        batch_tokens: source tokens of a batch, padding included.
        """
        self._search = search
        self._batch_tokens = batch_tokens
        self._pool = pool

    def search(self, sources: Sequence[list[int]]) -> list[list[Hypothesis]]:
        """Return the n best hypotheses of each source (token ids without EOS), in order."""
        found: list[list[Hypothesis]] = [[] for _ in sources]
        lengths = [len(ids) + 1 for ids in sources]
        batches = batches_for_workers(lengths, self._batch_tokens, self._pool.count)
        results = self._pool.map(self._search, [[sources[i] for i in batch] for batch in batches])
        for batch, hypotheses in zip(batches, results, strict=True):
            for index, each in zip(batch, hypotheses, strict=True):
                found[index] = each
        return found


def decoding_pool(device: torch.device) -> ProcessPool:
    """Return a pool of one process for each core on Linux's CPUs, and of none elsewhere.

    A GPU takes one batch at a time, and on macOS forks are not safe.
    """
    limit_kernel_caches()
    is_parallel = device.type == "cpu" and sys.platform == "linux"
    return ProcessPool(torch.get_num_threads() if is_parallel else 1)
