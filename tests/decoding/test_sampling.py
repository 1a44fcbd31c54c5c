"""Samples follow the model's distribution, and depend on the seed and the source alone.

The fake model and the enumeration of its outputs are those of the tests of beam search.
"""

import math
from collections import Counter
from functools import lru_cache
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor

from nmt.config import DecodeSettings
from nmt.decoding.search.hypothesis import Hypothesis, length_penalty
from nmt.decoding.search.prefix import NO_PREFIX
from nmt.decoding.search.rules import SpecialIds, make_constraints
from nmt.decoding.search.sampling import Filters, RandomNumbers, Sampling, draw_tokens
from nmt.decoding.search.search import AnyIds, SearchModel, search
from nmt.kernels.rule import Rule
from tests.decoding.test_beam import EOS, IDS, Prefixes, Table, beam_search, every_output

LENGTHS = [5, 4, 5]
CHI_SQUARE = 120.0  # of at most 39 degrees of freedom: exceeded with a probability of 1e-9


class Kept(Table):
    """The fake model, which draws each of its logits once."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.logits = lru_cache(maxsize=None)(super().logits)  # type: ignore[method-assign] # equal


PLAIN = Filters()


def draw(
    model: SearchModel[Any],
    samples: int,
    filters: Filters = PLAIN,
    *,
    seed: int = 1,
    sentences: tuple[int, ...] = (0, 1, 2),
    settings: DecodeSettings | None = None,
) -> list[list[Hypothesis]]:
    """Draw samples of sentences of the fake model; each sentence is its own source."""
    limits = [LENGTHS[sentence] for sentence in sentences]
    numbers = RandomNumbers(seed, [[sentence] for sentence in sentences])
    given = settings and make_constraints([NO_PREFIX] * len(sentences), limits, settings, EOS)
    return search(
        model,
        torch.tensor(sentences)[:, None],
        limits,
        IDS,
        Sampling(numbers, filters, alpha=0.6, n_best=samples),
        constraints=given or (),
    )


def list_ids(found: list[Hypothesis]) -> list[tuple[int, ...]]:
    return [hypothesis.ids for hypothesis in found]


def probability(model: Table, sentence: int, ids: tuple[int, ...], temperature: float) -> float:
    """Return the probability with which an output is drawn.

    BOS is never drawn; at the greatest length there is only EOS.
    """
    found = 1.0
    for position, token in enumerate((*ids, EOS)):
        logits = torch.tensor(model.logits(sentence, (0, *ids[:position])), dtype=torch.float64)
        logits[0] = -math.inf
        if position + 1 < LENGTHS[sentence]:
            found *= float((logits / temperature).softmax(-1)[token])
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_frequencies_are_the_probabilities(temperature: float) -> None:
    """Pearson's chi-square over all outputs; rare ones are counted together."""
    model, samples = Kept(3), 1500
    found = draw(model, samples, Filters(temperature))
    for sentence, length in enumerate(LENGTHS):
        counts = Counter(list_ids(found[sentence]))
        assert counts.total() == samples
        rest = rest_counted = statistic = 0.0
        for ids in every_output(length):
            expected = samples * probability(model, sentence, ids, temperature)
            if expected < 10:
                rest, rest_counted = rest + expected, rest_counted + counts[ids]
            else:
                statistic += (counts[ids] - expected) ** 2 / expected
        statistic += (rest_counted - rest) ** 2 / rest
        assert statistic < CHI_SQUARE


def test_log_probs_and_scores_are_the_models() -> None:
    """They do not depend on the filters; the best score comes first, and outputs may repeat."""
    model = Table(1)
    for filters in (Filters(), Filters(0.3, top_k=2), Filters(1.5, top_p=0.8)):
        for sentence, found in enumerate(draw(model, 50, filters)):
            assert len(found) == 50 > len(set(list_ids(found)))
            assert found == sorted(found, key=lambda hypothesis: -hypothesis.score)
            for hypothesis in found:
                expected = model.log_prob(sentence, hypothesis.ids)
                assert hypothesis.log_prob == pytest.approx(expected, abs=1e-5)
                penalty = length_penalty(len(hypothesis.ids) + 1, 0.6)
                assert hypothesis.score == pytest.approx(expected / penalty, abs=1e-5)


def test_batches_and_their_order_change_nothing() -> None:
    together = draw(Table(2), 20)
    assert draw(Table(2), 20, sentences=(2, 0, 1)) == [together[sentence] for sentence in (2, 0, 1)]
    for sentence in range(3):
        assert draw(Table(2), 20, sentences=(sentence,)) == [together[sentence]]
    for some, every in zip(draw(Table(2), 7), together, strict=True):
        assert not Counter(list_ids(some)) - Counter(list_ids(every))


