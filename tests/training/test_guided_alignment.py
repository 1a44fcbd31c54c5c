"""Guided alignment: its loss, its gradient, and what it does to a training."""

import math
from pathlib import Path

import numpy
import pytest
import torch

from nmt.kernels.loss import reference_loss
from nmt.model.attention import MultiHeadAttention
from nmt.model.transformer import Transformer
from nmt.recipe.files import load_recipe
from nmt.text.batches import PairDataset
from nmt.text.prepare import open_prepared
from nmt.text.subwords.tokenizer import PAD
from nmt.training.guided_alignment import GuidedAlignment, guided_loss
from tests.training.conftest import (
    TINY,
    Train,
    assert_same,
    losses,
    open_dataset,
    plan_batches,
    read_metrics,
)

GUIDED = "train.guided_alignment=0.5"
STILL = (GUIDED, "model.dropout=0.0", "train.report_updates=1")


def cross_attentions(network: Transformer) -> list[MultiHeadAttention]:
    modules = [module for module in network.modules() if isinstance(module, MultiHeadAttention)]
    return [module for module in modules if module.is_cross]


def test_the_loss_by_hand() -> None:
    """One of two tokens is aligned to the second position; the padding at the end is not."""
    attention = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.9, 0.1, 0.0]]])
    for aligned, loss in (
        ([2, 0, 0], math.log(4)),
        ([2, 1, 0], math.log(4) + math.log(10)),
        ([0, 0, 0], 0),
    ):
        assert float(guided_loss(attention, torch.tensor([aligned]))) == pytest.approx(loss)


def test_a_weight_of_zero_gives_a_finite_loss() -> None:
    attention = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    loss = guided_loss(attention, torch.tensor([[2]]))
    loss.backward()
    assert loss.isfinite()
    assert attention.grad is not None
    assert attention.grad.isfinite().all()


def guided_dataset(train: Train) -> PairDataset:
    """Return the prepared text of a run, which has taken an update."""
    train(*STILL, updates=1)
    return open_dataset(TINY)


def test_a_training_minimises_the_sum_of_both_losses(train: Train) -> None:
    """The first update's loss is that of the plain formulas, with all heads' weights recorded."""
    dataset = guided_dataset(train)
    torch.manual_seed(1)
    network = Transformer(TINY.load_recipe().model, 40, PAD)
    found: list[torch.Tensor] = []
    attention = cross_attentions(network)[0]
    attention.recorder = lambda query, key, value, weights: found.append(weights)
    batch = dataset.batch(plan_batches(dataset)[0], 0)
    logits = network(batch.source, batch.target_input).flatten(0, 1)
    loss = reference_loss(logits, batch.labels.flatten(), 0.1, PAD).smoothed
    aligned = batch.aligned
    assert aligned is not None
    for row, token in aligned.nonzero().tolist():
        loss = loss - 0.5 * found[0][row, 0, token, aligned[row, token] - 1].log()
    written = read_metrics(TINY.path)[0]
    assert written["loss"] == pytest.approx(loss.item() / batch.target_tokens, rel=1e-5)


def test_batches_hold_the_alignment_of_the_text(train: Train) -> None:
    """Most links of the toy language are right: its targets are reversed, in upper case."""
    dataset = guided_dataset(train)
    prepared = open_prepared(TINY.load_recipe(), TINY.prepared_folder())
    everything = numpy.arange(len(dataset))
    batch = dataset.batch(everything, 0)
    rows = batch.rows(slice(3, 9))
    backwards = PairDataset(
        prepared.shards, prepared.names, right_to_left=True, alignments=prepared.alignments
    ).batch(everything, 0)
    assert batch.aligned is not None
    assert rows.aligned is not None
    assert backwards.aligned is not None
    assert batch.aligned.shape == batch.labels.shape
    assert (batch.aligned[batch.labels == PAD] == 0).all()
    source_lengths = (batch.source != PAD).sum(1)
    assert (batch.aligned < source_lengths[:, None]).all()  # EOS, the last, is aligned to nothing
    assert torch.equal(rows.aligned, batch.aligned[3:9, : rows.labels.shape[1]])
    length = int((batch.labels[0] != PAD).sum()) - 1
    assert torch.equal(backwards.labels[0, :length], batch.labels[0, :length].flip(0))
    assert torch.equal(backwards.aligned[0, :length], batch.aligned[0, :length].flip(0))
    source, target = prepared.tokenizer.source, prepared.tokenizer.target
    right = [
        source.piece(int(batch.source[row, batch.aligned[row, token] - 1])).upper()
        == target.piece(int(batch.labels[row, token]))
        for row, token in batch.aligned.nonzero().tolist()
    ]
    assert sum(right) > 0.8 * len(right) > 50


def test_micro_batches_and_r_drop_change_rounding_only(train: Train) -> None:
    """Without dropout both passes of R-Drop are the same, and so is the loss."""
    train(*STILL, run="whole", updates=4)
    for setting in ("train.micro_batch_tokens=30", "train.r_drop=1"):
        train(*STILL, setting, run=setting, updates=4)
        assert losses(Path(setting)) == pytest.approx(losses(Path("whole")), rel=1e-5)


def test_a_guided_training_resumes_bit_for_bit(train: Train) -> None:
    train(GUIDED, run="whole", updates=4)
    train(GUIDED, run="parts", updates=2)
    Path("parts/prepared/train-0.alignment").unlink()  # is made again, the same
    train(GUIDED, run="parts", updates=4)
    last = "checkpoints/update-00000004.safetensors"
    assert_same(Path("whole", last), Path("parts", last))
    files = [Path(f"{run}/prepared/train-0.alignment").read_bytes() for run in ("whole", "parts")]
    assert files[0] == files[1]


def test_recording_ends_with_its_block() -> None:
    network = Transformer(load_recipe("pocket").model, 40, PAD)
    guide = GuidedAlignment(network, 0.05)
    with guide.recording():
        recorders = [module.recorder for module in cross_attentions(network)]
    assert [recorder is not None for recorder in recorders].index(True) == len(recorders) - 2
    assert all(module.recorder is None for module in cross_attentions(network))
