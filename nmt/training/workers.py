"""Many processes that train one model, started by `torchrun` or anything that sets its variables.

Every worker plans the same batches and takes its share of each; gradients and counts are added up,
so that the updates are those of one process. The first worker alone writes. What a worker does
alone, and the error that ends one, travel through the key-value store that torchrun keeps.
"""

import gc
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nmt.errors import NmtError
from nmt.system.log import be_quiet
from nmt.training.signals import StoppedEarly, StopRequest

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
LOOK_SECONDS = 0.05  # between looks into the store
ERROR_SECONDS = 2.0  # that a lost worker's error may take to arrive
# A worker may wait while the first one writes a checkpoint, never for a corpus to be prepared.
COLLECTIVE_TIMEOUT = timedelta(minutes=30)

Item = TypeVar("Item")
Result = TypeVar("Result")


class Store(Protocol):
    """The key-value store that all workers see (torch gives its own no types)."""

    def set(self, key: str, value: str, /) -> None:
        """Put a value."""

    def get(self, key: str, /) -> bytes:
        """Wait for a value."""

    def check(self, keys: list[str], /) -> bool:
        """Whether all keys have values."""


@dataclass
class Workers:
    """This process's place among its fellows; alone, everything here is what it would be anyway."""

    rank: int = 0
    count: int = 1
    store: Store | None = None

    def __post_init__(self) -> None:
        self._turns = count()
        self._parent = os.getppid()
        self._stop: StopRequest | None = None  # that may be followed within `map`

    def is_orphaned(self) -> bool:
        """Whether torchrun, which started this worker, is gone."""
        return self.store is not None and os.getppid() != self._parent

    @property
    def is_first(self) -> bool:
        """Whether this one writes and speaks."""
        return self.rank == 0

    def first(self, action: Callable[[], str]) -> str:
        """What `action` returns to the first worker, to all; they wait for it, however long."""
        turn = f"turn {next(self._turns)}"
        if self.store is None:
            return action()
        if self.is_first:
            text = action()
            self.store.set(turn, text)
            return text
        while not self.store.check([turn]):
            self._raise_told()
            time.sleep(LOOK_SECONDS)
        return str(self.store.get(turn), "utf-8")

    def add(self, values: Tensor) -> Tensor:
        """The sum of each value over all workers."""
        if self.store is not None:
            dist.all_reduce(values)
        return values

    def agree(self, stop: int | None, device: torch.device) -> int | None:
        """The signal that stops all workers, by the one that each got."""
        got = [stop == signal.SIGINT, stop == signal.SIGTERM]
        return agreed_signal(
            *self.add(torch.tensor(got, dtype=torch.float32, device=device)).tolist()
        )

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterable[Result]:
        """As the built-in: the results of all items, in order, each made by one of the workers."""
        items = list(items)
        mine = []
        for item in items[self.rank :: self.count]:
            if self._stop is not None and self._stop.signal is not None:
                break
            mine.append(function(item))
        if self.store is None:
            return mine
        parts: list[Any] = [None] * self.count
        dist.all_gather_object(parts, mine)
        if sum(map(len, parts)) < len(items):
            raise StoppedEarly
        return [parts[index % self.count][index // self.count] for index in range(len(items))]

    @contextmanager
    def may_leave(self, stop: StopRequest) -> Iterator[None]:
        """A block whose `map` all workers leave, by StoppedEarly, once any of them got a signal."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network whose gradients are summed over all workers during the backward pass."""
        if self.store is None:
            return network
        with warnings.catch_warnings():
            # Newer versions have another name for `broadcast_buffers`, which older ones don't know.
            warnings.simplefilter("ignore", FutureWarning)
            wrapped = DistributedDataParallel(
                network,
                device_ids=[device] if device.type == "cuda" else None,
                broadcast_buffers=False,
                gradient_as_bucket_view=True,
            )
        # A hook's annotations must be torch's own classes, or none as a lambda's.
        wrapped.register_comm_hook(None, lambda _, bucket: add_up(bucket.buffer()))
        return wrapped

    def _raise_told(self) -> None:
        """Raise NmtError if a worker has left its error behind."""
        assert self.store is not None  # noqa: S101 (for the type checker)
        try:
            told = str(self.store.get("error"), "utf-8") if self.store.check(["error"]) else None
        except dist.DistError as error:
            raise NmtError("stopped, as torchrun is gone; the same command goes on") from error
        if told is not None:
            raise NmtError(f"stopped, as {told}")

    def explain(self, error: BaseException) -> None:
        """Before an error ends this worker: leave it to the others, or raise theirs, its cause."""
        if self.store is None:
            return
        if is_lost_connection(error):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's: it ends soon, and says why
            deadline = time.monotonic() + ERROR_SECONDS
            while time.monotonic() < deadline:
                self._raise_told()
                time.sleep(LOOK_SECONDS)
            raise NmtError(
                "another worker is gone without a word, killed perhaps"
                f" ({str(error).splitlines()[0]}); the same command goes on from the last"
                " checkpoint"
            ) from error
        reason = str(error) if isinstance(error, Exception) else ""
        with suppress(dist.DistError):  # torchrun may be gone as well
            self.store.set("error", f"worker {self.rank} did: {reason or type(error).__name__}")


def add_up(gradients: Tensor) -> "torch.futures.Future[Tensor]":
    """Sum gradients over the workers, where DistributedDataParallel would take their mean."""
    future: torch.futures.Future[Any] = dist.all_reduce(gradients, async_op=True).get_future()
    return future.then(lambda done: done.value()[0])


def is_lost_connection(error: BaseException) -> bool:
    """Whether a collective operation failed because another worker is gone."""
    # gloo's errors have no type of their own, but name their place in its source.
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and "gloo/transport" in str(error)
    )


def local_device(device: torch.device) -> torch.device:
    """This worker's own GPU, where the device is one of several."""
    local_rank = os.environ.get("LOCAL_RANK")
    if device.type != "cuda" or local_rank is None:
        return device
    index = number_in("LOCAL_RANK")
    if index >= torch.cuda.device_count():
        raise NmtError(
            f"worker {index} of this machine has no GPU of its own, there are"
            f" {torch.cuda.device_count()}; start torchrun with --nproc-per-node of at most that"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


@contextmanager
def join_workers(device: torch.device) -> Iterator[Workers]:
    """Meet the other workers, if torchrun started any, and part from them at the end.

    An error in the block, this worker's or another's, ends all of them with the same sentence.
    """
    if "WORLD_SIZE" not in os.environ or number_in("WORLD_SIZE") < 2:
        yield Workers()
        return
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing:
        raise NmtError(
            f"WORLD_SIZE is set but {', '.join(missing)} is not; start many workers with torchrun,"
            " or unset WORLD_SIZE"
        )
    workers = meet(device)
    if not workers.is_first:
        be_quiet()
    try:
        yield workers
    except BaseException as error:
        # The group is not closed after an error: that would wait for the lost.
        workers.explain(error)
        raise
    gc.collect()  # the wrapped network, in a circle with itself, would keep the group's threads
    dist.destroy_process_group()


def meet(device: torch.device) -> Workers:
    """Join the process group of this start of the program."""
    rank, size, port = (number_in(name) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    by_torchrun = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    try:
        # torch gives its stores no types.
        store = dist.TCPStore(  # type: ignore[attr-defined]
            os.environ["MASTER_ADDR"],
            port,
            size,
            is_master=rank == 0 and not by_torchrun,
        )
        start = f"nmt start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
        own = dist.PrefixStore(start, store)  # type: ignore[attr-defined]
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=dist.PrefixStore("group", own),  # type: ignore[attr-defined]
            rank=rank,
            world_size=size,
            timeout=COLLECTIVE_TIMEOUT,
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise NmtError(f"worker {rank} cannot meet the others: {reason}") from error
    return Workers(rank, size, own)


def number_in(name: str) -> int:
    """The whole number that an environment variable holds; raises NmtError if it holds none."""
    try:
        return int(os.environ[name])
    except ValueError as error:
        raise NmtError(
            f"{name} is {os.environ[name]!r}, not a whole number; torchrun sets it, else unset it"
        ) from error


def agreed_signal(interrupted: float, terminated: float) -> int | None:
    """The signal that stops all, by how many workers got SIGINT and SIGTERM."""
    if terminated:
        return int(signal.SIGTERM)
    return int(signal.SIGINT) if interrupted else None
