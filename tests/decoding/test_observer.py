"""An observer sees every step of the search as it is, and changes nothing."""

import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from nmt.decoding.beam import beam_search
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.observer import SearchStep
from nmt.decoding.scoring import length_penalty
from nmt.decoding.search_model import AnyIds
from tests.decoding.test_beam import BOS, EOS, IDS, Table

ALPHA = 0.6


@dataclass
class Steps:
    """An observer that keeps all steps."""

    steps: list[SearchStep] = field(default_factory=list)

    def on_step(self, step: SearchStep) -> None:
        self.steps.append(step)

    def of(self, sentence: int) -> list[SearchStep]:
        return [step for step in self.steps if step.sentence == sentence]


def observed(seed: int, lengths: list[int], width: int) -> tuple[list[list[Hypothesis]], Steps]:
    """Search sentences 0, 1, ... of the fake model with an observer."""
    source, steps = torch.arange(len(lengths))[:, None], Steps()
    found = beam_search(
        Table(seed, 1.5),
        source,
        lengths,
        IDS,
        beam_size=width,
        alpha=ALPHA,
        n_best=width,
        observer=steps,
    )
    return found, steps


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("seed", range(10))
def test_the_steps_of_a_batch_lead_to_its_results(seed: int, width: int) -> None:
    """The ids and scores of every output follow from the steps alone."""
    lengths = [7, 3, 10, 1, 5]
    found, steps = observed(seed, lengths, width)
    for sentence, expected in enumerate(found):
        beam: list[tuple[int, ...] | None] = [()]
        finished = []
        for number, step in enumerate(steps.of(sentence), 1):
            assert step.length == number
            outputs = []
            for each in step.candidates:
                prefix = beam[each.parent]
                assert prefix is not None
                outputs.append((*prefix, each.token))
                if each.is_finished:
                    score = each.log_prob / length_penalty(step.length, ALPHA)
                    finished.append(Hypothesis(prefix, each.log_prob, score))
            beam = [None if index is None else outputs[index] for index in step.next_beam]
        finished.sort(key=lambda each: -each.score)
        assert finished[: len(expected)] == expected


@pytest.mark.parametrize("seed", range(10))
def test_an_observer_changes_no_result(seed: int) -> None:
    lengths = [7, 3, 10, 1, 5]
    source = torch.arange(len(lengths))[:, None]
    alone = beam_search(Table(seed, 1.5), source, lengths, IDS, beam_size=3, alpha=ALPHA, n_best=3)
    assert observed(seed, lengths, 3)[0] == alone


@pytest.mark.parametrize("seed", range(10))
def test_only_the_last_step_of_a_sentence_is_last(seed: int) -> None:
    lengths = [7, 3, 10]
    _, steps = observed(seed, lengths, 2)
    for sentence, limit in enumerate(lengths):
        seen = steps.of(sentence)
        assert len(seen) <= limit
        assert [step.is_last for step in seen] == [False] * (len(seen) - 1) + [True]


def test_a_step_by_hand() -> None:
    """A greedy search: token 2 has probability 0.7, then EOS has 0.6."""

    class Fixed:
        def encode(self, source: AnyIds) -> "Fixed":
            return self

        def select(self, rows: AnyIds) -> "Fixed":
            return self

        def step(self, last_ids: AnyIds, state: "Fixed") -> tuple[Tensor, "Fixed"]:
            shares = [0.1, 0.2, 0.7] if int(last_ids[0, 0]) == BOS else [0.1, 0.6, 0.3]
            return torch.tensor([[shares]]).log(), self

    steps = Steps()
    beam_search(Fixed(), torch.zeros(1, 1), [4], IDS, beam_size=1, alpha=1.0, observer=steps)
    first, second = steps.steps
    assert [(each.parent, each.token, each.is_finished) for each in first.candidates] == [
        (0, 2, False),
        (0, EOS, False),
    ]
    assert first.next_beam == (0,)
    assert first.bound == pytest.approx(math.log(0.7) / 1.5)
    ended = second.candidates[0]
    assert (ended.parent, ended.token, ended.is_eos, ended.is_finished) == (0, EOS, True, True)
    assert ended.log_prob == pytest.approx(math.log(0.42))
    assert (second.next_beam, second.is_last) == ((1,), True)


def test_a_place_without_a_candidate_is_none() -> None:
    """At the greatest length all candidates end: no hypothesis can go on."""
    _, steps = observed(0, [1], 2)
    (step,) = steps.of(0)
    assert [each.token for each in step.candidates] == [EOS]
    assert step.next_beam == (None, None)
    assert step.bound == -math.inf
