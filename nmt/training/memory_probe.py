"""Check at the start that memory suffices: run the batches that need the most memory."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
import torch

from nmt.config import ModelSettings, Recipe
from nmt.errors import NmtError, is_out_of_memory
from nmt.recipe.size import least_parameters, training_bytes
from nmt.system.log import note
from nmt.system.processes import worker_count
from nmt.text.batches import Batch, PairDataset
from nmt.text.plan import EpochPlan
from nmt.training.cost import activation_bytes
from nmt.training.updates import Updater
from nmt.training.validation import DevSet

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
# By the controllers of a hierarchy: its folder, and a group's files of its limit and of what it
# uses. Version 2 has one hierarchy, without controllers; a group without a limit says "max" there,
# and in version 1 a number that no machine has.
GROUP_FILES = {
    "": ("", "memory.max", "memory.current"),
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
}
CPU = torch.device("cpu")


def check_model_fits(recipe: Recipe) -> None:
    """Raise NmtError if the model alone, without any batch, needs more memory than is available.

    Counted are weights, gradients and the optimiser's moments, of each worker on this machine.
    """
    available = available_bytes()
    parameters = least_parameters(recipe)
    needed = training_bytes(recipe) * worker_count("LOCAL_WORLD_SIZE")
    if available is not None and needed > available:
        raise NmtError(
            f"recipe {recipe.name}: the model has {parameters:,} parameters, whose weights,"
            f" gradients and averages need {needed / 1e9:,.1f} GB of memory, but"
            f" {available / 1e9:,.1f} GB are available; lower the numbers of layers or the widths"
            " in [model]"
        )


def costliest_batch(
    plan: EpochPlan,
    dataset: PairDataset,
    model: ModelSettings,
    vocab_size: int,
    length_multiple: int = 1,
) -> int:
    """Return the index of the plan's batch whose activations take the most memory with padding.

    length_multiple: lengths with the end token are padded to a multiple of this.
    """
    rows = numpy.diff(plan.starts).astype(numpy.float64)
    longest = (
        numpy.maximum.reduceat(lengths[plan.order], plan.starts[:-1])
        for lengths in (dataset.source_lengths, dataset.target_lengths)
    )
    S, T = (numpy.ceil(lengths / length_multiple) * length_multiple for lengths in longest)
    costliest = int(activation_bytes(model, vocab_size, rows, S, T).argmax())
    return int(numpy.flatnonzero(plan.sequence == costliest)[0])


def check_memory(
    updater: Updater,
    dev: DevSet,
    dataset: PairDataset,
    plan: EpochPlan,
    *,
    epoch: int,
    length_multiple: int,
) -> int:
    """Run the largest training batch and the longest dev batches, and discard the results.

    Returns the train.micro_batch_tokens to train with: those of the recipe, or, if it sets none and
    whole batches do not fit, the largest that fit of half a batch, a quarter, and so on. Raises
    NmtError, which names the setting to lower, if memory does not suffice.
    """
    recipe, network, workers = updater.recipe, updater.network, updater.workers
    size = 0 if updater.works_in_blocks else network.vocab_size  # of the logits that are kept
    index = costliest_batch(plan, dataset, recipe.model, size, length_multiple)
    share = dataset.batch(plan[index][:: workers.count], epoch, length_multiple)
    sizes = [recipe.train.micro_batch_tokens]
    if sizes == [0]:
        sizes = [0, *halves(share)]
    chosen = next((size for size in sizes if fits(share, size, updater)), None)
    if chosen is None:
        batch = largest_part(share, sizes[-1])
        rows, S, T = len(batch.source), batch.source.shape[1], batch.labels.shape[1]
        advice = "lower train.micro_batch_tokens (it accumulates: same updates, less memory)"
        raise too_little_memory(
            f"the largest batch, {rows:,} pairs of up to {S:,} source and {T:,} target tokens;"
            f" {advice if sizes[-1] and len(sizes) == 1 else 'lower data.max_length'}"
        )
    with memory_limit("the longest dev segments; lower decode.batch_tokens", updater.device):
        dev.try_longest(network, updater.threads)
    workers.meet()  # a worker that failed ends the others here, not in an exchange of their GPUs
    if chosen != sizes[0]:
        note(
            f"whole batches do not fit into the memory: train.micro_batch_tokens={chosen} is chosen"
            " (gradients accumulate: same updates)"
        )
    return chosen


def halves(batch: Batch) -> list[int]:
    """Return half of a batch's tokens, a quarter and so on, down to those of one pair."""
    rows = len(batch.source)
    longest = max(batch.source.shape[1], batch.labels.shape[1])
    return [longest * (rows >> times) for times in range(1, rows.bit_length())]


