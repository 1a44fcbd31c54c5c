"""A recording holds what the search and the model do, and recording changes nothing."""

import math

import pytest
import torch

from nmt.config import ModelSettings
from nmt.decoding.search.hypothesis import Hypothesis, length_penalty
from nmt.model.layers import DecoderLayer
from nmt.model.transformer import Transformer
from nmt.studio.explain.recording import FINISHED, KEPT, OPEN, PRUNED, Tree, recording
from tests.decoding.test_beam import EOS, IDS, Table, beam_search

SOURCE = torch.tensor([[7, 9, 5, 3]])
TARGET = torch.tensor([[2, 8, 6]])
LENGTH, ALPHA = 7, 0.6


@pytest.fixture
def network() -> Transformer:
    torch.manual_seed(0)
    settings = ModelSettings(
        encoder_layers=2, decoder_layers=2, d_model=12, d_ff=20, heads=3, d_k=4, d_v=5, dropout=0
    )
    return Transformer(settings, 11, pad_id=0).eval()


@torch.no_grad()
def test_weights_are_the_softmax_of_the_recorded_queries_and_keys(network: Transformer) -> None:
    with recording(network) as record:
        network(SOURCE, TARGET)
    assert set(record.attention) == {
        *(f"encoder.{n}.self_attention" for n in (0, 1)),
        *(f"decoder.{n}.{kind}_attention" for n in (0, 1) for kind in ("self", "cross")),
    }
    seen = record.attention["decoder.1.cross_attention"]
    assert seen.query.shape == (3, 3, 4)
    assert seen.value.shape == (3, 4, 5)
    expected = (seen.query @ seen.key.transpose(1, 2) / math.sqrt(4)).softmax(-1)
    torch.testing.assert_close(seen.weights, expected)
    layer = network.decoder[1]
    assert isinstance(layer, DecoderLayer)
    gathered = (seen.weights @ seen.value).transpose(0, 1).flatten(1)
    torch.testing.assert_close(record.inputs["decoder.1.cross_attention.out"], gathered)
    torch.testing.assert_close(
        record.outputs["decoder.1.cross_attention"], gathered @ layer.cross_attention.out.weight.T
    )
    masked = record.attention["decoder.0.self_attention"].weights
    assert torch.equal(masked, masked.tril())


@torch.no_grad()
def test_recording_changes_no_output_and_leaves_no_hook(network: Transformer) -> None:
    before = network(SOURCE, TARGET)
    with recording(network) as record:
        during = network(SOURCE, TARGET)
    assert torch.equal(before, during)
    torch.testing.assert_close(network.embeddings.project(record.outputs["decoder.1"]), before[0])
    outputs, attention = dict(record.outputs), dict(record.attention)
    network(SOURCE.flip(1), TARGET)
    assert all(record.outputs[name] is output for name, output in outputs.items())
    assert all(record.attention[name] is found for name, found in attention.items())
    with pytest.raises(ZeroDivisionError), recording(network) as failed:
        1 / 0  # noqa: B018 (it is the error)
    network(SOURCE, TARGET)
    assert (failed.inputs, failed.attention) == ({}, {})


def test_a_batch_of_two_segments_is_refused(network: Transformer) -> None:
    with pytest.raises(ValueError, match="too many values"), recording(network):
        network(SOURCE.repeat(2, 1), TARGET.repeat(2, 1))


def search(seed: int, width: int, n_best: int) -> tuple[list[Hypothesis], Tree]:
    """Search one sentence; return the n best and the tree."""
    tree = Tree(IDS.bos, ALPHA)
    (found,) = beam_search(
        Table(seed, 2.0),
        torch.zeros(1, 1, dtype=torch.long),
        [LENGTH],
        IDS,
        beam_size=width,
        alpha=ALPHA,
        n_best=n_best,
        observer=tree.on_step,
    )
    tree.mark(found[0], EOS)
    return found, tree


@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_best_finished_nodes_are_the_n_best(width: int) -> None:
    for seed in range(20):
        found, tree = search(seed, width, n_best=width)
        finished = [node for node in tree.nodes if node.status == FINISHED]
        finished.sort(key=lambda node: -node.score)
        assert {node.token for node in finished} == {EOS}
        assert [((*best.ids, EOS), best.score) for best in found] == [
            (tree.ids(node), node.score) for node in finished[: len(found)]
        ]


@pytest.mark.parametrize("seed", range(20))
def test_the_tree_is_the_search(seed: int) -> None:
    """A node adds a token to its parent, a step keeps the beam, and the bound ends the search."""
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
    last = len(tree.bounds)
    assert last == LENGTH or tree.bounds[-1] <= found[0].score + 1e-6
    for step, bound in enumerate(tree.bounds, 1):
        status = [node.status for node in tree.nodes if node.step == step]
        assert len(status) <= 6
        assert status.count(KEPT) == (3 if step < last else 0)
        assert status.count(OPEN) <= (3 if step == last else 0)
        assert status.count(PRUNED) <= 3
        finished = [n.score for n in tree.nodes if n.status == FINISHED and n.step <= step]
        assert step == last or bound > max(finished, default=-math.inf) - 1e-6
