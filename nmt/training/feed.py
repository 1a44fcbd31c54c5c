"""Feed a training with batches: plan epochs, read pairs and pad them, ahead of time on a GPU.

A GPU should never wait for Python: `Pace` says how far a training runs ahead of its device.

A batch depends on the seed, the epoch and its number alone, so that the feed gives the same
batches whether it works ahead or not, and after a resume.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch

from nmt.config import TrainSettings
from nmt.text.batches import Batch, PairDataset
from nmt.text.bpe_dropout import RebatchedPlan
from nmt.text.plan import EpochPlan, Integers, plan_epoch
from nmt.training.workers import Workers

POLL_SECONDS = 0.1  # between two looks at whether the feed is closed
# The last part of an epoch, in which a GPU's feed plans the next one. It takes longer than planning
# does, but is no longer than needed: two plans are in memory then.
LAST_PART = 0.125

Plan = EpochPlan | RebatchedPlan


@dataclass(frozen=True)
class Pace:
    """How many batches to prefetch, how they are padded, and how many results may be pending."""

    batches_ahead: int = 0  # batches that a thread makes ready; 0: each when it is needed
    late_results: int = 0  # updates whose results may be pending
    length_multiple: int = 1  # lengths of batches are padded to multiples of this
    saves_in_background: bool = False  # checkpoints are copied, and written by a thread


# On a CPU, working ahead saves no time: Python waits while the CPU computes an update.
CPU = Pace()
# Few different lengths let the allocator and compiled kernels reuse what they have. But batches of
# newstest's lengths are 1.8 % padding with multiples of 2, 5.1 % with 4 and 11.1 % with 8.
GPU = Pace(batches_ahead=4, late_results=1, length_multiple=2, saves_in_background=True)


def pace_of(device: torch.device) -> Pace:
    """Return the pace for a device."""
    return CPU if device.type == "cpu" else GPU


@dataclass(frozen=True)
class FedBatch:
    """A batch of an epoch, and this worker's share of it."""

    epoch: int
    number: int  # counted from 1
    indices: Integers  # the pairs of all workers
    share: tuple[Batch, ...]  # micro-batches on the device
    counts: bool  # False if the share stands in for an empty one


class Feed:
    """An iterator over the batches from one epoch and batch on, without end.

    Use it as a context manager: leaving it ends the thread that works ahead.
    """

    def __init__(
        self,
        dataset: PairDataset,
        plan: Callable[[int], Plan],
        *,
        epoch: int,
        batch: int,
        workers: Workers,
        micro_batch_tokens: int = 0,
        pace: Pace,
        device: torch.device,
    ) -> None:
        """Prepare to feed.

        Args:
            dataset: the pairs.
            plan: returns the batches of an epoch.
            epoch: the first epoch.
            batch: batches of this epoch that have been used before.
            workers: they share each batch; the feed returns the share of this one.
            micro_batch_tokens: as in `Batch.split`.
            pace: how many batches a thread makes ready, and how they are padded.
            device: where the batches go.
        """
        self._dataset = dataset
        self._plan = plan
        self._from = epoch, batch
        self._workers = workers
        self._pace = pace
        self._device = device
        self._micro_batch_tokens = micro_batch_tokens
        self._open = ExitStack()
        self._planner: ThreadPoolExecutor | None = None
        self._closed = threading.Event()
        self._source: Iterator[FedBatch] = self._batches()

    def __enter__(self) -> "Feed":
        if self._pace.batches_ahead:
            self._planner = self._open.enter_context(ThreadPoolExecutor(1, "plan"))
            self._source = self._read_ahead(self._source)
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._open.close()

    def __iter__(self) -> Iterator[FedBatch]:
        return self

    def __next__(self) -> FedBatch:
        return next(self._source)

    def _batches(self) -> Iterator[FedBatch]:
        """Yield the batches, epoch after epoch; a GPU never waits for a plan but the first one."""
        epoch, used = self._from
        following: Future[Plan] | None = None
        while True:
            plan = following.result() if following else self._plan(epoch)
            following = None
            for number in range(used, len(plan)):
                is_last_part = number >= (1 - LAST_PART) * len(plan)
                if is_last_part and self._planner is not None and following is None:
                    following = self._planner.submit(self._plan, epoch + 1)
                yield self._batch(epoch, number + 1, plan[number])
            del plan  # on a CPU before the next epoch's plan is made: each takes much memory
            epoch, used = epoch + 1, 0

    def _batch(self, epoch: int, number: int, indices: Integers) -> FedBatch:
        own = indices[self._workers.rank :: self._workers.count]
        # A worker without pairs takes one that does not count: every worker needs a backward pass.
        share = self._dataset.batch(
            own if len(own) else indices[:1], epoch, self._pace.length_multiple
        )
        parts = tuple(part.to(self._device) for part in share.split(self._micro_batch_tokens))
        return FedBatch(epoch, number, indices, parts, bool(len(own)))

    def _read_ahead(self, source: Iterator[FedBatch]) -> Iterator[FedBatch]:
        """Start a thread that fills a queue, and yield from the queue."""
        made: queue.Queue[FedBatch | BaseException] = queue.Queue(self._pace.batches_ahead)

        def put(item: FedBatch | BaseException) -> None:
            while not self._closed.is_set():
                try:
                    made.put(item, timeout=POLL_SECONDS)
                    return
                except queue.Full:
                    continue

        def fill() -> None:
            try:
                if self._device.type == "cuda" and self._device.index is not None:
                    torch.cuda.set_device(self._device)  # each thread has a current GPU
                while not self._closed.is_set():
                    put(next(source))
            except BaseException as error:
                put(error)

        thread = threading.Thread(target=fill, name="feed", daemon=True)
        thread.start()
        self._open.callback(thread.join)
        return self._taken(made)

    def _taken(self, made: "queue.Queue[FedBatch | BaseException]") -> Iterator[FedBatch]:
        while True:
            item = made.get()
            if isinstance(item, BaseException):
                raise item
            yield item


def training_feed(
    settings: TrainSettings,
    dataset: PairDataset,
    pace: Pace,
    device: torch.device,
    workers: Workers,
    *,
    epoch: int,
    batch: int,
) -> Feed:
    """Return the batches of a training from an epoch and a batch on; see `Feed`."""
    return Feed(
        dataset,
        lambda number: dataset.rebatched(
            plan_batches(settings, dataset, number), settings.seed, number
        ),
        epoch=epoch,
        batch=batch,
        workers=workers,
        micro_batch_tokens=settings.micro_batch_tokens,
        pace=pace,
        device=device,
    )


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
