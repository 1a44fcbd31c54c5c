"""The beam as a tree: every candidate that was weighed, and what became of it.

Rebuilt from what the search asked of the model, by the search's own rules (`nmt.decoding.beam`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nmt.decoding.beam import SpecialIds
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.scoring import length_penalty
from nmt.kernels.top_k import Rules, reference_candidates
from nmt.studio.explain.watching import SearchStep

KEPT, FINISHED, PRUNED, OPEN = "kept", "finished", "pruned", "open"


@dataclass
class Node:
    """A hypothesis that was weighed: its parent's pieces and one more."""

    place: int  # in the tree's list
    parent: int | None  # its place; none for the root
    step: int  # pieces so far, EOS counted; 0 for the root
    piece: int
    log_prob: float  # natural, of all its pieces
    score: float  # log_prob over the length penalty
    fate: str  # kept for the next step, finished, pruned, or still open when the search ended
    wins: bool = False  # it is the translation, or begins it


@dataclass
class Tree:
    """A whole search over one segment."""

    nodes: list[Node] = field(default_factory=list)
    # Of each step, the best score that a hypothesis which goes on could still reach.
    bounds: list[float] = field(default_factory=list)

    def path(self, node: Node) -> Iterator[Node]:
        """From a node back to the root."""
        while True:
            yield node
            if node.parent is None:
                return
            node = self.nodes[node.parent]

    def ids(self, node: Node) -> tuple[int, ...]:
        """A node's pieces, first to last."""
        return tuple(each.piece for each in self.path(node) if each.step)[::-1]

    def add(self, parent: Node | None, piece: int, log_prob: float, alpha: float) -> Node:
        """A node more, pruned until it is known better."""
        step = parent.step + 1 if parent else 0
        score = log_prob / length_penalty(step, alpha)
        above = parent.place if parent else None
        node = Node(len(self.nodes), above, step, piece, log_prob, score, PRUNED)
        self.nodes.append(node)
        return node


def tree_of(
    steps: Sequence[SearchStep],
    winner: Hypothesis,
    ids: SpecialIds,
    *,
    beam_size: int,
    alpha: float,
    max_length: int,
) -> Tree:
    """The tree of a watched search; `winner` is what it returned as its best."""
    tree = Tree()
    root = tree.add(None, ids.bos, 0.0, alpha)
    root.fate = KEPT
    live: list[Node | None] = [root]
    candidates: list[Node] = []
    for number, step in enumerate(steps):
        if number:
            live = [
                kept(tree, live, candidates, steps[number - 1], parent, piece, ids, alpha)
                for parent, piece in zip(step.parents, step.last_ids, strict=True)
            ]
        must_end = number + 1 >= max_length
        candidates = weigh(tree, live, step, ids, beam_size, alpha, must_end)
        going_on = [node for node in candidates if node.piece != ids.eos]
        best = going_on[0].log_prob if going_on else -math.inf
        tree.bounds.append(best / length_penalty(max_length, alpha))
    for node in going_on[:beam_size]:
        node.fate = OPEN
    mark_winner(tree, winner, ids.eos)
    return tree


def weigh(
    tree: Tree,
    live: Sequence[Node | None],
    step: SearchStep,
    ids: SpecialIds,
    beam_size: int,
    alpha: float,
    must_end: bool,
) -> list[Node]:
    """The 2K best candidates of a step as nodes, best first; of the K best, those that end."""
    wanted = min(2 * beam_size, step.logits.shape[1])
    best = reference_candidates(step.logits, Rules(ids.never, ids.eos, None), wanted)
    log_probs, pieces = best.log_probs, best.pieces
    if must_end:  # nothing but the end may come
        log_probs = step.logits.log_softmax(-1)[:, ids.eos, None]
        pieces = log_probs.new_full(log_probs.shape, ids.eos).long()
    before = log_probs.new_tensor([node.log_prob if node else -math.inf for node in live])
    scores = (before[:, None] + log_probs).flatten()
    top = scores.topk(min(2 * beam_size, len(scores)))
    nodes = []
    for rank, (log_prob, place) in enumerate(
        zip(top.values.tolist(), top.indices.tolist(), strict=True)
    ):
        if log_prob == -math.inf:
            break
        node = tree.add(
            live[place // log_probs.shape[1]], int(pieces.flatten()[place]), log_prob, alpha
        )
        if node.piece == ids.eos and rank < beam_size:
            node.fate = FINISHED
        nodes.append(node)
    return nodes


def kept(
    tree: Tree,
    live: Sequence[Node | None],
    candidates: Sequence[Node],
    before: SearchStep,
    row: int,
    piece: int,
    ids: SpecialIds,
    alpha: float,
) -> Node | None:
    """The node that the search went on with; of two as good, its choice need not be ours.

    None of a row that holds no hypothesis: where too few can go on, impossible ones fill the beam.
    """
    parent = live[row]
    if parent is None or piece == ids.eos or piece in ids.never:
        return None
    for node in candidates:
        if (node.parent, node.piece) == (parent.place, piece):
            break
    else:
        gain = float(before.logits[row].log_softmax(-1)[piece])
        node = tree.add(parent, piece, parent.log_prob + gain, alpha)
    node.fate = KEPT
    return node


def mark_winner(tree: Tree, winner: Hypothesis, eos: int) -> None:
    """Mark the translation and all that leads to it."""
    wanted = (*winner.ids, eos)
    ended = (node for node in tree.nodes if node.piece == eos and node.step == len(wanted))
    found = next(node for node in ended if tree.ids(node) == wanted)
    found.fate = FINISHED
    for node in tree.path(found):
        node.wins = True
