"""Join and leave the group of workers that `torchrun` started."""

import gc
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from nmt.errors import NmtError
from nmt.system.devices import AUTO
from nmt.system.log import be_quiet
from nmt.system.processes import integer_variable, worker_count
from nmt.training.peer_watch import MEET_SECONDS, PeerWatch, not_started
from nmt.training.workers import Workers

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# Long enough for the first worker to write a checkpoint; `on_first_worker` has no time limit. A
# worker that was killed is noticed at once, see `PeerWatch`: this ends one that waits for a worker
# that hangs. NCCL then ends the process itself, as TORCH_NCCL_ASYNC_ERROR_HANDLING is on by
# default. TORCH_NCCL_BLOCKING_WAIT would make the CPU wait for every exchange, so it stays off.
COLLECTIVE_TIMEOUT = timedelta(minutes=10)


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
    workers, watch = join_process_group(device)
    if not workers.is_first:
        be_quiet()
    try:
        if device.type == "cuda":
            check_gpus(workers.gather(gpu_identity(device)))
        yield workers
    except BaseException as error:
        # After an error the group stays open: closing it would wait for workers that are gone.
        try:
            workers.share_error(error)
        finally:
            watch.stop()
        raise
    gc.collect()  # the wrapped network is in a reference cycle and would keep the group's threads
    watch.close()
    dist.destroy_process_group()


def join_process_group(device: torch.device) -> tuple[Workers, PeerWatch]:
    """Join PyTorch's process group by the environment's variables; raises NmtError on failure."""
    rank, size = integer_variable("RANK"), integer_variable("WORLD_SIZE")
    by_torchrun = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    try:
        store = open_store(is_master=rank == 0 and not by_torchrun)
        watch = PeerWatch(rank, store)
        watch.start(of_group(watch, open_store(is_master=False)))
        own = of_group(watch, store)
        watch.meet(size, own)
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
    return Workers(rank, size, own, watch), watch


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


def of_group(watch: PeerWatch, store: Any) -> Any:
    """Return a store without the keys of groups that were started before."""
    return dist.PrefixStore(f"nmt {watch.group}", store)  # type: ignore[attr-defined] # untyped


def gpu_identity(device: torch.device) -> str:
    """Return a text that no two GPUs share."""
    return f"{socket.gethostname()} {torch.cuda.get_device_properties(device).uuid}"


def check_gpus(identities: Sequence[str]) -> None:
    """Raise NmtError if two workers have the same GPU; NCCL's own error is hard to understand."""
    first: dict[str, int] = {}
    for rank, each in enumerate(identities):
        if first.setdefault(each, rank) != rank:
            raise NmtError(
                f"workers {first[each]} and {rank} have the same GPU; start torchrun with"
                " --nproc-per-node of at most the number of GPUs"
            )
