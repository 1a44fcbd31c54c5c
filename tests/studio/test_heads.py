"""What heads attend to, in attention made by hand; a head that is cut; a model's heads."""

from collections import defaultdict
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.runs.trained_model import TrainedModel
from nmt.studio.heads import (
    OPENING,
    DevPair,
    Head,
    Share,
    add_batch,
    describe_heads,
    head_names,
    make_masks,
    without,
)

VERB = "a particle's verb"
WORDS = [0, 1, 2, 2, 3, -1]  # of five tokens and the end


def measured(weights: torch.Tensor, kind: str, links: list[Any]) -> list[Head]:
    """Return the heads that give weights (h, Q, K) in each of 30 equal pairs."""
    masks = make_masks([DevPair([], [], WORDS, WORDS, links)] * 30)
    sums: dict[str, Any] = defaultdict(int)
    add_batch(sums, masks[kind], weights.expand(30, *weights.shape))
    return [*describe_heads(kind, sums)]


def test_a_head_has_the_name_of_what_it_attends_to() -> None:
    before = torch.eye(6).roll(-1, 1)
    before[0] = torch.eye(6)[5]  # no token is before the first one
    even = torch.full((6, 6), 1 / 6)
    one, other = measured(torch.stack([before, even]), "encoder.self_attention", [])
    assert one.name == "the token before 100 %"
    assert one.entropy == 0
    assert astuple(one.shares["the token before"]) == pytest.approx((1, 1 / 6, 120))
    assert other.name == "spread"
    assert other.entropy == pytest.approx(other.most_entropy, rel=1e-5)
    assert other.shares["the rest of its word"].weight == pytest.approx(1 / 6)


def test_a_head_may_look_at_the_language_token() -> None:
    first = torch.zeros(6, 6)
    first[:, 0] = 1
    masks = make_masks([DevPair([], [], [OPENING, *WORDS[1:]], WORDS, [])] * 30)
    sums: dict[str, Any] = defaultdict(int)
    add_batch(sums, masks["encoder.self_attention"], first.expand(30, 1, 6, 6))
    (head,) = describe_heads("encoder.self_attention", sums)
    assert head.name == "the language token 100 %"


def test_a_word_gives_a_name_only_to_what_its_rows_do_more_than_others() -> None:
    only, always = torch.eye(6), torch.zeros(6, 6)
    only[5] = torch.eye(6)[2]  # the row that reads word 3 looks at a token of word 1
    always[:, 2] = 1
    always[:2] = torch.eye(6)[0]
    links = [("target", 3, 1, VERB)]
    one, other = measured(torch.stack([only, always]), "decoder.self_attention", links)
    assert one.name == f"the same token 80 %, {VERB} 100 %"
    assert one.shares[VERB].baseline == 1 / 2  # at this distance, the row before gives nothing
    assert astuple(other.shares[VERB]) == pytest.approx((1, 1, 30))
    assert other.name == "mixed"


def test_few_rows_or_a_high_baseline_give_no_name() -> None:
    shares = {"few": Share(0.9, 0.1, 29), "usual": Share(0.9, 0.75, 99), "half": Share(0.49, 0, 99)}
    assert Head("encoder.0.self_attention", 0, shares, 1, 3).name == "mixed"


def test_a_cut_makes_the_columns_of_a_head_zero_in_a_copy(model: TrainedModel) -> None:
    name = "encoder.0.self_attention"
    weights = model.network.state_dict()
    changed = without(model.network, name, 1).state_dict()
    assert [own for own in weights if not torch.equal(weights[own], changed[own])] == [
        f"{name}.out.weight"
    ]
    one, other = changed[f"{name}.out.weight"].chunk(2, 1)
    assert torch.equal(one, weights[f"{name}.out.weight"].chunk(2, 1)[0])
    assert not other.any()


def test_an_explanation_names_the_heads_if_there_is_a_dev_set(
    model: TrainedModel, tmp_path: Path
) -> None:
    names = head_names(model, None)
    assert {name: len(own) for name, own in names.items()} == {
        "encoder.0.self_attention": 2,
        "decoder.0.self_attention": 2,
        "decoder.0.cross_attention": 2,
    }
    assert head_names(model, tmp_path) == {}
