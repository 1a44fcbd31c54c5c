"""Join and leave the group of workers that `torchrun` started."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from nmt.errors import NmtError
from nmt.system.log import be_quiet
from nmt.training.workers import Workers

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# Long enough for the first worker to write a checkpoint; `on_first_worker` has no time limit.
COLLECTIVE_TIMEOUT = timedelta(minutes=30)


def local_device(device: torch.device) -> torch.device:
    """Return this worker's GPU if torchrun started several workers on GPUs, else `device`.

    Raises NmtError if this machine has fewer GPUs than workers.
    """
    local_rank = os.environ.get("LOCAL_RANK")
    if device.type != "cuda" or local_rank is None:
        return device
    index = integer_variable("LOCAL_RANK")
    gpus = torch.cuda.device_count()
    if index >= gpus:
        raise NmtError(
            f"worker {index} of this machine has no GPU: there are {gpus}; start torchrun with"
            f" --nproc-per-node of at most {gpus}"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


@contextmanager
def join_workers(device: torch.device) -> Iterator[Workers]:
    """Join the other workers, if torchrun started any, and leave them at the end of the block.

    An error in the block of any worker ends all workers with the same message.
    """
    if "WORLD_SIZE" not in os.environ or integer_variable("WORLD_SIZE") < 2:
        yield Workers()
        return
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing:
        raise NmtError(
            f"WORLD_SIZE is set but {', '.join(missing)} is not; start many workers with torchrun,"
            " or unset WORLD_SIZE"
        )
    workers = join_process_group(device)
    if not workers.is_first:
        be_quiet()
    try:
        yield workers
    except BaseException as error:
        # After an error the group stays open: closing it would wait for workers that are gone.
        workers.share_error(error)
        raise
    gc.collect()  # the wrapped network is in a reference cycle and would keep the group's threads
    dist.destroy_process_group()


def join_process_group(device: torch.device) -> Workers:
    """Join PyTorch's process group by the environment's variables; raises NmtError on failure."""
    rank, size, port = (integer_variable(name) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    by_torchrun = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    try:
        # PyTorch's stores have no type annotations.
        store = dist.TCPStore(  # type: ignore[attr-defined] # untyped in torch
            os.environ["MASTER_ADDR"],
            port,
            size,
            is_master=rank == 0 and not by_torchrun,
        )
        # A restart by torchrun must not read the keys of the attempt before it.
        attempt = f"nmt attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
        own = dist.PrefixStore(attempt, store)  # type: ignore[attr-defined] # untyped in torch
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=dist.PrefixStore("group", own),  # type: ignore[attr-defined] # untyped in torch
            rank=rank,
            world_size=size,
            timeout=COLLECTIVE_TIMEOUT,
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise NmtError(f"worker {rank} cannot connect to the others: {reason}") from error
    return Workers(rank, size, own)


def integer_variable(name: str) -> int:
    """Return the integer in an environment variable; raises NmtError if it holds none."""
    try:
        return int(os.environ[name])
    except ValueError as error:
        raise NmtError(
            f"{name} is {os.environ[name]!r}, not a whole number; torchrun sets it: without"
            " torchrun, unset it"
        ) from error
