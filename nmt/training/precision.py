"""Choose between float32 and bf16 by measuring both, for `train.precision = "auto"`.

Hardware for bf16 does not always make bf16 faster: with small products or busy matrix units it can
be slower than float32. So passes over real batches are timed in both precisions, in turn. They
change nothing that the training uses.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from time import perf_counter

import torch

from nmt.system.log import note
from nmt.text.batches import Batch
from nmt.training.loader import BatchLoader
from nmt.training.memory_probe import TooLittleMemoryError, memory_limit
from nmt.training.updates import Updater

ROUNDS = 5
FEWEST_ROUNDS = 3  # parts of batches grow while time is left for these
SECONDS = 10.0  # for all passes; a round that has begun is finished
FIRST_TOKENS = 256  # on each side of the first parts
WORTH = 0.95  # most of float32's time that bf16 may take: float32 rounds less

PassSeconds = Callable[[Batch, str], float]  # times a pass over a batch in a precision


@dataclass(frozen=True)
class Round:
    """Seconds of a forward and backward pass over the same batch in each precision."""

    bf16: float
    float32: float
    tokens: int  # of both sides, without padding

    @property
    def ratio(self) -> float:
        """Return the time of bf16 as a part of float32's."""
        return self.bf16 / self.float32

    @property
    def choice(self) -> str:
        """Return the precision to train in: bf16 if it is clearly faster."""
        return "bf16" if self.ratio <= WORTH else "float32"

    def __str__(self) -> str:
        return (
            f"bf16 takes {self.ratio:.2f} of float32's time"
            f" ({self.bf16:.3g} and {self.float32:.3g} s for {self.tokens:,} tokens)"
        )


def choose_precision(updater: Updater, loader: BatchLoader) -> str:
    """Measure, print the times and return the precision that all workers train in.

    Call this after the model's weights are loaded, and before `Updater.set_up`, because a network
    should be compiled in the chosen precision only. All workers measure at the same time, as they
    will train; the first worker chooses. loader: a loader that the training does not use.
    """
    choice, reason = measured_precision(updater, loader)
    choice = updater.workers.on_first_worker(lambda: choice)
    note(f"train.precision=auto: {reason}; trains in {choice}")
    return choice


def measured_precision(updater: Updater, loader: BatchLoader) -> tuple[str, str]:
    """Return the precision that a measurement prefers, and the times as a phrase."""
    with loader:
        batches = [loaded.share[0] for loaded in islice(loader, 1 + ROUNDS)]
    try:
        found = measure(lambda *given: pass_seconds(updater, *given), batches)
    except TooLittleMemoryError:
        return "bf16", "too little memory to measure"  # bf16 needs the least
    finally:
        updater.close()  # its processes would keep the limit of memory
    return found.choice, str(found)


def measure(time_pass: PassSeconds, batches: Sequence[Batch]) -> Round:
    """Time both precisions on batches, or on their first parts; return the round of median ratio.

    The first batch warms up: larger and larger parts of it are passed, while they fit into the
    memory and into SECONDS. Then each round takes another batch, because in a training most batches
    have a new shape, for which oneDNN makes a kernel. Raises TooLittleMemoryError if the smallest
    part does not fit.
    """
    first, *others = batches
    tokens, part = FIRST_TOKENS, first_part(first, FIRST_TOKENS)
    started = perf_counter()  # the passes' own times may be processor time
    last = in_turn(time_pass, part, 0)
    seconds = spent = perf_counter() - started
    with suppress(TooLittleMemoryError):
        # A next warm-up, of twice the tokens, and the fewest rounds with it must end in time.
        while (
            len(part.source) < len(first.source)
            and spent + 2 * seconds * (1 + FEWEST_ROUNDS) <= SECONDS
        ):
            part = first_part(first, 2 * tokens)
            last = in_turn(time_pass, part, 0)
            tokens, seconds = 2 * tokens, perf_counter() - started - spent
            spent += seconds
    rounds: list[Round] = []
    with suppress(TooLittleMemoryError):
        for number, batch in enumerate(others):
            rounds.append(in_turn(time_pass, first_part(batch, tokens), number))
            if perf_counter() - started >= SECONDS:
                break
    # If other programs use the device too, ratios within a round vary less than times.
    ordered = sorted(rounds or [last], key=lambda measured: measured.ratio)
    return ordered[len(ordered) // 2]


def in_turn(time_pass: PassSeconds, batch: Batch, number: int) -> Round:
    """Time a batch in both precisions; in rounds with an odd number, bf16 is first."""
    order = ("bf16", "float32") if number % 2 else ("float32", "bf16")
    seconds = {precision: time_pass(batch, precision) for precision in order}
    return Round(**seconds, tokens=batch.source_tokens + batch.target_tokens)


def first_part(batch: Batch, tokens: int) -> Batch:
    """Return the first pairs of a batch: up to some tokens on each side, at least one pair."""
    return next(batch.split(tokens))


def pass_seconds(updater: Updater, batch: Batch, precision: str) -> float:
    """Return the seconds of a forward and backward pass, whose results are discarded.

    On a CPU where each process has one thread, they are processor time, divided by the number of
    processes, without the time in which other programs have the cores. Threads of one process are
    not measured so, because they also use the cores while they wait for each other. Raises
    TooLittleMemoryError.
    """
    updater.precision = precision
    processes = updater.threads.count if updater.forks else 1
    is_single = updater.forks or torch.get_num_threads() == 1
    clock = perf_counter
    if updater.device.type == "cpu" and is_single:
        clock = updater.processor_seconds
    with memory_limit("a batch", updater.device, processes):
        started = clock()
        updater.rehearse(batch)
        if updater.device.type == "cuda":
            torch.cuda.synchronize(updater.device)
        seconds = clock() - started
    return seconds if clock is perf_counter else seconds / processes
