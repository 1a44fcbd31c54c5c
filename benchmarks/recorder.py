"""Time what the recorder of `nmt explain` costs attention while no recorder is set.

    python benchmarks/recorder.py

It times one position through multi-head attention, the least work that a call can have, with the
recorder's branch and without it. It prints the best of many rounds, the lowest and the highest of
several modules.
"""

import random
import time

import torch
from torch import Tensor

from nmt.config import ModelSettings
from nmt.model.attention import KeyValueCache, MultiHeadAttention

ROUNDS, CALLS, MODULES = 150, 50, 4


class WithoutRecorder(MultiHeadAttention):
    """Self-attention that cannot be recorded."""

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        memory: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Attend from x to itself, as `MultiHeadAttention.forward` does."""
        query, key, value = self.project_self(x, 0 if cache is None else cache.length)
        scores = (query * self.scale) @ key.transpose(-2, -1)
        if mask is not None:
            scores = scores + mask
        weights = scores.softmax(-1)
        if self.dropout is not None:
            weights = self.dropout(weights)
        heads = weights @ value
        out: Tensor = self.out(heads.transpose(1, 2).reshape(*x.shape[:2], self.widths[2]))
        return out


@torch.inference_mode()
def seconds_per_call(module: MultiHeadAttention, x: Tensor) -> float:
    """Return the mean seconds of a call in one round."""
    started = time.perf_counter()
    for _ in range(CALLS):
        module(x, None)
    return (time.perf_counter() - started) / CALLS


def main() -> None:
    """Time several modules of each kind in random order: their place in memory matters as much."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kinds = {"with the recorder's branch": MultiHeadAttention, "without": WithoutRecorder}
    modules = [
        (name, number, kind(ModelSettings(d_model=128, heads=4, d_k=32, d_v=32)).eval())
        for number in range(MODULES)
        for name, kind in kinds.items()
    ]
    best = {(name, number): float("inf") for name, number, _ in modules}
    x = torch.randn(1, 1, 128)
    for _ in range(ROUNDS):
        random.shuffle(modules)
        for name, number, module in modules:
            best[name, number] = min(best[name, number], seconds_per_call(module, x))
    for kind_name in kinds:
        found = [1e6 * seconds for (name, _), seconds in best.items() if name == kind_name]
        print(f"{kind_name}: {min(found):.2f} to {max(found):.2f} microseconds a call")


if __name__ == "__main__":
    main()
