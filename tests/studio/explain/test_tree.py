"""The tree against the search it was rebuilt from, on a table-driven fake and by hand."""

import math

import pytest
import torch

from nmt.decoding.beam import beam_search
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.scoring import length_penalty
from nmt.studio.explain.tree import FINISHED, KEPT, OPEN, PRUNED, Tree, tree_of
from nmt.studio.explain.watching import WatchedModel
from tests.decoding.test_beam import EOS, IDS, Table

LENGTH, ALPHA = 7, 0.6


def watched_search(seed: int, width: int, n_best: int) -> tuple[list[Hypothesis], Tree]:
    """A search of one sentence and its tree."""
    model = WatchedModel(Table(seed, 2.0))
    source = torch.zeros(1, 1, dtype=torch.long)
    (found,) = beam_search(
        model, source, [LENGTH], IDS, beam_size=width, alpha=ALPHA, n_best=n_best
    )
    tree = tree_of(model.steps, found[0], IDS, beam_size=width, alpha=ALPHA, max_length=LENGTH)
    return found, tree


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("seed", range(20))
def test_the_finished_nodes_are_what_the_search_found(seed: int, width: int) -> None:
    found, tree = watched_search(seed, width, n_best=width)
    finished = sorted(
        (node for node in tree.nodes if node.fate == FINISHED), key=lambda node: -node.score
    )
    best = finished[: len(found)]
    assert [(*each.ids, EOS) for each in found] == [tree.ids(node) for node in best]
    assert [each.score for each in found] == pytest.approx([node.score for node in best], abs=1e-5)
    assert [node.piece for node in finished] == [EOS] * len(finished)


@pytest.mark.parametrize("seed", range(20))
def test_a_node_is_its_parent_and_one_piece_more(seed: int) -> None:
    found, tree = watched_search(seed, 3, n_best=1)
    table = Table(seed, 2.0)
    for node in tree.nodes[1:]:
        assert node.parent is not None
        parent = tree.nodes[node.parent]
        assert (parent.fate, node.step) == (KEPT, parent.step + 1)
        prefix = (IDS.bos, *tree.ids(parent))
        gain = torch.tensor(table.logits(0, prefix)).log_softmax(-1)[node.piece]
        assert node.log_prob == pytest.approx(parent.log_prob + float(gain), abs=1e-5)
        assert node.score == pytest.approx(node.log_prob / length_penalty(node.step, ALPHA))
    wins = [node for node in tree.nodes if node.wins]
    assert tree.ids(wins[-1]) == (*found[0].ids, EOS)
    assert [node.step for node in wins] == list(range(len(found[0].ids) + 2))


@pytest.mark.parametrize("seed", range(20))
def test_each_step_keeps_as_many_as_the_beam_is_wide(seed: int) -> None:
    _, tree = watched_search(seed, 3, n_best=1)
    last = max(node.step for node in tree.nodes)
    for step in range(1, last + 1):
        fates = [node.fate for node in tree.nodes if node.step == step]
        assert len(fates) <= 6
        assert fates.count(KEPT) == (3 if step < last else 0)
        assert fates.count(OPEN) <= (3 if step == last else 0)
        assert fates.count(PRUNED) <= 3
    assert len(tree.bounds) == last


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_says_why_the_search_ended(seed: int) -> None:
    found, tree = watched_search(seed, 3, n_best=1)
    last = len(tree.bounds)
    assert last == LENGTH or tree.bounds[-1] <= found[0].score + 1e-6
    for step, bound in enumerate(tree.bounds[:-1], 1):
        finished = [n.score for n in tree.nodes if n.fate == FINISHED and n.step <= step]
        assert bound > max(finished, default=-math.inf) - 1e-6


def test_by_hand() -> None:
    """A beam of 1 over two steps of a fair coin's pieces."""

    class Coin:
        """After the start, 2 is likely; after that, the end is."""

        def encode(self, source: torch.Tensor) -> "Coin":
            return self

        def select(self, rows: torch.Tensor) -> "Coin":
            return self

        def step(self, last: torch.Tensor, state: "Coin") -> tuple[torch.Tensor, "Coin"]:
            shares = [0.1, 0.2, 0.7] if int(last) == IDS.bos else [0.1, 0.6, 0.3]
            return torch.tensor([[shares]]).log(), self

    model = WatchedModel(Coin())
    (found,) = beam_search(model, torch.zeros(1, 1), [4], IDS, beam_size=1, alpha=1.0)
    tree = tree_of(model.steps, found[0], IDS, beam_size=1, alpha=1.0, max_length=4)
    told = [(n.parent, n.piece, round(math.exp(n.log_prob), 3), n.fate, n.wins) for n in tree.nodes]
    assert told == [
        (None, 0, 1.0, KEPT, True),
        (0, 2, 0.7, KEPT, True),
        (0, 1, 0.2, PRUNED, False),
        (1, 1, 0.42, FINISHED, True),
        (1, 2, 0.21, OPEN, False),
    ]
    assert tree.nodes[3].score == pytest.approx(math.log(0.42) / (7 / 6))
    assert tree.bounds == pytest.approx([math.log(0.7) / 1.5, math.log(0.21) / 1.5])
