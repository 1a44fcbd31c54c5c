"""The stopping rules: the safe rule, and the rule that waits for beam_size finished outputs."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nmt.config import DECLARED
from nmt.decoding.models.arrays import ArrayDecoder, ArrayState, Ids
from nmt.decoding.search.hypothesis import STOPPING_RULES, Hypothesis
from nmt.decoding.translator.translator import Translator
from nmt.kernels.array_functions import Floats
from nmt.runs.trained_model import load_model
from tests.decoding.test_beam import IDS, VOCABULARY, Table, beam_search

A, B, C = range(2, VOCABULARY)
AFTER: dict[
    tuple[int, ...], tuple[float, ...]
] = {  # tokens so far: the probabilities of EOS, A, B and C
    (): (0.4, 0.35, 0.25, 0),
    (A,): (0.6, 0.3, 0.1, 0),
    (B,): (0.1, 0.1, 0.8, 0),
}


def search(
    model: Table, lengths: list[int], width: int, alpha: float, stopping: str
) -> list[list[Hypothesis]]:
    """Search sentences 0, 1, ... of the fake model for as many outputs as the beam is wide."""
    source = torch.arange(len(lengths))[:, None]
    return beam_search(
        model, source, lengths, IDS, beam_size=width, alpha=alpha, n_best=width, stopping=stopping
    )


class ByHand(Table):
    """A fake model whose probabilities are written in the table AFTER."""

    def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
        tokens = prefix[1:]  # without BOS
        if tokens[:2] == (B, B):  # always followed by seven more
            chosen: tuple[float, ...] = (0, 0, 1, 0) if len(tokens) < 9 else (1, 0, 0, 0)
        else:
            chosen = AFTER.get(tokens, (0.5, 0.5, 0, 0))
        return [-math.inf, *(math.log(each) if each else -100.0 for each in chosen)]


def test_only_the_safe_rule_finds_a_late_output() -> None:
    """Alpha 1, a beam of 2. Scores are log-probabilities over (5 + length) / 6.

    Step 1: the empty output is finished, ln 0.4 / 1 = -0.916; A (0.35) and B (0.25) go on. Step 2:
    A is finished, ln 0.21 / (7/6) = -1.338, the second output; B B (0.2) goes on. Its output of
    nine B has the score ln 0.2 / (15/6) = -0.644.
    """
    first = ByHand(0)
    (found,) = search(first, [12], 2, 1.0, "beam_finished")
    assert [each.ids for each in found] == [(), (A,)]
    assert [each.score for each in found] == pytest.approx(
        [math.log(0.4), math.log(0.21) / (7 / 6)]
    )
    assert first.steps == 2
    safe = ByHand(0)
    (found,) = search(safe, [12], 2, 1.0, "safe")
    assert [each.ids for each in found] == [(B,) * 9, ()]
    assert found[0].score == pytest.approx(math.log(0.2) / 2.5, abs=1e-5)
    assert safe.steps == 10


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("seed", range(12))
def test_beam_finished_takes_no_more_steps_and_finds_no_better_score(
    seed: int, width: int, alpha: float
) -> None:
    for length in (3, 9):
        steps, best = {}, {}
        for stopping in ("safe", "beam_finished"):
            model = Table(seed, 1.5)
            (found,) = search(model, [length], width, alpha, stopping)
            steps[stopping], best[stopping] = model.steps, found[0].score
            for each in found:
                assert each.log_prob == pytest.approx(model.log_prob(0, each.ids), abs=1e-4)
        assert steps["beam_finished"] <= steps["safe"]
        assert best["beam_finished"] <= best["safe"]


@pytest.mark.parametrize("seed", range(6))
def test_result_does_not_depend_on_other_sentences_in_the_batch(seed: int) -> None:
    """The search of each sentence ends when its own beam is finished."""
    lengths = [7, 3, 10, 1, 5]
    together = search(Table(seed, 1.5), lengths, 3, 0.6, "beam_finished")
    for sentence, length in enumerate(lengths):
        source = torch.tensor([[sentence]])
        (alone,) = beam_search(
            Table(seed, 1.5),
            source,
            [length],
            IDS,
            beam_size=3,
            alpha=0.6,
            n_best=3,
            stopping="beam_finished",
        )
        assert alone == together[sentence]


def test_setting_reaches_the_search(skilled_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a large length penalty, the safe rule of a trained model waits for longer outputs."""
    steps = 0

    class Counting(ArrayDecoder):
        def step(self, last_ids: Ids, state: ArrayState) -> tuple[Floats, ArrayState]:
            nonlocal steps
            steps += 1
            return super().step(last_ids, state)

    monkeypatch.setattr("nmt.decoding.translator.searcher.ArrayDecoder", Counting)
    model = load_model(skilled_run, "cpu")
    counts = {}
    for stopping in ("safe", "beam_finished"):
        steps = 0
        settings = replace(
            model.recipe.decode, length_penalty=2.0, max_extra_tokens=30, stopping=stopping
        )
        list(Translator(model, settings, print).translate(["sun", "moon", "seed"]))
        counts[stopping] = steps
    assert 0 < counts["beam_finished"] < counts["safe"]


def test_every_choice_of_the_setting_is_a_rule() -> None:
    declared = DECLARED["decode.stopping"]
    assert set(declared.metadata["choices"]) == set(STOPPING_RULES)
