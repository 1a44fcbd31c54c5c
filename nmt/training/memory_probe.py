"""Find out at the start whether memory suffices: run the batches that need the most of it first."""

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
    """The batch of the plan whose activations take the most memory, padding included."""
    rows = torch.from_numpy(numpy.diff(plan.begins).astype(numpy.float64))
    S, T = (
        torch.from_numpy(
            numpy.maximum.reduceat(lengths[plan.order], plan.begins[:-1]).astype(numpy.float64)
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
    """Run the largest training batch and the longest dev batches, and keep nothing of it.

    Raises NmtError, with what to lower, where memory does not suffice.
    """
    vocab_size = network.vocab_size
    index = costliest_batch(plan, dataset, recipe.model, vocab_size)
    share = dataset.batch(plan[index][:: workers.count], epoch)
    parts = share.split(recipe.train.micro_batch_tokens)
    batch = max(parts, key=lambda part: part.source.numel() + part.labels.numel())
    rows, S, T = len(batch.source), batch.source.shape[1], batch.labels.shape[1]
    with memory_to_spare(
        f"the largest batch, {rows:,} pairs of up to {S:,} source and {T:,} target tokens;"
        " lower train.micro_batch_tokens (it accumulates: same updates, less memory)"
    ):
        updater.try_batch(batch)
    with memory_to_spare("the longest dev segments; lower decode.batch_tokens"):
        dev.try_longest(network, updater.threads)


@contextmanager
def memory_to_spare(what: str) -> Iterator[None]:
    """Raise NmtError that there is too little memory for `what`, or the model's size, if so.

    Linux would hand out memory that it does not have and kill the process when it is used; within
    the block this one may only ask for what is there.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    spare = available_bytes()
    if spare is not None:
        wanted = data_bytes() + spare // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        limits = [limit for limit in (wanted, *before) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), before[1]))
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise NmtError(f"too little memory for {what}, or the model's size") from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def available_bytes() -> int | None:
    """Memory that this process can still get, where Linux tells: the machine's or its group's."""
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
        except (OSError, ValueError):  # no limit, or none that can be read
            continue
    return max(0, min(free)) if free else None


def cached_bytes(group: Path) -> int:
    """Memory of a control group that holds files' pages, which Linux takes back when asked."""
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(x.split()[1]) for x in lines if x.startswith(("inactive_file ", "active_file ")))


def data_bytes() -> int:
    """Memory that this process holds, as RLIMIT_DATA counts it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return sum(int(x.split()[1]) * 1024 for x in status if x.startswith("VmData:"))
