"""Beam search agrees with exhaustive search on a fake model that reads a table of numbers.

All backends of the search do: that of the host, with logits in tensors and in arrays, and that of a
device, on tensors of the CPU. Rows are chosen so that as little as possible moves. An observer sees
every step of the search as it is, and changes nothing.
"""

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy
import pytest
import torch
from torch import Tensor

from nmt.config import DECLARED
from nmt.decoding.search import search as loop
from nmt.decoding.search.beam import BeamSearch, place_hypotheses
from nmt.decoding.search.device_beam import device_beam_search
from nmt.decoding.search.hypothesis import STOPPING_RULES, Hypothesis, length_penalty
from nmt.decoding.search.rules import Constraint, SpecialIds
from nmt.decoding.search.search import AnyIds, Observer, SearchStep, place_sentences
from nmt.decoding.translator.translator import Translator
from nmt.kernels.rule import FloatArray
from nmt.runs.trained_model import load_model

BOS, EOS = 0, 1


IDS = SpecialIds(BOS, EOS, never=(BOS,))


VOCABULARY = 5  # BOS, EOS and three words


every_backend = pytest.mark.parametrize("backend", ["host", "arrays", "device"])


@dataclass(frozen=True)
class Prefixes:
    """The state of the fake model: the sentence of each row and its ids so far."""

    rows: tuple[tuple[int, tuple[int, ...]], ...]

    def select(self, rows: AnyIds) -> "Prefixes":
        return Prefixes(tuple(self.rows[row] for row in rows.flatten().tolist()))


class Table:
    """A fake model that draws the logits of the next token at random for every prefix."""

    def __init__(self, seed: int, temperature: float = 1.0) -> None:
        self.seed, self.temperature, self.steps = seed, temperature, 0

    def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
        draw = random.Random(f"{self.seed} {sentence} {prefix}")
        return [draw.gauss(0, self.temperature) for _ in range(VOCABULARY)]

    def encode(self, source: AnyIds) -> Prefixes:
        return Prefixes(tuple((sentence, ()) for sentence in source[:, 0].tolist()))

    def step(self, last_ids: AnyIds, state: Prefixes) -> tuple[Tensor, Prefixes]:
        self.steps += 1
        flat = last_ids.flatten().tolist()
        rows = tuple(
            (sentence, (*prefix, token))
            for (sentence, prefix), token in zip(state.rows, flat, strict=True)
        )
        logits = torch.tensor([self.logits(*row) for row in rows], dtype=torch.float32)
        return logits.view(*last_ids.shape, VOCABULARY), Prefixes(rows)

    def log_prob(self, sentence: int, ids: tuple[int, ...]) -> float:
        """Return the log-probability of a whole output, EOS counted."""
        total = 0.0
        prefix: tuple[int, ...] = (BOS,)
        for token in (*ids, EOS):
            logits = torch.tensor(self.logits(sentence, prefix), dtype=torch.float64)
            total += float(logits.log_softmax(-1)[token])
            prefix = (*prefix, token)
        return total


def every_output(max_length: int) -> Iterator[tuple[int, ...]]:
    """Yield all outputs of at most `max_length` ids, EOS counted but not included."""
    for length in range(max_length):
        yield from itertools.product(range(2, VOCABULARY), repeat=length)


def exhaustive(model: Table, sentence: int, max_length: int, alpha: float) -> list[Hypothesis]:
    found = []
    for ids in every_output(max_length):
        log_prob = model.log_prob(sentence, ids)
        score = log_prob / length_penalty(len(ids) + 1, alpha)
        found.append(Hypothesis(ids, log_prob, score))
    return sorted(found, key=lambda hypothesis: -hypothesis.score)


def beam_search(
    model: Any,
    source: Any,
    max_lengths: Sequence[int],
    ids: SpecialIds,
    *,
    contexts: Sequence[tuple[int, ...]] = (),
    constraints: Sequence[Constraint] = (),
    observer: Observer | None = None,
    **settings: Any,
) -> list[list[Hypothesis]]:
    """Return what a beam search finds; settings: those of `BeamSearch`."""
    strategy = BeamSearch(**settings)
    asked: dict[str, Any] = {"contexts": contexts, "constraints": constraints}
    return loop.search(model, source, max_lengths, ids, strategy, observer=observer, **asked)


