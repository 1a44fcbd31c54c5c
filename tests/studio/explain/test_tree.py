"""The tree holds the search as it was, on a fake model and by hand."""

import math

import pytest
import torch

from nmt.decoding.search.hypothesis import Hypothesis, length_penalty
from nmt.decoding.search.search import AnyIds
from nmt.studio.explain.tree import FINISHED, KEPT, OPEN, PRUNED, Tree, TreeBuilder
from tests.decoding.test_beam import EOS, IDS, Table, beam_search

LENGTH, ALPHA = 7, 0.6


def search(seed: int, width: int, n_best: int) -> tuple[list[Hypothesis], Tree]:
    """Search one sentence; return the n best and the tree."""
    builder = TreeBuilder(IDS.bos, ALPHA)
    (found,) = beam_search(
        Table(seed, 2.0),
        torch.zeros(1, 1, dtype=torch.long),
        [LENGTH],
        IDS,
        beam_size=width,
        alpha=ALPHA,
        n_best=n_best,
        observer=builder.on_step,
    )
    return found, builder.finish(found[0], EOS)


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("seed", range(20))
def test_the_best_finished_nodes_are_the_n_best(seed: int, width: int) -> None:
    found, tree = search(seed, width, n_best=width)
    finished = sorted(
        (node for node in tree.nodes if node.status == FINISHED), key=lambda node: -node.score
    )
    best = finished[: len(found)]
    assert [(*each.ids, EOS) for each in found] == [tree.ids(node) for node in best]
    assert [each.score for each in found] == [node.score for node in best]
    assert [node.token for node in finished] == [EOS] * len(finished)


@pytest.mark.parametrize("seed", range(20))
def test_a_node_adds_one_token_to_its_parent(seed: int) -> None:
    found, tree = search(seed, 3, n_best=1)
    table = Table(seed, 2.0)
    for node in tree.nodes[1:]:
        assert node.parent is not None
        parent = tree.nodes[node.parent]
        assert (parent.status, node.step) == (KEPT, parent.step + 1)
        prefix = (IDS.bos, *tree.ids(parent))
        gain = torch.tensor(table.logits(0, prefix)).log_softmax(-1)[node.token]
        assert node.log_prob == pytest.approx(parent.log_prob + float(gain), abs=1e-5)
        assert node.score == pytest.approx(node.log_prob / length_penalty(node.step, ALPHA))
    wins = [node for node in tree.nodes if node.wins]
    assert tree.ids(wins[-1]) == (*found[0].ids, EOS)
    assert [node.step for node in wins] == list(range(len(found[0].ids) + 2))


@pytest.mark.parametrize("seed", range(20))
def test_each_step_keeps_beam_size_nodes(seed: int) -> None:
    _, tree = search(seed, 3, n_best=1)
    last = max(node.step for node in tree.nodes)
    for step in range(1, last + 1):
        status = [node.status for node in tree.nodes if node.step == step]
        assert len(status) <= 6
        assert status.count(KEPT) == (3 if step < last else 0)
        assert status.count(OPEN) <= (3 if step == last else 0)
        assert status.count(PRUNED) <= 3
    assert len(tree.bounds) == last


@pytest.mark.parametrize("seed", range(20))
def test_the_search_ends_when_the_bound_reaches_the_best_score(seed: int) -> None:
    found, tree = search(seed, 3, n_best=1)
    last = len(tree.bounds)
    assert last == LENGTH or tree.bounds[-1] <= found[0].score + 1e-6
    for step, bound in enumerate(tree.bounds[:-1], 1):
        finished = [n.score for n in tree.nodes if n.status == FINISHED and n.step <= step]
        assert bound > max(finished, default=-math.inf) - 1e-6


def test_by_hand() -> None:
    """A beam of 1 takes two steps: token 2 (0.7), then EOS (0.6)."""

    class Fixed:
        """After BOS, token 2 is likely; after that, EOS is."""

        def encode(self, source: AnyIds) -> "Fixed":
            return self

        def select(self, rows: AnyIds) -> "Fixed":
            return self

        def step(self, last_ids: AnyIds, state: "Fixed") -> tuple[torch.Tensor, "Fixed"]:
            shares = [0.1, 0.2, 0.7] if int(last_ids[0, 0]) == IDS.bos else [0.1, 0.6, 0.3]
            return torch.tensor([[shares]]).log(), self

    builder = TreeBuilder(IDS.bos, 1.0)
    (found,) = beam_search(
        Fixed(), torch.zeros(1, 1), [4], IDS, beam_size=1, alpha=1.0, observer=builder.on_step
    )
    tree = builder.finish(found[0], EOS)
    nodes = [
        (n.parent, n.token, round(math.exp(n.log_prob), 3), n.status, n.wins) for n in tree.nodes
    ]
    assert nodes == [
        (None, 0, 1.0, KEPT, True),
        (0, 2, 0.7, KEPT, True),
        (0, 1, 0.2, PRUNED, False),
        (1, 1, 0.42, FINISHED, True),
        (1, 2, 0.21, OPEN, False),
    ]
    assert tree.nodes[3].score == pytest.approx(math.log(0.42) / (7 / 6))
    assert tree.bounds == pytest.approx([math.log(0.7) / 1.5, math.log(0.21) / 1.5])
