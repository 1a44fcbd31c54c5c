"""Record a search and a pass of the network; neither needs code for it.

The search calls an observer with each step, which builds the tree of all candidates. Attention
calls its `recorder`, and PyTorch's forward hooks report every other module.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

from nmt.decoding.search.hypothesis import Hypothesis, length_penalty
from nmt.decoding.search.search import SearchStep
from nmt.model.attention import MultiHeadAttention

KEPT, FINISHED, PRUNED, OPEN = "kept", "finished", "pruned", "open"


class AttentionRecord(NamedTuple):
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


@dataclass
class Node:
    """A candidate of the search: the tokens of its parent and one more."""

    index: int  # in the tree's list of nodes
    parent: int | None  # index of its parent; None: the root
    step: int  # number of tokens, EOS counted; 0: the root
    token: int
    log_prob: float  # natural logarithm of the probability of all its tokens
    score: float  # log_prob over the length penalty
    status: str  # KEPT for the next step, FINISHED, PRUNED, or OPEN when the search ended
    wins: bool = False  # it is the translation or a prefix of it


class Tree:
    """The search of one segment; its nodes are added by `on_step`, an observer of the search."""

    def __init__(self, bos: int, alpha: float) -> None:
        """Begin with the root, the token `bos`; alpha: exponent of the length penalty."""
        self.nodes: list[Node] = []
        self.bounds: list[float] = []  # of each step (`SearchStep.bound`)
        self._alpha = alpha
        self._beam: list[Node | None] = [self._add(None, bos, 0.0, KEPT)]

    def path(self, node: Node) -> Iterator[Node]:
        """Yield the nodes from a node back to the root."""
        while True:
            yield node
            if node.parent is None:
                return
            node = self.nodes[node.parent]

    def ids(self, node: Node) -> tuple[int, ...]:
        """Return the tokens of a node, first to last, without BOS."""
        return tuple(above.token for above in self.path(node) if above.step)[::-1]

    def on_step(self, step: SearchStep) -> None:
        """Add the candidates of a step; they are PRUNED unless the search continues from them."""
        nodes = [
            self._add(
                self._beam[found.parent],
                found.token,
                found.log_prob,
                FINISHED if found.is_finished else PRUNED,
            )
            for found in step.candidates
        ]
        self._beam = [None if index is None else nodes[index] for index in step.next_beam]
        for live in self._beam:
            if live:
                live.status = OPEN if step.is_last else KEPT
        self.bounds.append(step.bound)

    def mark(self, translation: Hypothesis, eos: int) -> None:
        """Mark the translation and its prefixes."""
        ids = (*translation.ids, eos)
        finished = (node for node in self.nodes if node.status == FINISHED)
        for node in self.path(next(node for node in finished if self.ids(node) == ids)):
            node.wins = True

    def _add(self, parent: Node | None, token: int, log_prob: float, status: str) -> Node:
        """Add a node and return it."""
        step = parent.step + 1 if parent else 0
        score = log_prob / length_penalty(step, self._alpha)
        above = parent.index if parent else None
        node = Node(len(self.nodes), above, step, token, log_prob, score, status)
        self.nodes.append(node)
        return node
