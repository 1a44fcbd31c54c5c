"""Many processes that train one model, started by `torchrun` or another launcher.

Every worker plans the same batches and takes its share of each. Gradients and token counts are
summed over the workers: except for rounding and dropout masks, updates equal those of one process.
Only the first worker
writes files. The results of its work, and the error that ends a worker, reach the others through
torchrun's key-value store.
"""

import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nmt.errors import NmtError
from nmt.training.signals import Interrupted, StopRequest

POLL_SECONDS = 0.05  # between two reads of the store
ERROR_WAIT_SECONDS = 2.0  # for the error message of a worker that is gone

Item = TypeVar("Item")
Result = TypeVar("Result")
Json = bool | int | float | str | None | list[Any] | dict[str, Any]
JsonValue = TypeVar("JsonValue", bound=Json)


class Store(Protocol):
    """A key-value store that all workers share (PyTorch's own class has no type annotations)."""

    def set(self, key: str, value: str, /) -> None:
        """Store a value."""

    def get(self, key: str, /) -> bytes:
        """Wait for a value and return it."""

    def check(self, keys: list[str], /) -> bool:
        """Return True if all keys have values."""


@dataclass
class Workers:
    """The group of worker processes as seen by one of them; by default a single process."""

    rank: int = 0
    count: int = 1
    store: Store | None = None  # None for a single process

    def __post_init__(self) -> None:
        self._call_numbers = count()
        self._parent = os.getppid()
        self._stop: StopRequest | None = None  # ends `map` early when it has a signal

    def is_orphaned(self) -> bool:
        """Return True if torchrun, which started this worker, has ended."""
        return self.store is not None and os.getppid() != self._parent

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
            self._raise_shared_error()
            time.sleep(POLL_SECONDS)
        # The first worker ran the same action, whose result type is JsonValue.
        received: JsonValue = json.loads(self.store.get(key))
        return received

    def all_reduce(self, values: Tensor) -> Tensor:
        """Sum each value over all workers, in place, and return the tensor."""
        if self.store is not None:
            dist.all_reduce(values)
        return values

    def shared_signal(self, received: int | None, device: torch.device) -> int | None:
        """Return the signal that stops all workers, from the one that each received."""
        flags = torch.tensor(signal_flags(received), dtype=torch.float32, device=device)
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
            own.append(function(item))
        if self.store is None:
            return own
        parts: list[Any] = [None] * self.count
        dist.all_gather_object(parts, own)
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

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Wrap the network so that the backward pass sums its gradients over all workers."""
        if self.store is None:
            return network
        with warnings.catch_warnings():
            # Newer versions of PyTorch rename `broadcast_buffers`; older ones lack the new name.
            warnings.simplefilter("ignore", FutureWarning)
            wrapped = DistributedDataParallel(
                network,
                device_ids=[device] if device.type == "cuda" else None,
                broadcast_buffers=False,
                gradient_as_bucket_view=True,
            )
        # PyTorch accepts a hook with its own annotations or with none, such as a lambda.
        wrapped.register_comm_hook(None, lambda _, bucket: sum_gradients(bucket.buffer()))
        return wrapped

    def _raise_shared_error(self) -> None:
        """Raise NmtError if another worker has shared its error."""
        assert self.store is not None  # noqa: S101 (for the type checker)
        try:
            if not self.store.check(["error"]):
                return
            message = str(self.store.get("error"), "utf-8")
        except dist.DistError as error:
            raise NmtError(
                "stopped because torchrun is gone; the same command resumes the training"
            ) from error
        raise NmtError(f"stopped because {message}")

    def share_error(self, error: BaseException) -> None:
        """Send the error that ends this worker to the others.

        If the error is only a lost connection, raises NmtError with the other worker's error
        instead.
        """
        if self.store is None:
            return
        if is_lost_connection(error):
            # torchrun ends this worker soon; ignore that until the cause is known.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            deadline = time.monotonic() + ERROR_WAIT_SECONDS
            while time.monotonic() < deadline:
                self._raise_shared_error()
                time.sleep(POLL_SECONDS)
            raise NmtError(
                "another worker exited without an error message (killed?):"
                f" {str(error).splitlines()[0]}; the same command resumes from the last checkpoint"
            ) from error
        reason = str(error) if isinstance(error, Exception) else ""
        with suppress(dist.DistError):  # torchrun may be gone as well
            message = f"worker {self.rank} failed: {reason or type(error).__name__}"
            self.store.set("error", message)


def sum_gradients(gradients: Tensor) -> "torch.futures.Future[Tensor]":
    """Sum gradients over the workers; DistributedDataParallel's default is the mean."""
    future: torch.futures.Future[Any] = dist.all_reduce(gradients, async_op=True).get_future()
    return future.then(lambda done: done.value()[0])


def is_lost_connection(error: BaseException) -> bool:
    """Return True if a collective operation failed because another worker is gone."""
    # gloo raises plain RuntimeErrors, whose messages name a file of its source.
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and "gloo/transport" in str(error)
    )


def signal_flags(received: int | None) -> list[bool]:
    """Return flags for SIGINT and SIGTERM, which workers sum and pass to `combined_signal`."""
    return [received == signal.SIGINT, received == signal.SIGTERM]


def combined_signal(interrupted: float, terminated: float) -> int | None:
    """Return the signal that stops all workers.

    interrupted, terminated: numbers of workers that received SIGINT and SIGTERM.
    """
    if terminated:
        return int(signal.SIGTERM)
    return int(signal.SIGINT) if interrupted else None
