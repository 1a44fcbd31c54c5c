"""What the parts of a network get and give while it runs, without a word of it in the network.

Attention tells its recorder; torch's forward hooks tell of everything else.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from nmt.model.attention import MultiHeadAttention


@dataclass(frozen=True)
class Attended:
    """One attention of one pass over one segment, all heads."""

    query: Tensor  # (h, Q, d_k)
    key: Tensor  # (h, S, d_k)
    value: Tensor  # (h, S, d_v)
    weights: Tensor  # (h, Q, S)


@dataclass
class Recording:
    """A pass over one segment, by the names of the network's modules."""

    attended: dict[str, Attended] = field(default_factory=dict)
    inputs: dict[str, Tensor] = field(default_factory=dict)  # the first one of each module
    outputs: dict[str, Tensor] = field(default_factory=dict)

    def _attention(
        self, name: str, query: Tensor, key: Tensor, value: Tensor, weights: Tensor, /
    ) -> None:
        self.attended[name] = Attended(*map(of_segment, (query, key, value, weights)))

    def _module(self, name: str, _: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if given and isinstance(given[0], Tensor) and isinstance(output, Tensor):
            self.inputs[name] = of_segment(given[0])
            self.outputs[name] = of_segment(output)


def of_segment(batch: Tensor) -> Tensor:
    """The only segment of a batch, in float32, where numbers are at hand."""
    (segment,) = batch.detach()
    numbers: Tensor = segment.float().cpu()
    return numbers


@contextmanager
def recording(network: nn.Module) -> Iterator[Recording]:
    """Record what the network does within, one segment at a time; a later pass replaces."""
    record = Recording()
    with ExitStack() as undo:
        for name, module in network.named_modules():
            if not name:
                continue
            undo.callback(module.register_forward_hook(partial(record._module, name)).remove)
            if isinstance(module, MultiHeadAttention):
                undo.callback(setattr, module, "recorder", module.recorder)
                module.recorder = partial(record._attention, name)
        yield record
