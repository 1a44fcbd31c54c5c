"""Many processes that train one model, started by `torchrun` or another launcher.

Every worker plans the same batches and takes its share of each. Gradients and token counts are
summed over the workers: except for rounding and dropout masks, updates equal those of one process.
Only the first worker writes files. The others get its results from torchrun's key-value store. The
lifeline tells all workers that one has failed, and why.
"""

import gc
import json
import os
import signal
import socket
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nmt.config import TrainSettings
from nmt.errors import NmtError
from nmt.system.devices import AUTO
from nmt.system.log import be_quiet
from nmt.system.processes import STOP_SIGNALS, integer_variable, worker_count
from nmt.training.parallel.lifeline import KILLED, MEET_SECONDS, Lifeline, not_started
from nmt.training.signals import Interrupted, StopRequest

POLL_SECONDS = 0.05  # between two reads of the store
ERROR_WAIT_SECONDS = 3.0  # for the reason why a worker is gone
SIGNAL_WAIT_SECONDS = 0.7  # for the reason of a signal, which is often the user
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# Ends a worker that waits for one that hangs; `Lifeline` notices at once when one was killed. It is
# longer than a validation takes, and than the first worker takes to write a checkpoint.
# `on_first_worker`, in which the first one learns a vocabulary, has no time limit. NCCL ends the
# process by itself, as TORCH_NCCL_ASYNC_ERROR_HANDLING is on by default. TORCH_NCCL_BLOCKING_WAIT
# would make the CPU wait for every exchange, so it stays off.
COLLECTIVE_TIMEOUT = timedelta(hours=1)

Item = TypeVar("Item")
Result = TypeVar("Result")
Json = bool | int | float | str | None | list[Any] | dict[str, Any]
JsonValue = TypeVar("JsonValue", bound=Json)