def on_device(
    model: Any, source: Any, max_lengths: Sequence[int], ids: SpecialIds, **settings: Any
) -> list[list[Hypothesis]]:
    """Return what the beam search for a GPU finds; settings: those of `BeamSearch`."""
    return device_beam_search(model, source, max_lengths, ids, BeamSearch(**settings))


@dataclass(frozen=True)
class InArrays:
    table: Table

    def encode(self, source: AnyIds) -> Prefixes:
        return self.table.encode(source)

    def step(self, last_ids: AnyIds, state: Prefixes) -> tuple[FloatArray, Prefixes]:
        logits, after = self.table.step(last_ids, state)
        return logits.numpy(), after


def search(
    model: Table,
    lengths: list[int],
    *,
    width: int,
    alpha: float = 0.6,
    backend: str = "host",
    first: int = 0,
    **settings: Any,
) -> list[list[Hypothesis]]:
    """Search sentences from a first one on of the fake model, with a backend of the search."""
    source = torch.arange(first, first + len(lengths))[:, None]
    find = on_device if backend == "device" else beam_search
    asked = InArrays(model) if backend == "arrays" else model
    return find(asked, source, lengths, IDS, beam_size=width, alpha=alpha, **settings)


def same(found: list[Hypothesis], expected: list[Hypothesis]) -> bool:
    """Return True if the ids are equal, and the scores up to float32's rounding."""
    ours, theirs = (
        [(hypothesis.log_prob, hypothesis.score) for hypothesis in one] for one in (found, expected)
    )
    return [hypothesis.ids for hypothesis in found] == [
        hypothesis.ids for hypothesis in expected
    ] and [*itertools.chain(*ours)] == pytest.approx([*itertools.chain(*theirs)], abs=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.5])
