"""What the seam for `nmt explain` costs attention when nobody looks on.

Times one position through multi-head attention, the least work a call can have, as it is and as it
would be without the seam; prints the best of many rounds, of several modules.

    python benchmarks/recorder.py
"""

import random
import time

import torch
from torch import Tensor

from nmt.config import ModelSettings
from nmt.model.attention import MultiHeadAttention

ROUNDS, CALLS, MODULES = 150, 50, 4


def seamless(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """`nmt.model.attention.attention` without a recorder."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    weighted: Tensor = scores.softmax(-1) @ value
    return weighted


class Seamless(MultiHeadAttention):
    """The module without one."""

    def forward(self, queries: Tensor, memory: Tensor | None, bias: Tensor | None) -> Tensor:
        """As the module's own."""
        if memory is None:
            query, key, value = self.project_all(queries)
        else:
            query = self.project_query(queries)
            key, value = self.project_memory(memory)
        return self.merge(seamless(query, key, value, bias))


@torch.inference_mode()
def seconds_a_call(module: MultiHeadAttention, x: Tensor) -> float:
    """The mean of a round."""
    started = time.perf_counter()
    for _ in range(CALLS):
        module(x, None, None)
    return (time.perf_counter() - started) / CALLS


def main() -> None:
    """Several of each kind in random order, as where a module lies in memory matters as much."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kinds = {"with the seam": MultiHeadAttention, "without": Seamless}
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
            best[name, number] = min(best[name, number], seconds_a_call(module, x))
    for kind_name in kinds:
        found = [1e6 * seconds for (name, _), seconds in best.items() if name == kind_name]
        print(f"{kind_name}: {min(found):.2f} to {max(found):.2f} microseconds a call")


if __name__ == "__main__":
    main()
