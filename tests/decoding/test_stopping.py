"""When a search ends: safely, or at as many finished outputs as the beam is wide."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt.artifacts.model_file import load_model
from nmt.decoding.beam import beam_search
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.incremental import DecoderState, IncrementalDecoder
from nmt.decoding.translator import Translator
from tests.decoding.test_beam import IDS, VOCABULARY, Table

A, B, C = range(2, VOCABULARY)
AFTER: dict[
    tuple[int, ...], tuple[float, ...]
] = {  # words: the probabilities of the end, A, B and C
    (): (0.4, 0.35, 0.25, 0),
    (A,): (0.6, 0.3, 0.1, 0),
    (B,): (0.1, 0.1, 0.8, 0),
}


def search(
    model: Table, lengths: list[int], width: int, alpha: float, stopping: str
) -> list[list[Hypothesis]]:
    """Sentences 0, 1, ... of the fake, the whole beam's outputs."""
    source = torch.arange(len(lengths))[:, None]
    return beam_search(
        model, source, lengths, IDS, beam_size=width, alpha=alpha, n_best=width, stopping=stopping
    )


class ByHand(Table):
    """A fake whose probabilities are written down."""

    def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
        words = prefix[1:]  # without BOS
        if words[:2] == (B, B):  # sure to be nine words
            chosen: tuple[float, ...] = (0, 0, 1, 0) if len(words) < 9 else (1, 0, 0, 0)
        else:
            chosen = AFTER.get(words, (0.5, 0.5, 0, 0))
        return [-math.inf, *(math.log(each) if each else -100.0 for each in chosen)]


def test_by_hand_a_late_output_is_found_by_the_safe_rule_alone() -> None:
    """Alpha 1, a beam of 2. Scores are log-probabilities over (5 + length) / 6.

    Step 1: the empty output ends, ln 0.4 / 1 = -0.916; A (0.35) and B (0.25) go on. Step 2: A ends,
    ln 0.21 / (7/6) = -1.338, the second of the beam; B B (0.2) goes on, and would be worth
    ln 0.2 / (15/6) = -0.644 with its nine words and their end.
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
def test_it_never_takes_more_steps_nor_finds_better(seed: int, width: int, alpha: float) -> None:
    """Sentence by sentence; each output is scored by the model all the same."""
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
def test_other_sentences_in_the_batch_change_nothing(seed: int) -> None:
    """Each ends when its own beam is finished."""
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


def test_the_setting_reaches_the_search(skilled_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a trained model's search, with a length penalty that makes waiting worth while."""
    steps = 0

    class Counting(IncrementalDecoder):
        def step(self, last_ids: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
            nonlocal steps
            steps += 1
            return super().step(last_ids, state)

    monkeypatch.setattr("nmt.decoding.translator.IncrementalDecoder", Counting)
    model = load_model(skilled_run, torch.device("cpu"))
    counts = {}
    for stopping in ("safe", "beam_finished"):
        steps = 0
        settings = replace(
            model.recipe.decode, length_penalty=2.0, max_extra_tokens=30, stopping=stopping
        )
        list(Translator.of(model, settings, print).translate(["sun", "moon", "seed"]))
        counts[stopping] = steps
    assert 0 < counts["beam_finished"] < counts["safe"]