@pytest.mark.parametrize("seed", range(2))
@every_backend
def test_full_width_equals_exhaustive_search(backend: str, seed: int, alpha: float) -> None:
    """A beam with room for all prefixes, at most 3^4 * 4 / 3, finds the true n best in order."""
    model = Table(seed)
    for n_best in (1, 7):
        found = search(model, [5, 4, 1], width=108, alpha=alpha, n_best=n_best, backend=backend)
        for sentence, max_length in enumerate([5, 4, 1]):
            expected = exhaustive(model, sentence, max_length, alpha)[:n_best]
            assert same(found[sentence], expected)


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
@every_backend
def test_early_stop_changes_no_result(
    backend: str, seed: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that never stops before the greatest length finds the same."""
    lengths, alpha = [9, 12, 6], 1.5
    early = Table(seed, 2.0)
    found = search(early, lengths, width=width, alpha=alpha, n_best=width, backend=backend)
    never = Table(seed, 2.0)
    monkeypatch.setitem(STOPPING_RULES, "safe", lambda *_: False)
    assert search(never, lengths, width=width, alpha=alpha, n_best=width, backend=backend) == found
    assert early.steps <= never.steps


@pytest.mark.parametrize("stopping", STOPPING_RULES)
@pytest.mark.parametrize("seed", range(3))
@every_backend
def test_result_does_not_depend_on_other_sentences_in_the_batch(
    backend: str, seed: int, stopping: str
) -> None:
    model = Table(seed, 1.5)
    lengths = [7, 3, 10, 1, 5]
    given: dict[str, Any] = {"width": 4, "n_best": 3, "backend": backend, "stopping": stopping}
    together = search(model, lengths, **given)
    for sentence, max_length in enumerate(lengths):
        (alone,) = search(model, [max_length], first=sentence, **given)
        assert alone == together[sentence]


@every_backend
def test_a_diverged_sentence_has_no_output_and_changes_no_other(backend: str) -> None:
    """Its search still ends at the greatest length."""

    class Diverged(Table):
        def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
            return [math.nan] * VOCABULARY if sentence == 1 else super().logits(sentence, prefix)

    found = search(Diverged(0), [4, 2, 5], width=3, backend=backend)
    expected = search(Table(0), [4, 2, 5], width=3, backend=backend)
    assert found == [expected[0], [], expected[2]]


def test_length_penalty_by_hand() -> None:
    """((5 + |Y|) / 6)^alpha: 1 at length 1, (15 / 6)^0.6 at length 10."""
    assert length_penalty(1, 0.6) == 1
    assert length_penalty(10, 0.6) == pytest.approx(2.5**0.6)
    assert length_penalty(10, 0.0) == 1


@pytest.mark.parametrize(("alpha", "n_best", "width"), [(-0.1, 1, 4), (0.6, 5, 4), (0.6, 0, 4)])
@every_backend
def test_arguments_without_a_safe_stop_are_refused(
    backend: str, alpha: float, n_best: int, width: int
) -> None:
    with pytest.raises(ValueError, match="alpha >= 0"):
        search(Table(0), [3], width=width, alpha=alpha, n_best=n_best, backend=backend)


def test_last_sentences_take_the_rows_of_those_that_ended() -> None:
    assert place_sentences([True, False, True, False, True, True]) == [0, 4, 2, 5]
    assert place_sentences([True, True]) == [0, 1]
    assert place_sentences([False, False]) == []


def test_first_child_of_each_parent_takes_its_slot() -> None:
    generator = numpy.random.default_rng(1)
    for beam in (1, 2, 4, 7):
        parents = generator.integers(0, beam, (50, 2 * beam))
        order = numpy.stack([generator.permutation(2 * beam)[:beam] for _ in range(50)])
        placed = place_hypotheses(order, parents, beam)
        assert (numpy.sort(placed) == numpy.sort(order)).all()  # each exactly once
        for row in range(50):
            by_slot = parents[row, placed[row]].tolist()
            for parent in set(by_slot):
                first = next(
                    candidate
                    for candidate in order[row].tolist()
                    if parents[row, candidate] == parent
                )
                assert placed[row, parent] == first


def observed(seed: int, lengths: list[int], width: int) -> tuple[list[list[Hypothesis]], Any]:
    """Search sentences 0, 1, ... of the fake model; also return the steps of each."""
    source, steps = torch.arange(len(lengths))[:, None], list[SearchStep]()
    settings: dict[str, Any] = {"beam_size": width, "alpha": 0.6, "n_best": width}
    found = beam_search(Table(seed, 1.5), source, lengths, IDS, observer=steps.append, **settings)
    assert found == beam_search(Table(seed, 1.5), source, lengths, IDS, **settings)
    return found, [
        [step for step in steps if step.sentence == sentence] for sentence in range(len(found))
    ]


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_the_steps_of_a_batch_lead_to_its_results(seed: int, width: int) -> None:
    """The ids and scores of every output follow from the steps alone."""
    lengths = [7, 3, 10, 1, 5]
    found, steps = observed(seed, lengths, width)
    for expected, limit, seen in zip(found, lengths, steps, strict=True):
        beam: list[tuple[int, ...] | None] = [()]
        finished = []
        assert [step.length for step in seen] == [*range(1, len(seen) + 1)]
        assert len(seen) <= limit
        assert [step.is_last for step in seen] == [False] * (len(seen) - 1) + [True]
        for step in seen:
            outputs = []
            for candidate in step.candidates:
                prefix = beam[candidate.parent]
                assert prefix is not None
                outputs.append((*prefix, candidate.token))
                if candidate.is_finished:
                    score = candidate.log_prob / length_penalty(step.length, 0.6)
                    finished.append(Hypothesis(prefix, candidate.log_prob, score))
            beam = [None if index is None else outputs[index] for index in step.next_beam]
        finished.sort(key=lambda hypothesis: -hypothesis.score)
        assert finished[: len(expected)] == expected


A, B, C = range(2, VOCABULARY)


After: TypeAlias = dict[tuple[int, ...], tuple[float, ...]]


AFTER: After = {  # tokens so far: the probabilities of EOS, A, B and C
    (): (0.4, 0.35, 0.25, 0),
    (A,): (0.6, 0.3, 0.1, 0),
    (B,): (0.1, 0.1, 0.8, 0),
}


class ByHand(Table):
    def __init__(self, seed: int, after: After = AFTER) -> None:
        super().__init__(seed)
        self.after = after

    def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
        tokens = prefix[1:]  # without BOS
        if tokens[:2] == (B, B):  # always followed by seven more
            chosen: tuple[float, ...] = (0, 0, 1, 0) if len(tokens) < 9 else (1, 0, 0, 0)
        else:
            chosen = self.after.get(tokens, (0.5, 0.5, 0, 0))
        return [
            -math.inf,
            *(math.log(probability) if probability else -100.0 for probability in chosen),
        ]


def test_steps_by_hand() -> None:
    """Alpha 1, a beam of 1 that may have 2 tokens: A, and then the end of the output."""
    steps = list[SearchStep]()
    settings: dict[str, Any] = {"beam_size": 1, "alpha": 1.0, "observer": steps.append}
    after: After = {(): (0.2, 0.7, 0.1, 0), (A,): (0.6, 0.3, 0.1, 0)}
    beam_search(ByHand(0, after), torch.zeros(1, 1), [3], IDS, **settings)
    first, second = steps
    seen = [
        (candidate.parent, candidate.token, candidate.is_eos, candidate.is_finished)
        for candidate in first.candidates
    ]
    assert seen == [(0, A, False, False), (0, EOS, True, False)]
    assert first.next_beam == (0,)
    assert first.bound == pytest.approx(math.log(0.7) / (8 / 6))
    assert second.candidates[0].is_finished
    assert second.candidates[0].log_prob == pytest.approx(math.log(0.42))


def test_at_the_greatest_length_no_hypothesis_can_go_on() -> None:
    _, ((step,),) = observed(0, [1], 2)
    assert [candidate.token for candidate in step.candidates] == [EOS]
    assert (step.next_beam, step.bound) == ((None, None), -math.inf)


def test_only_the_safe_rule_finds_a_late_output() -> None:
    """Alpha 1, a beam of 2. Scores are log-probabilities over (5 + length) / 6.

    Step 1: the empty output is finished, ln 0.4 / 1 = -0.916; A (0.35) and B (0.25) go on. Step 2:
    A is finished, ln 0.21 / (7/6) = -1.338, the second output; B B (0.2) goes on. Its output of
    nine B has the score ln 0.2 / (15/6) = -0.644.
    """
    first = ByHand(0)
    (found,) = search(first, [12], width=2, n_best=2, alpha=1.0, stopping="beam_finished")
    assert [hypothesis.ids for hypothesis in found] == [(), (A,)]
    assert [hypothesis.score for hypothesis in found] == pytest.approx(
        [math.log(0.4), math.log(0.21) / (7 / 6)]
    )
    assert first.steps == 2
    safe = ByHand(0)
    (found,) = search(safe, [12], width=2, n_best=2, alpha=1.0)
    assert [hypothesis.ids for hypothesis in found] == [(B,) * 9, ()]
    assert found[0].score == pytest.approx(math.log(0.2) / 2.5, abs=1e-5)
    assert safe.steps == 10


def test_setting_reaches_the_search(skilled_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule, asked = STOPPING_RULES["beam_finished"], list[int]()

    def counting(worst: Any, count: Any, bound: Any, beam_size: int) -> Any:
        asked.append(beam_size)
        return rule(worst, count, bound, beam_size)

    monkeypatch.setitem(STOPPING_RULES, "beam_finished", counting)
    model = load_model(skilled_run, "cpu")
    for stopping in ("safe", "beam_finished"):
        settings = replace(model.recipe.decode, stopping=stopping)
        list(Translator(model, settings, print).translate(["sun", "moon", "seed"]))
        assert bool(asked) == (stopping == "beam_finished")


def test_every_choice_of_the_setting_is_a_rule() -> None:
    declared = DECLARED["decode.stopping"]
    assert set(declared.metadata["choices"]) == set(STOPPING_RULES)