@dataclass
class Workers:
    """The group of worker processes as seen by one of them; by default a single process."""

    rank: int = 0
    count: int = 1
    store: Any = None  # PyTorch's key-value store of all workers; None for a single process
    lifeline: Lifeline | None = None  # notices workers that are lost

    def __post_init__(self) -> None:
        self._call_numbers = count()
        self._stop: StopRequest | None = None  # ends `map` early when it has a signal

    def is_orphaned(self) -> bool:
        """Return True if torchrun, which started this worker, has ended."""
        return self.lifeline is not None and self.lifeline.is_orphaned()

    @property
    def is_alone(self) -> bool:
        """Return True for a process in no group; a group may have a single worker, too."""
        return self.store is None

    @property
    def is_first(self) -> bool:
        """Return True for the one worker that writes files and prints."""
        return self.rank == 0

    def on_first_worker(self, action: Callable[[], JsonValue]) -> JsonValue:
        """Run `action` on the first worker only and return its result on every worker.

        The result travels as JSON. The other workers wait without a time limit. Raises NmtError on
        them if the first worker fails.
        """
        if self.store is None:
            return action()
        key = f"call {next(self._call_numbers)}"
        try:
            if self.is_first:
                result = action()
                self.store.set(key, json.dumps(result))
                return result
            while not self.store.check([key]):
                self._check_others()
                time.sleep(POLL_SECONDS)
            # The first worker ran the same action, whose result type is JsonValue.
            received: JsonValue = json.loads(self.store.get(key))
            return received
        except dist.DistError as error:
            self._check_others()
            raise self._gone() from error

    def all_reduce(self, values: Tensor) -> Tensor:
        """Sum each value over all workers, in place, and return the tensor."""
        if self.store is not None:
            self._check_others()
            dist.all_reduce(values)
        return values

    def gather(self, value: Result) -> list[Result]:
        """Return the values that the workers pass, by rank."""
        if self.store is None:
            return [value]
        self._check_others()
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def meet(self) -> None:
        """Wait until all workers are here; raises NmtError if one fails before it is."""
        if self.store is not None:
            self._check_others()
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
            self._check_others()
            own.append(function(item))
        if self.store is None:
            return own
        parts = self.gather(own)
        if sum(map(len, parts)) < len(items):
            raise Interrupted
        return [parts[index % self.count][index // self.count] for index in range(len(items))]

    @contextmanager
    def interruptible(self, stop: StopRequest) -> Iterator[None]:
        """Let a signal leave a `with` block by raising Interrupted; it must not write files.

        A single process leaves it at once. Many workers leave it in `map`, when each has finished
        its current item, also if only one of them received the signal.
        """
        if self.is_alone:
            with stop.interruptible():
                yield
            return
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    def wrap(self, network: nn.Module, device: torch.device, settings: TrainSettings) -> nn.Module:
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
                bucket_cap_mb=settings.bucket_megabytes,
                gradient_as_bucket_view=True,
            )
        summed = sum_in_bf16 if settings.gradient_precision == "bf16" else sum_gradients
        # PyTorch accepts a hook with its own annotations or with none, such as a lambda.
        wrapped.register_comm_hook(None, lambda _, bucket: summed(bucket.buffer()))
        return wrapped

    def _check_others(self) -> None:
        """Raise NmtError if another worker has failed or was lost."""
        if self.lifeline is not None:
            self.lifeline.check()

    def _gone(self) -> NmtError:
        """Return the error that the key-value store has ended, and with it whoever kept it."""
        gone = "torchrun" if self.is_orphaned() else "the first worker, or its torchrun,"
        return NmtError(f"stopped because {gone} is gone; the same command resumes the training")

    def share_error(self, error: BaseException) -> None:
        """Send the error that ends this worker to the others.

        If the error is only a lost connection, or torchrun's signal after another worker was
        killed, raises NmtError with the reason instead.
        """
        if self.lifeline is None:
            return
        if isinstance(error, Exception) and not is_lost_connection(error):
            # When torchrun is gone, each worker saves and ends by itself.
            lost_store = isinstance(error.__cause__, dist.DistError)
            if not lost_store and not self.is_orphaned():
                reason = str(error) or type(error).__name__
                self.lifeline.fail(f"worker {self.rank} failed: {reason}")
            return
        # torchrun ends this worker soon; ignore that until the cause is known.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        by_signal = not isinstance(error, Exception)
        deadline = time.monotonic() + (SIGNAL_WAIT_SECONDS if by_signal else ERROR_WAIT_SECONDS)
        while time.monotonic() < deadline:
            failure = self.lifeline.failure
            if failure is not None and (not by_signal or KILLED in failure):
                self.lifeline.check()
            if self.is_orphaned() and not by_signal:
                raise self._gone() from error
            time.sleep(POLL_SECONDS)
        if by_signal:
            self.lifeline.fail(f"worker {self.rank} was stopped by a signal")
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
    return [received == number for number in STOP_SIGNALS]


def combined_signal(*counts: float) -> int | None:
    """Return the signal that stops all workers; None if none came.

    counts: for each stop signal, the number of workers that received it.
    """
    received = zip(STOP_SIGNALS, counts, strict=True)
    return next((int(number) for number, count in received if count), None)


def local_device(name: str) -> str:
    """Return the name of this worker's own GPU if torchrun started several on GPUs, else `name`.

    The GPU becomes the current one, before anything is allocated on the first one. Raises NmtError
    if this machine has fewer GPUs than workers.
    """
    if name not in (AUTO, "cuda") or "LOCAL_RANK" not in os.environ:
        return name
    gpus = torch.cuda.device_count()
    if not gpus or not torch.cuda.is_available():
        return name
    index = gpu_index(integer_variable("LOCAL_RANK"), gpus)
    torch.cuda.set_device(index)
    return f"cuda:{index}"


def gpu_index(local_rank: int, gpus: int) -> int:
    """Return the index of a worker's GPU, from the number of GPUs that it sees.

    A launcher such as SLURM may show each worker a single GPU, its own. Raises NmtError if there
    are several, but fewer than workers.
    """
    if gpus == 1:
        return 0
    if local_rank >= gpus:
        raise NmtError(
            f"worker {local_rank} of this machine has no GPU: there are {gpus}; start torchrun with"
            f" --nproc-per-node of at most {gpus}"
        )
    return local_rank


def is_in_group() -> bool:
    """Return True if this process is one of many workers, or the only one that torchrun started.

    A container may set WORLD_SIZE=1 without any launcher.
    """
    if "WORLD_SIZE" not in os.environ:
        return False
    return worker_count() > 1 or "TORCHELASTIC_RUN_ID" in os.environ


@contextmanager
def join_workers(device: torch.device) -> Iterator[Workers]:
    """Join the other workers, if torchrun started any, and leave them at the end of the block.

    An error in the block of any worker ends all workers with the same message.
    """
    if not is_in_group():
        yield Workers()
        return
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing:
        raise NmtError(
            f"WORLD_SIZE is set but {', '.join(missing)} is not; start many workers with torchrun,"
            " or unset WORLD_SIZE"
        )
    workers, lifeline = join_process_group(device)
    if not workers.is_first:
        be_quiet()
    try:
        if device.type == "cuda":
            uuid = torch.cuda.get_device_properties(device).uuid
            check_gpus(workers.gather(f"{socket.gethostname()} {uuid}"))
        yield workers
    except BaseException as error:
        # After an error the group stays open: closing it would wait for workers that are gone.
        try:
            workers.share_error(error)
        finally:
            lifeline.stop()
        raise
    gc.collect()  # the wrapped network is in a reference cycle and would keep the group's threads
    lifeline.close()
    dist.destroy_process_group()


def join_process_group(device: torch.device) -> tuple[Workers, Lifeline]:
    """Join PyTorch's process group by the environment's variables; raises NmtError on failure."""
    rank, size = integer_variable("RANK"), integer_variable("WORLD_SIZE")
    by_torchrun = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    try:
        store = open_store(is_master=rank == 0 and not by_torchrun)
        lifeline = Lifeline(rank, store)
        # Without the keys of groups that were started before.
        own = dist.PrefixStore(f"nmt {lifeline.group}", store)  # type: ignore[attr-defined] # untyped
        lifeline.meet(size)
        dist.init_process_group(
            # Objects and agreements go through gloo, which fails at once if a worker is gone.
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
            store=dist.PrefixStore("group", own),  # type: ignore[attr-defined] # untyped in torch
            rank=rank,
            world_size=size,
            timeout=COLLECTIVE_TIMEOUT,
        )
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise NmtError(f"worker {rank} cannot connect to the others: {reason}") from error
    return Workers(rank, size, own, lifeline), lifeline


def open_store(*, is_master: bool) -> Any:
    """Return a client of torchrun's key-value store; PyTorch's stores have no type annotations.

    Raises NmtError if the store, of the first worker or torchrun, does not start in time.
    """
    host, port = os.environ["MASTER_ADDR"], integer_variable("MASTER_PORT")
    try:
        return dist.TCPStore(  # type: ignore[attr-defined] # untyped in torch
            host,
            port,
            is_master=is_master,
            wait_for_workers=False,
            timeout=timedelta(seconds=MEET_SECONDS),
        )
    except dist.DistError as error:
        if is_master:  # another program has the port
            raise
        raise NmtError(f"{not_started(0)}; {host} port {port} does not answer") from error


def check_gpus(identities: Sequence[str]) -> None:
    """Raise NmtError if two workers have the same GPU; NCCL's own error is hard to understand.

    identities: of each worker's GPU, a text that no two GPUs share.
    """
    first: dict[str, int] = {}
    for rank, gpu in enumerate(identities):
        if first.setdefault(gpu, rank) != rank:
            raise NmtError(
                f"workers {first[gpu]} and {rank} have the same GPU; start torchrun with"
                " --nproc-per-node of at most the number of GPUs"
            )
