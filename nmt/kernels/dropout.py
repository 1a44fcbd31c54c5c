"""Dropout (section 5.4), with random numbers that cost little on a CPU."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

BITS = 16  # of a draw: a probability is met to 2^-17
DRAWS_PER_WORD = 64 // BITS

_this_thread = threading.local()


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Within it, this thread's masks on the CPU are drawn from this generator, not torch's own."""
    before = getattr(_this_thread, "generator", None)
    _this_thread.generator = generator
    try:
        yield
    finally:
        _this_thread.generator = before


class Dropout(nn.Module):
    """Zero each element with probability p, scale the others by 1 / (1 - p); in training alone.

    The plain reference is torch.nn.functional.dropout, which serves GPUs and torch.compile. On a
    CPU it draws each element alone, one thread for all, which took an eighth of a small model's
    update; here one draw of 64 bits serves four elements.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.p = probability

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        if not self.training or not self.p:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return nn.functional.dropout(x, self.p, training=True)
        return x * mask(x.shape, self.p, x.dtype)

    def extra_repr(self) -> str:
        """What printing a module shows."""
        return f"p={self.p}"


def mask(shape: torch.Size, probability: float, dtype: torch.dtype) -> Tensor:
    """0 with the probability given, else 1 / (1 - probability), independently."""
    dropped = round(probability * 2**BITS)  # of 2^BITS equally likely draws
    words = torch.empty(-(-shape.numel() // DRAWS_PER_WORD), dtype=torch.int64)
    words.random_(-(2**63), None, generator=getattr(_this_thread, "generator", None))
    draws = words.view(torch.int16)[: shape.numel()].view(shape)
    kept: Tensor = (draws >= dropped - 2 ** (BITS - 1)).to(dtype)
    return kept.mul_(2**BITS / (2**BITS - dropped))
