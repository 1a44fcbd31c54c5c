"""The page's numbers give exact probabilities at any temperature."""

import math

import pytest
import torch

from nmt.studio.explain.next_tokens import SHOWN, TEMPERATURES, next_tokens


def test_probabilities_at_every_temperature_are_exact() -> None:
    torch.manual_seed(1)
    logits = 3 * torch.randn(2, 40)
    for row, step in zip(logits.double(), next_tokens(logits, [5, 6], never=(0, 1)), strict=True):
        for temperature, log_sum in zip(TEMPERATURES, step.log_sums, strict=True):
            expected = (row / temperature).softmax(-1)
            for token, logit in zip(step.ids, step.logits, strict=True):
                share = math.exp(logit / temperature - log_sum)
                assert share == pytest.approx(float(expected[token]), rel=1e-6, abs=1e-12)


def test_forbidden_tokens_count_but_are_not_shown() -> None:
    (step,) = next_tokens(torch.tensor([[5.0, 2.0, 1.0]]), [2], never=(0,))
    assert step.ids == (1, 2)
    assert (step.chosen, step.rank) == (2, 2)
    share = math.exp(step.logits[0] - step.log_sums[TEMPERATURES.index(1.0)])
    assert share == pytest.approx(math.exp(2) / (math.exp(5) + math.exp(2) + math.exp(1)))


def test_an_unlikely_chosen_token_is_shown() -> None:
    logits = torch.arange(30.0, 0.0, -1.0)[None]
    (step,) = next_tokens(logits, [29], never=())
    assert step.ids == (*range(SHOWN), 29)
    assert step.rank == 30


def test_entropy_is_in_bits() -> None:
    (step,) = next_tokens(torch.zeros(1, 8), [0], never=())
    assert step.entropy == pytest.approx(3.0)