def largest_part(batch: Batch, micro_batch_tokens: int) -> Batch:
    """Return the micro-batch with the most tokens."""
    parts = batch.split(micro_batch_tokens)
    return max(parts, key=lambda part: part.source.numel() + part.labels.numel())


def fits(batch: Batch, micro_batch_tokens: int, updater: Updater) -> bool:
    """Return whether the largest micro-batch fits into the memory of every worker."""
    try:
        with memory_limit("a batch", updater.device):
            updater.try_batch(largest_part(batch, micro_batch_tokens))
        failures = 0.0
    except TooLittleMemoryError:
        failures = 1.0
    return not updater.workers.all_reduce(torch.tensor(failures)).item()


class TooLittleMemoryError(NmtError):
    """The memory of a CPU or a GPU does not suffice."""


def too_little_memory(what: str) -> TooLittleMemoryError:
    """Return the error for too little memory; `what` says for what, and what to lower."""
    return TooLittleMemoryError(f"too little memory for {what}, or the size of the model")


@contextmanager
def memory_limit(what: str, device: torch.device = CPU, processes: int = 1) -> Iterator[None]:
    """Limit this process to the available memory within a `with` block, if it uses the CPU.

    Without a limit, Linux grants more memory than it has and kills the process that uses it. For a
    GPU there is none: its driver reserves addresses that the limit would count as memory.
    processes: that are forked in the block and share the memory; each keeps its limit. Raises
    NmtError that `what`, or the model, needs too much memory, if the block runs out of it.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    available = available_bytes()
    if available is not None and device.type == "cpu":
        own_share = available // (worker_count("LOCAL_WORLD_SIZE") * processes)
        limit = data_bytes() + own_share
        limits = [limit for limit in (limit, *before) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), before[1]))
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise too_little_memory(what) from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def available_bytes() -> int | None:
    """Return the memory that this process can still allocate; None if the system is not Linux.

    This is the least of what the machine and the process's control groups have left.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        groups = OWN_GROUPS.read_text().splitlines()
    except OSError:
        return None
    free = [int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable:")]
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if controllers not in GROUP_FILES:
            continue
        root, most, used = GROUP_FILES[controllers]
        folder = CGROUPS / root / path.strip("/")
        for parent in (folder, *folder.parents):
            try:
                limit = int((parent / most).read_text())
                held = int((parent / used).read_text())
                free.append(limit - held + cached_bytes(parent))
            except (OSError, ValueError):  # the group has no limit, or it cannot be read
                continue
    return max(0, min(free)) if free else None


def cached_bytes(group: Path) -> int:
    """Return a control group's memory that caches files, which Linux frees on demand."""
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    counts = dict(line.split(maxsplit=1) for line in lines)
    # In version 1, the total counts the groups inside too, as in version 2.
    return sum(
        int(counts.get(f"total_{name}", counts.get(name, 0)))
        for name in ("inactive_file", "active_file")
    )


def data_bytes() -> int:
    """Return the memory that this process holds, as RLIMIT_DATA counts it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return sum(int(x.split()[1]) * 1024 for x in status if x.startswith("VmData:"))
