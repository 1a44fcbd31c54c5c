"""Trainings in which each pair is computed twice: R-Drop and SimCut."""

from pathlib import Path

import pytest
import torch

from nmt.config import ModelSettings
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import PAD
from tests.conftest import Run
from tests.training.conftest import assert_same, read_metrics

STILL = ("--set", "model.dropout=0", "--set", "train.report_updates=1", "--max-updates", 4)


def losses(run: str) -> list[float]:
    return [line["loss"] for line in read_metrics(Path(run)) if line["kind"] == "train"]


@pytest.mark.parametrize("setting", ["train.r_drop=5.0", "train.simcut=3"])
def test_a_recipe_trains_with_two_passes(nmt: Run, tiny: Path, setting: str) -> None:
    ended = nmt("train", tiny, "--set", setting, "--set", "model.dropout=0.2")
    assert ended.code == 0
    assert "average of" in ended.err


def test_simcut_that_cuts_nothing_has_the_loss_of_one_pass(nmt: Run, tiny: Path) -> None:
    """Without dropout, both passes are the same, so nothing is left to agree on."""
    nmt("train", tiny, "--run", "once", *STILL)
    simcut = ("--set", "train.simcut=3", "--set")
    nmt("train", tiny, "--run", "twice", *STILL, *simcut, "train.simcut_cutoff=0")
    nmt("train", tiny, "--run", "cut", *STILL, *simcut, "train.simcut_cutoff=0.5")
    assert losses("twice") == pytest.approx(losses("once"), rel=1e-5)
    assert losses("cut")[0] > losses("once")[0] * 1.001


def test_a_training_with_simcut_resumes_bit_for_bit(nmt: Run, tiny: Path) -> None:
    """Only the seed and the update decide what is cut."""
    simcut = ("--set", "train.simcut=3", "--set", "model.dropout=0.1")
    assert nmt("train", tiny, "--run", "whole", *simcut).code == 0
    assert nmt("train", tiny, "--run", "parts", *simcut, "--max-updates", 6).code == 0
    assert nmt("train", tiny, "--run", "parts", *simcut, "--max-updates", 12).code == 0
    assert_same(Path("whole/model.safetensors"), Path("parts/model.safetensors"))


def test_a_cut_embedding_no_longer_depends_on_its_token() -> None:
    """Two sources that differ in one token have the same logits where that token is cut."""
    torch.manual_seed(1)
    settings = ModelSettings(1, 1, d_model=8, d_ff=8, heads=2, d_k=4, d_v=4, dropout=0.0)
    network = Transformer(settings, 20, PAD)
    source, target = torch.tensor([[5, 6, 3], [5, 7, 3]]), torch.tensor([[2, 8], [2, 9]])
    kept_source, kept_target = torch.ones(2, 3), torch.ones(2, 2)
    kept_source[:, 1] = kept_target[:, 1] = 0
    one, other = network(source, target, kept_source, kept_target)
    torch.testing.assert_close(one, other)
    one, other = network(source, target)
    assert not torch.allclose(one, other)


def test_both_at_once_are_refused(nmt: Run, tiny: Path) -> None:
    ended = nmt("train", tiny, "--set", "train.r_drop=5", "--set", "train.simcut=3")
    assert ended.code == 1
    assert "train.r_drop and train.simcut are two ways to make two passes agree" in ended.err
    assert "set one of them to 0" in ended.err
