"""Load the batches of a training: plan epochs, read pairs and pad them, ahead of time on a GPU.

A GPU should never wait for Python: `Prefetch` says how far a training runs ahead of its device.

A batch depends on the seed, the epoch and its number alone, so that the loader gives the same
batches whether it works ahead or not, and after a resume.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch

from nmt.config import TrainSettings
from nmt.text.batches import Batch, PairDataset
from nmt.text.bpe_dropout import RebatchedPlan
from nmt.text.plan import EpochPlan, plan_epoch
from nmt.text.shards import Integers
from nmt.training.parallel.workers import Workers

# The last part of an epoch, in which a GPU's loader plans the next one. It takes longer than
# planning does, but is no longer than needed: two plans are in memory then.
LAST_PART = 0.125

Plan = EpochPlan | RebatchedPlan


@dataclass(frozen=True)
class Prefetch:
    """How far a training works ahead of its device: batches, results and checkpoints."""

    batches_ahead: int = 0  # batches that a thread makes ready; 0: each when it is needed
    late_results: int = 0  # updates whose results may be pending
    length_multiple: int = 1  # lengths of batches are padded to multiples of this
    saves_in_background: bool = False  # checkpoints are copied, and written by a thread


# On a CPU, working ahead saves no time: Python waits while the CPU computes an update.
CPU = Prefetch()
# Few different lengths let the allocator and compiled kernels reuse what they have. But batches of
# newstest's lengths are 1.8 % padding with multiples of 2, 5.1 % with 4 and 11.1 % with 8.
GPU = Prefetch(batches_ahead=4, late_results=1, length_multiple=2, saves_in_background=True)


def choose_prefetch(device: torch.device) -> Prefetch:
    """Return what a training on a device does ahead of time."""
    return CPU if device.type == "cpu" else GPU


@dataclass(frozen=True)
class LoadedBatch:
    """A batch of an epoch, and this worker's share of it."""

    epoch: int
    number: int  # counted from 1
    indices: Integers  # the pairs of all workers
    share: tuple[Batch, ...]  # micro-batches on the device
    counts: bool  # False if the share stands in for an empty one


class BatchLoader:
    """An iterator over the batches from one epoch and batch on, without end.

    Use it as a context manager: leaving it ends the thread that works ahead.
    """

    def __init__(
        self,
        dataset: PairDataset,
        plan: Callable[[int], Plan],
        *,
        epoch: int = 0,
        batch: int = 0,
        workers: Workers,
        micro_batch_tokens: int = 0,
        prefetch: Prefetch,
        device: torch.device,
    ) -> None:
        """Prepare to load.

        Args:
            dataset: the pairs.
            plan: returns the batches of an epoch.
            epoch: the first epoch.
            batch: batches of this epoch that have been used before.
            workers: they share each batch; the loader returns the share of this one.
            micro_batch_tokens: as in `Batch.split`.
            prefetch: how many batches a thread makes ready, and how they are padded.
            device: where the batches go.
        """
        self._dataset = dataset
        self._plan = plan
        self._workers = workers
        self._prefetch = prefetch
        self._device = device
        self._micro_batch_tokens = micro_batch_tokens
        self._source = self._batches(epoch, batch)
        # Each has one thread, which starts with its first task.
        self._reader = ThreadPoolExecutor(1, "loader", choose_gpu, (device,))
        self._planner = ThreadPoolExecutor(1, "plan")
        self._ahead: deque[Future[LoadedBatch]] = deque()

    def __enter__(self) -> "BatchLoader":
        return self

    def __exit__(self, *_: object) -> None:
        for executor in (self._reader, self._planner):
            executor.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[LoadedBatch]:
        return self

    def __next__(self) -> LoadedBatch:
        if not self._prefetch.batches_ahead:
            return next(self._source)
        while len(self._ahead) <= self._prefetch.batches_ahead:  # with the one that is taken
            self._ahead.append(self._reader.submit(next, self._source))
        return self._ahead.popleft().result()

    def _batches(self, epoch: int, used: int) -> Iterator[LoadedBatch]:
        """Yield the batches, epoch after epoch; a GPU never waits for a plan but the first one."""
        following: Future[Plan] | None = None
        while True:
            plan = following.result() if following else self._plan(epoch)
            following = None
            for number in range(used, len(plan)):
                is_last_part = number >= (1 - LAST_PART) * len(plan)
                if is_last_part and self._prefetch.batches_ahead and following is None:
                    following = self._planner.submit(self._plan, epoch + 1)
                yield self._batch(epoch, number + 1, plan[number])
            del plan  # on a CPU before the next epoch's plan is made: each takes much memory
            epoch, used = epoch + 1, 0

    def _batch(self, epoch: int, number: int, indices: Integers) -> LoadedBatch:
        own = indices[self._workers.rank :: self._workers.count]
        # A worker without pairs takes one that does not count: every worker needs a backward pass.
        share = self._dataset.batch(
            own if len(own) else indices[:1], epoch, self._prefetch.length_multiple
        )
        parts = tuple(part.to(self._device) for part in share.split(self._micro_batch_tokens))
        return LoadedBatch(epoch, number, indices, parts, bool(len(own)))


def choose_gpu(device: torch.device) -> None:
    """Make a GPU the current one of this thread; each thread has its own."""
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)


def epoch_batches(settings: TrainSettings, dataset: PairDataset, epoch: int) -> Plan:
    """Return the batches of an epoch as a training reads them: regrouped with BPE-dropout."""
    plan = plan_batches(settings, dataset, epoch)
    return dataset.rebatched(plan, settings.seed, epoch)


def plan_batches(settings: TrainSettings, dataset: PairDataset, epoch: int) -> EpochPlan:
    """Return the batches of an epoch, whose directions are sampled if the training asks for it."""
    source_lengths, target_lengths = dataset.source_lengths, dataset.target_lengths
    drawn = dataset.draw(settings.language_sampling, settings.seed, epoch)
    if drawn is not None:
        source_lengths, target_lengths = source_lengths[drawn], target_lengths[drawn]
    plan = plan_epoch(
        source_lengths,
        target_lengths,
        source_tokens=settings.batch_source_tokens,
        target_tokens=settings.batch_target_tokens,
        seed=settings.seed,
        epoch=epoch,
    )
    return plan if drawn is None else replace(plan, order=drawn[plan.order])
