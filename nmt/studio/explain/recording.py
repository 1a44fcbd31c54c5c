"""Record the inputs and outputs of a network's modules during a pass.

Attention calls its `recorder`; PyTorch's forward hooks report every other module. The network needs
no code for it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from nmt.model.attention import MultiHeadAttention


@dataclass(frozen=True)
class AttentionRecord:
    """One attention module's pass over one segment: h heads, Q queries, S keys."""

    query: Tensor  # (h, Q, d_k)
    key: Tensor  # (h, S, d_k)
    value: Tensor  # (h, S, d_v)
    weights: Tensor  # (h, Q, S)


@dataclass
class Recording:
    """A network's pass over one segment, by names of modules."""

    attention: dict[str, AttentionRecord] = field(default_factory=dict)
    inputs: dict[str, Tensor] = field(default_factory=dict)  # each module's first argument
    outputs: dict[str, Tensor] = field(default_factory=dict)

    def add_attention(
        self, name: str, query: Tensor, key: Tensor, value: Tensor, weights: Tensor, /
    ) -> None:
        """Record a call of an attention module; tensors (1, h, ...)."""
        self.attention[name] = AttentionRecord(*map(only_segment, (query, key, value, weights)))

    def add_module(self, name: str, _: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Record a call of a module whose first argument and output are tensors."""
        if inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            self.inputs[name] = only_segment(inputs[0])
            self.outputs[name] = only_segment(output)


def only_segment(batch: Tensor) -> Tensor:
    """Return the only segment of a batch, in float32 on the CPU."""
    (segment,) = batch.detach()
    on_cpu: Tensor = segment.float().cpu()
    return on_cpu


@contextmanager
def recording(network: nn.Module) -> Iterator[Recording]:
    """Record the network's passes in a `with` block; a later pass replaces an earlier one.

    A pass must have one segment; otherwise ValueError is raised.
    """
    record = Recording()
    with ExitStack() as undo:
        for name, module in network.named_modules():
            if not name:
                continue
            undo.callback(module.register_forward_hook(partial(record.add_module, name)).remove)
            if isinstance(module, MultiHeadAttention):
                undo.callback(setattr, module, "recorder", module.recorder)
                module.recorder = partial(record.add_attention, name)
        yield record
