"""Check at the start that memory suffices: run the batches that need the most memory."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
import torch

from nmt.config import ModelSettings, Recipe
from nmt.errors import NmtError, is_out_of_memory
from nmt.model.transformer import Transformer
from nmt.text.batches import PairDataset
from nmt.text.plan import EpochPlan
from nmt.training.cost import activation_bytes
from nmt.training.updates import Updater
from nmt.training.validation import DevSet
from nmt.training.workers import Workers

CGROUPS = Path("/sys/fs/cgroup")


def costliest_batch(
    plan: EpochPlan, dataset: PairDataset, model: ModelSettings, vocab_size: int
) -> int:
    """Return the index of the plan's batch whose activations take the most memory with padding."""
    rows = torch.from_numpy(numpy.diff(plan.starts).astype(numpy.float64))
    S, T = (
        torch.from_numpy(
            numpy.maximum.reduceat(lengths[plan.order], plan.starts[:-1]).astype(numpy.float64)
        )
        for lengths in (dataset.source_lengths, dataset.target_lengths)
    )
    costliest = int(activation_bytes(model, vocab_size, rows, S, T).argmax())
    return int(numpy.flatnonzero(plan.sequence == costliest)[0])


def check_memory(
    recipe: Recipe,
    plan: EpochPlan,
    dataset: PairDataset,
    epoch: int,
    dev: DevSet,
    updater: Updater,
    network: Transformer,
    workers: Workers,
) -> None:
    """Run the largest training batch and the longest dev batches, and discard the results.

    Raises NmtError, which names the setting to lower, if memory does not suffice.
    """
    vocab_size = network.vocab_size
    index = costliest_batch(plan, dataset, recipe.model, vocab_size)
    share = dataset.batch(plan[index][:: workers.count], epoch)
    parts = share.split(recipe.train.micro_batch_tokens)
    batch = max(parts, key=lambda part: part.source.numel() + part.labels.numel())
    rows, S, T = len(batch.source), batch.source.shape[1], batch.labels.shape[1]
    with memory_limit(
        f"the largest batch, {rows:,} pairs of up to {S:,} source and {T:,} target tokens;"
        " lower train.micro_batch_tokens (it accumulates: same updates, less memory)"
    ):
        updater.try_batch(batch)
    with memory_limit("the longest dev segments; lower decode.batch_tokens"):
        dev.try_longest(network, updater.threads)


@contextmanager
def memory_limit(what: str) -> Iterator[None]:
    """Limit this process to the available memory within a `with` block.

    Without a limit, Linux grants more memory than it has and kills the process that uses it.
    Raises NmtError that `what`, or the model, needs too much memory, if the block runs out of it.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    available = available_bytes()
    if available is not None:
        own_share = available // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        limit = data_bytes() + own_share
        limits = [each for each in (limit, *before) if each != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), before[1]))
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise NmtError(f"too little memory for {what}, or the size of the model") from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def available_bytes() -> int | None:
    """Return the memory that this process can still allocate; None if the system is not Linux.

    This is the least of what the machine and the process's control groups have left.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        group = Path("/proc/self/cgroup").read_text().splitlines()[-1].rpartition(":")[2]
    except (OSError, IndexError):
        return None
    free = [int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable:")]
    folder = CGROUPS / group.strip("/")
    for place in (folder, *folder.parents):
        try:
            limit = int((place / "memory.max").read_text())
            held = int((place / "memory.current").read_text())
            free.append(limit - held + cached_bytes(place))
        except (OSError, ValueError):  # the group has no limit, or it cannot be read
            continue
    return max(0, min(free)) if free else None


def cached_bytes(group: Path) -> int:
    """Return a control group's memory that caches files, which Linux frees on demand."""
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(x.split()[1]) for x in lines if x.startswith(("inactive_file ", "active_file ")))


def data_bytes() -> int:
    """Return the memory that this process holds, as RLIMIT_DATA counts it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return sum(int(x.split()[1]) * 1024 for x in status if x.startswith("VmData:"))
