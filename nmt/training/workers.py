"""Many processes that train one model, started by `torchrun` or another launcher.

Every worker plans the same batches and takes its share of each. Gradients and token counts are
summed over the workers: except for rounding and dropout masks, updates equal those of one process.
Only the first worker writes files. The results of its work, and the error that ends a worker, reach
the others through torchrun's key-value store.
"""

import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nmt.errors import NmtError
from nmt.system.processes import STOP_SIGNALS
from nmt.training.peer_watch import KILLED, PeerWatch
from nmt.training.shared_error import Store, set_shared_error, shared_error
from nmt.training.signals import Interrupted, StopRequest

POLL_SECONDS = 0.05  # between two reads of the store
ERROR_WAIT_SECONDS = 3.0  # for the reason why a worker is gone; some looks of a `PeerWatch`
SIGNAL_WAIT_SECONDS = 0.7  # for the reason of a signal, which is often the user

Item = TypeVar("Item")
Result = TypeVar("Result")
Json = bool | int | float | str | None | list[Any] | dict[str, Any]
JsonValue = TypeVar("JsonValue", bound=Json)


@dataclass
class Workers:
    """The group of worker processes as seen by one of them; by default a single process."""

    rank: int = 0
    count: int = 1
    store: Store | None = None  # None for a single process
    watch: PeerWatch | None = None  # notices workers that are lost

    def __post_init__(self) -> None:
        self._call_numbers = count()
        self._parent = os.getppid()
        self._stop: StopRequest | None = None  # ends `map` early when it has a signal

    def is_orphaned(self) -> bool:
        """Return True if torchrun, which started this worker, has ended."""
        return self.store is not None and os.getppid() != self._parent

    @property
    def is_alone(self) -> bool:
        """True for a process that belongs to no group; a group may have a single worker, too."""
        return self.store is None

    @property
    def is_first(self) -> bool:
        """True for the one worker that writes files and prints."""
        return self.rank == 0

    def on_first_worker(self, action: Callable[[], JsonValue]) -> JsonValue:
        """Run `action` on the first worker only and return its result on every worker.

        The result travels as JSON. The other workers wait without a time limit. Raises NmtError on
        them if the first worker fails.
        """
        if self.store is None:
            return action()
        key = f"call {next(self._call_numbers)}"
        if self.is_first:
            result = action()
            self.store.set(key, json.dumps(result))
            return result
        while not self.store.check([key]):
            self.raise_shared_error()
            time.sleep(POLL_SECONDS)
        # The first worker ran the same action, whose result type is JsonValue.
        received: JsonValue = json.loads(self.store.get(key))
        return received

    def all_reduce(self, values: Tensor) -> Tensor:
        """Sum each value over all workers, in place, and return the tensor."""
        if self.store is not None:
            self._raise_failure()
            dist.all_reduce(values)
        return values

    def from_first(self, value: Result) -> Result:
        """Return the value that the first worker passes; it travels as a pickle."""
        values = [value]
        if self.store is not None:
            dist.broadcast_object_list(values, 0)
        return values[0]

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors, in place, by those of the first worker."""
        if self.store is not None:
            for each in tensors:
                dist.broadcast(each, 0)

    def gather(self, value: Result) -> list[Result]:
        """Return the values that the workers pass, by rank."""
        if self.store is None:
            return [value]
        self._raise_failure()
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def meet(self) -> None:
        """Wait until all workers are here; raises NmtError if one fails before it is."""
        if self.store is not None:
            self._raise_failure()
            dist.all_reduce(torch.zeros(1))

    def shared_signal(self, received: int | None) -> int | None:
        """Return the signal that stops all workers, from the one that each received."""
        flags = torch.tensor(signal_flags(received), dtype=torch.float32)
        return combined_signal(*self.all_reduce(flags).tolist())

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterable[Result]:
        """Return the results of all items in order, like the built-in `map`.

        Each worker computes every `count`-th item. Raises Interrupted within `interruptible`.
        """
        items = list(items)
        own = []
        for item in items[self.rank :: self.count]:
            if self._stop is not None and self._stop.signal is not None:
                break
            self._raise_failure()
            own.append(function(item))
        if self.store is None:
            return own
        parts = self.gather(own)
        if sum(map(len, parts)) < len(items):
            raise Interrupted
        return [parts[index % self.count][index // self.count] for index in range(len(items))]

    @contextmanager
    def interruptible(self, stop: StopRequest) -> Iterator[None]:
        """Let a signal to any worker end `map` on all workers within a `with` block.

        `map` then raises Interrupted once each worker has finished its current item.
        """
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    def wrap(
        self,
        network: nn.Module,
        device: torch.device,
        bucket_megabytes: int = 25,
        gradient_precision: str = "float32",
    ) -> nn.Module:
        """Wrap the network so that the backward pass sums its gradients over all workers.

        Arguments but the first two are settings of `[train]`.
        """
        if self.store is None:
            return network
        with warnings.catch_warnings():
            # Newer versions of PyTorch rename `broadcast_buffers`; older ones lack the new name.
            warnings.simplefilter("ignore", FutureWarning)
            wrapped = DistributedDataParallel(
                network,
                device_ids=[device] if device.type == "cuda" else None,
                broadcast_buffers=False,
                bucket_cap_mb=bucket_megabytes,
                gradient_as_bucket_view=True,
            )
        summed = sum_in_bf16 if gradient_precision == "bf16" else sum_gradients
        # PyTorch accepts a hook with its own annotations or with none, such as a lambda.
        wrapped.register_comm_hook(None, lambda _, bucket: summed(bucket.buffer()))
        return wrapped

    def raise_shared_error(self) -> None:
        """Raise NmtError if another worker has shared its error, or was killed."""
        assert self.store is not None  # noqa: S101 (for the type checker)
        self._raise_failure()
        try:
            message = shared_error(self.store)
        except dist.DistError as error:
            gone = "torchrun" if self.is_orphaned() else "the first worker, or its torchrun,"
            raise NmtError(
                f"stopped because {gone} is gone; the same command resumes the training"
            ) from error
        if message is not None:
            raise NmtError(f"stopped because {message}")

    def _raise_failure(self) -> None:
        """Raise NmtError if this worker has noticed that another one was lost."""
        if self.watch is not None and self.watch.failure is not None:
            raise NmtError(f"stopped because {self.watch.failure}")

    def share_error(self, error: BaseException) -> None:
        """Send the error that ends this worker to the others.

        If the error is only a lost connection, or torchrun's signal after another worker was
        killed, raises NmtError with the reason instead.
        """
        if self.store is None:
            return
        if isinstance(error, Exception) and not is_lost_connection(error):
            reason = str(error) or type(error).__name__
            set_shared_error(self.store, f"worker {self.rank} failed: {reason}")
            return
        # torchrun ends this worker soon; ignore that until the cause is known.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        by_signal = not isinstance(error, Exception)
        deadline = time.monotonic() + (SIGNAL_WAIT_SECONDS if by_signal else ERROR_WAIT_SECONDS)
        while time.monotonic() < deadline:
            try:
                self.raise_shared_error()
            except NmtError as reason:
                if not by_signal or KILLED in str(reason):
                    raise
            time.sleep(POLL_SECONDS)
        if by_signal:
            set_shared_error(self.store, f"worker {self.rank} was stopped by a signal")
            return
        raise NmtError(
            f"another worker {KILLED}: {str(error).splitlines()[0]};"
            " the same command resumes from the last checkpoint"
        ) from error


def sum_gradients(gradients: Tensor) -> "torch.futures.Future[Tensor]":
    """Sum gradients over the workers; DistributedDataParallel's default is the mean."""
    future: torch.futures.Future[Any] = dist.all_reduce(gradients, async_op=True).get_future()
    return future.then(lambda done: done.value()[0])


def sum_in_bf16(gradients: Tensor) -> "torch.futures.Future[Tensor]":
    """Sum gradients over the workers in half as many bytes, rounded to bf16."""
    rounded = gradients.to(torch.bfloat16)
    future: torch.futures.Future[Any] = dist.all_reduce(rounded, async_op=True).get_future()
    return future.then(lambda done: gradients.copy_(done.value()[0]))


def is_lost_connection(error: BaseException) -> bool:
    """Return True if a collective operation failed because another worker is gone."""
    # gloo raises plain RuntimeErrors, whose messages name a file of its source.
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and "gloo/transport" in str(error)
    )


def signal_flags(received: int | None) -> list[bool]:
    """Return a flag for each stop signal, which workers sum and pass to `combined_signal`."""
    return [received == each for each in STOP_SIGNALS]


def combined_signal(*counts: float) -> int | None:
    """Return the signal that stops all workers; None if none came.

    counts: for each stop signal, the number of workers that received it.
    """
    received = zip(STOP_SIGNALS, counts, strict=True)
    return next((int(number) for number, count in received if count), None)
