"""Processes that compute the gradients of parts of a batch, on the cores of one machine.

A small model spends a good part of its time in Python, whose lock only one thread of a process can
hold, so that two threads wait for each other. Two processes do not. They are forked copies of this
one, which share its memory of the weights and of the gradients; a part of a batch travels through a
pipe.
"""

import mmap
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any

import torch
from torch import Tensor

from nmt.system.pools import ProcessPool

ALIGNED = 16  # a tensor begins at a multiple of this many numbers: 64 bytes of float32
Sums = tuple[float, float]  # of the smoothed and of the plain loss


class GradientProcesses:
    """Sums the gradients of a batch's parts, which processes compute at the same time."""

    def __init__(
        self, count: int, parameters: Sequence[Tensor], backward: Callable[..., Sums]
    ) -> None:
        """Move the parameters into shared memory; the processes start with the first batch.

        backward: called in a process with the index of a part and the rest of its task; it adds the
        part's gradients to those of the parameters.
        """
        self._parameters = [*parameters]
        self._backward = backward
        for parameter, shared in zip(parameters, shared_like(parameters), strict=True):
            parameter.data = shared.copy_(parameter.data)
        self._gradients = [shared_like(parameters) for _ in range(count)]  # of each part
        self.processor_seconds = 0.0  # of all processes
        self._used = set[int]()  # parts that have gradients of this update
        advice = "lower train.micro_batch_tokens"
        self._pool = ProcessPool(count, work="training process", advice=advice)

    def run(self, tasks: Sequence[tuple[Any, ...]]) -> list[Sums]:
        """Return the losses of a micro-batch's parts; keep their gradients for `collect`.

        tasks: the arguments of `backward` for each part. Raises NmtError if a process is killed.
        """
        numbered = [(index, index not in self._used, task) for index, task in enumerate(tasks)]
        self._used.update(range(len(tasks)))
        try:
            results = [*self._pool.map(self._compute, numbered)]
        except BaseException:  # the other parts must not be written after this
            self.close()
            raise
        if len(tasks) > 1:  # a single one is computed here, and counts here
            self.processor_seconds += sum(seconds for _, seconds in results)
        return [sums for sums, _ in results]

    def collect(self) -> None:
        """Give the parameters the gradients of all micro-batches, summed in the parts' order."""
        first, *others = (self._gradients[index] for index in sorted(self._used))
        for other in others:
            torch._foreach_add_(first, other)
        self._give(first)
        self._used.clear()

    def close(self) -> None:
        """End the processes and forget their gradients; another `run` starts others."""
        self._pool.close()
        self._used.clear()

    def _compute(self, numbered: tuple[int, bool, tuple[Any, ...]]) -> tuple[Sums, float]:
        """Compute a task; also return its processor time.

        A single task is computed by the process that has the pool.
        """
        started = process_time()
        index, is_first, task = numbered
        if is_first:
            torch._foreach_zero_(self._gradients[index])
        self._give(self._gradients[index])
        return self._backward(index, *task), process_time() - started

    def _give(self, gradients: Sequence[Tensor]) -> None:
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient


def shared_like(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return zeros of the tensors' shapes, in memory that copies of this process share.

    No file has this memory: a container's /dev/shm may be too small.
    """
    sizes = [-(-tensor.numel() // ALIGNED) * ALIGNED for tensor in tensors]
    kind = tensors[0].dtype
    memory = mmap.mmap(-1, sum(sizes) * kind.itemsize)
    parts = torch.frombuffer(memory, dtype=kind).split(sizes)
    return [
        part[: tensor.numel()].view(tensor.shape)
        for part, tensor in zip(parts, tensors, strict=True)
    ]