def test_the_seed_and_the_source_choose_the_numbers() -> None:
    numbers = RandomNumbers(1, [[5, 6], [6, 5], [5], [5, 6]])
    drawn = numbers.at([0, 1, 2, 3], 3, 4)
    assert drawn.tolist() == numbers.at([0, 1, 2, 3], 3, 9)[:, :4].tolist()
    assert drawn.tolist() == numbers.at([3, 1, 2, 0], 3, 4).tolist()
    assert drawn[:1].tolist() == RandomNumbers(1, [[5, 6]]).at([0], 3, 4).tolist()
    others = [numbers.at([0], 4, 4), RandomNumbers(2, [[5, 6]]).at([0], 3, 4)]
    different = numpy.concatenate([drawn[:3], *others])
    assert len(numpy.unique(different)) == 5 * 4
    assert (different >= 0).all()
    assert (different < 1).all()
    assert draw(Table(2), 20, seed=1) != draw(Table(2), 20, seed=2)


@pytest.mark.parametrize("filters", [Filters(0.001), Filters(top_k=1), Filters(top_p=0)])
@pytest.mark.parametrize("seed", range(5))
def test_the_most_probable_tokens_are_greedy_search(filters: Filters, seed: int) -> None:
    source = torch.arange(3)[:, None]
    greedy = beam_search(Table(seed), source, LENGTHS, IDS, beam_size=1, alpha=0.6)
    for found, (expected,) in zip(draw(Table(seed), 3, filters), greedy, strict=True):
        assert list_ids(found) == [expected.ids] * 3


def tokens(filters: Filters, *probabilities: float, rules: tuple[Rule, ...] = ()) -> list[int]:
    """Return the tokens that numbers from 0 to 0.95, in steps of 0.05, draw."""
    logits = torch.tensor([probabilities]).log()
    numbers = torch.arange(20, dtype=torch.float64)[None] / 20
    return [*map(int, draw_tokens(logits, rules, filters, numbers).tokens[0])]


def test_filters_worked_by_hand() -> None:
    """0.125, 0.5, 0.25 and 0.125 have the cumulative sums 0.125, 0.625, 0.875 and 1."""
    given = (0.125, 0.5, 0.25, 0.125)
    assert tokens(Filters(), *given) == [0] * 3 + [1] * 10 + [2] * 5 + [3] * 2
    # Two thirds and one third.
    assert tokens(Filters(top_k=2), *given) == [1] * 14 + [2] * 6
    # 0.5 is less than 0.6, so 0.25 belongs to the nucleus too; 0.5 is enough for 0.5.
    assert tokens(Filters(top_p=0.6), *given) == [1] * 14 + [2] * 6
    assert tokens(Filters(top_p=0.5), *given) == [1] * 20
    # Two thirds of the two best are less than 0.7 of them, and more than 0.66.
    assert tokens(Filters(top_k=2, top_p=0.7), *given) == [1] * 14 + [2] * 6
    assert tokens(Filters(top_k=2, top_p=0.66), *given) == [1] * 20
    # Squares: 1, 16, 4 and 1 of 22.
    assert tokens(Filters(0.5), *given) == [0] + [1] * 15 + [2] * 4
    # 16 of 22 are more than 0.7, where 0.5 of 1 was not.
    assert tokens(Filters(0.5, top_p=0.7), *given) == [1] * 20


def test_rules_and_constraints_apply_before_filters() -> None:
    """The one token of top_k = 1 is the most probable of those that are allowed."""
    settings = DecodeSettings(min_length=3, no_repeat_ngram=1)
    for filters in (Filters(), Filters(top_k=1), Filters(top_p=0.3)):
        for found in draw(Table(4), 30, filters, settings=settings):
            assert len(found) == 30
            assert all(len(hypothesis.ids) == 3 == len(set(hypothesis.ids)) for hypothesis in found)


class Broken(Table):
    """A fake model whose logits for the second sentence are NaN from some position on."""

    def step(self, last_ids: AnyIds, state: Prefixes) -> tuple[Tensor, Prefixes]:
        logits, after = super().step(last_ids, state)
        for row, (sentence, prefix) in enumerate(after.rows):
            if sentence == 1 and len(prefix) > 1:
                logits.view(-1, logits.shape[-1])[row] = math.nan
        return logits, after


def test_nan_leaves_outputs_out() -> None:
    """Only outputs without tokens are left of the second sentence; the others are as they were."""
    found, expected = draw(Broken(2), 10), draw(Table(2), 10)
    assert (found[0], found[2]) == (expected[0], expected[2])
    assert list_ids(found[1]) == [ids for ids in list_ids(expected[1]) if not ids]
    assert len(found[1]) < 10


def test_nothing_is_drawn_where_everything_is_forbidden() -> None:
    ids = SpecialIds(0, EOS, never=(0, 1, 2, 3, 4))
    for filters in (Filters(), Filters(top_k=2), Filters(top_p=0.5)):
        strategy = Sampling(RandomNumbers(1, [[0]]), filters, alpha=0.6, n_best=3)
        assert search(Table(0), torch.tensor([[0]]), [5], ids, strategy) == [[]]
