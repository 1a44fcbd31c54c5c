"""Dropout (section 5.4) with random numbers that cost little on a CPU."""

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
    """Draw this thread's dropout masks on the CPU from `generator` instead of torch's own."""
    before = getattr(_this_thread, "generator", None)
    _this_thread.generator = generator
    try:
        yield
    finally:
        _this_thread.generator = before


class Dropout(nn.Module):
    """Zero each element with probability p and scale the others by 1 / (1 - p), while training.

    The plain reference is torch.nn.functional.dropout, which runs on GPUs and in torch.compile. On
    a CPU it draws each element by itself, in one thread, which took an eighth of a small model's
    update; `dropout_mask` draws 64 bits for four elements.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.p = probability

    def forward(self, x: Tensor) -> Tensor:
        """Apply dropout to a tensor of any shape."""
        if not self.training or not self.p:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return nn.functional.dropout(x, self.p, training=True)
        return x * dropout_mask(x.shape, self.p, x.dtype)

    def extra_repr(self) -> str:
        """Return what printing the module shows."""
        return f"p={self.p}"


def keep_mask(shape: torch.Size, probability: float, device: torch.device) -> Tensor:
    """Draw a mask: each element is 0 with the given probability, else 1.

    Unlike dropout's, it does not scale what is kept. On a CPU it draws as `Dropout` does.
    """
    if device.type == "cpu":
        return dropout_mask(shape, probability, torch.float32).sign_()
    return (torch.rand(shape, device=device) >= probability).float()


def dropout_mask(shape: torch.Size, probability: float, dtype: torch.dtype) -> Tensor:
    """Draw a mask: each element is 0 with the given probability, else 1 / (1 - probability)."""
    dropped = round(probability * 2**BITS)  # of 2^BITS equally likely draws
    words = torch.empty(-(-shape.numel() // DRAWS_PER_WORD), dtype=torch.int64)
    words.random_(-(2**63), None, generator=getattr(_this_thread, "generator", None))
    draws = words.view(torch.int16)[: shape.numel()].view(shape)
    # Integers 0 and 1, in place: converting booleans takes several times as long.
    kept: Tensor = torch.ge(draws, dropped - 2 ** (BITS - 1), out=draws).to(dtype)
    return kept.mul_(2**BITS / (2**BITS - dropped))
