"""A search with terms finds the best of the outputs that contain an alternative of each term.

The fake model and the exhaustive search are those of the tests of beam search. Its three words are
2, 3 and 4; here 4 continues the word before it, and 3 is a mark, after which a word may begin.
"""

import math
from functools import cache
from itertools import pairwise

import numpy
import pytest
import torch

from nmt.config import DecodeSettings
from nmt.decoding.beam import beam_search
from nmt.decoding.beginnings import Beginning
from nmt.decoding.constrained_beam import constrained_beam_search
from nmt.decoding.constraints import constraints_of
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.segments import Part
from nmt.decoding.term_tracker import WordEdges
from nmt.decoding.terms import Ids, Term
from tests.decoding.test_beam import EOS, IDS, VOCABULARY, Table, exhaustive, same

LENGTHS = [5, 4, 5]
CONTINUES, MARK = 4, 3
EDGES = WordEdges(
    numpy.array([token != CONTINUES for token in range(VOCABULARY)]),
    numpy.array([token == MARK for token in range(VOCABULARY)]),
)


def term(*anywhere: Ids, after_mark: tuple[Ids, ...] = (), at_start: tuple[Ids, ...] = ()) -> Term:
    return Term("", (), anywhere, after_mark, at_start)


def has(ids: Ids, wanted: Term) -> bool:
    """Return whether an output has a term, by definition."""
    forms = [(form, "anywhere") for form in wanted.anywhere]
    forms += [(form, "after_mark") for form in wanted.after_mark]
    forms += [(form, "at_start") for form in wanted.at_start]
    for form, place in forms:
        for start in range(len(ids) - len(form) + 1):
            end = start + len(form)
            if (
                ids[start:end] == form
                and ids[end : end + 1] != (CONTINUES,)
                and (place != "after_mark" or ids[start - 1 : start] == (MARK,))
                and (place != "at_start" or start == 0)
            ):
                return True
    return False


def search(
    model: Table,
    terms: list[list[Term]],
    width: int,
    n_best: int = 1,
    settings: DecodeSettings | None = None,
    prefix: Ids = (),
    lengths: list[int] = LENGTHS,
    alpha: float = 0.6,
) -> list[list[Hypothesis]]:
    parts = [Part([9], Beginning.of_tokens(prefix)) for _ in lengths]
    return constrained_beam_search(
        model,
        torch.arange(len(lengths))[:, None],
        lengths,
        IDS,
        terms=terms,
        edges=EDGES,
        beam_size=width,
        alpha=alpha,
        n_best=n_best,
        constraints=constraints_of(parts, settings or DecodeSettings(), EOS),
    )


CASES: dict[str, list[list[Term]]] = {
    "none": [[], [], []],
    "one token": [[term((2,))], [], [term((3,))]],
    "a phrase": [[term((2, 3))], [term((2, 2))], [term((2, 4, 3))]],
    "a repeated beginning": [[term((2, 2, 3))], [term((2, 2))], [term((2, 2, 2, 3))]],
    "alternatives": [[term((2, 3), (3, 2))], [term((4,), (3, 3))], [term((2, 2, 2), (3, 3))]],
    "several terms": [
        [term((2, 3)), term((4,))],
        [term((2,)), term((3,))],
        [term((2,)), term((3,)), term((4,))],
    ],
    "terms that overlap": [
        [term((2, 3)), term((3, 2))],
        [term((2, 3)), term((2,))],
        [term((2, 2, 3)), term((2, 3)), term((3, 3))],
    ],
    "after a mark": [
        [term((2, 2), after_mark=((4, 2),))],
        [term((2,), after_mark=((4,),))],
        [term((2, 4, 2), after_mark=((2,),))],
    ],
    "at the start": [
        [term((2, 2), at_start=((4, 2),))],
        [term((2, 2), at_start=((4,),))],
        [term((2, 2, 2), at_start=((2, 3),)), term((3,))],
    ],
}


@cache
def every_output(seed: int, sentence: int) -> list[Hypothesis]:
    return exhaustive(Table(seed), sentence, LENGTHS[sentence], 0.6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES)
def test_full_width_equals_exhaustive_search(case: str, seed: int) -> None:
    terms = CASES[case]
    found = search(Table(seed), terms, width=108, n_best=4)
    for sentence, wanted in enumerate(terms):
        every = every_output(seed, sentence)
        expected = [each for each in every if all(has(each.ids, one) for one in wanted)]
        assert expected
        assert same(found[sentence], expected[:4])


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("case", CASES)
def test_a_narrow_beam_places_the_terms(case: str, width: int) -> None:
    """If there is room for them, outputs have all terms, whatever the beam."""
    for seed in range(3):
        found = search(Table(seed, 3.0), CASES[case], width, n_best=width, lengths=[9, 9, 9])
        for wanted, outputs in zip(CASES[case], found, strict=True):
            assert outputs
            assert all(has(each.ids, one) for each in outputs for one in wanted)


@pytest.mark.parametrize("seed", range(6))
def test_without_terms_it_is_beam_search(seed: int) -> None:
    lengths = [9, 12, 6]
    model = Table(seed, 2.0)
    source = torch.arange(3)[:, None]
    plain = beam_search(
        model, source, lengths, IDS, beam_size=4, alpha=0.6, n_best=3, stopping="beam_finished"
    )
    assert search(model, [[], [], []], 4, n_best=3, lengths=lengths) == plain
    # The other sentences of the batch have places for their terms, this one does not use them.
    mixed = search(model, [[term((2, 3, 2))], [], [term((3,))]], 4, n_best=3, lengths=lengths)
    assert mixed[1] == plain[1]


@pytest.mark.parametrize("seed", range(6))
def test_result_does_not_depend_on_other_sentences_in_the_batch(seed: int) -> None:
    model, lengths = Table(seed, 1.5), [9, 7, 12]
    terms = CASES["several terms"]
    together = search(model, terms, 2, n_best=2, lengths=lengths)
    for sentence in range(3):
        alone = constrained_beam_search(
            model,
            torch.tensor([[sentence]]),
            [lengths[sentence]],
            IDS,
            terms=[terms[sentence]],
            edges=EDGES,
            beam_size=2,
            alpha=0.6,
            n_best=2,
        )
        assert alone == [together[sentence]]


@pytest.mark.parametrize("seed", range(6))
def test_a_term_without_room_leaves_the_others(seed: int) -> None:
    """In two tokens there is room for one term of one, but not for another of three."""
    one, three = term((2,)), term((3, 4, 3))
    model = Table(seed)
    (found,) = search(model, [[one, three]], 108, lengths=[3])
    every = exhaustive(model, 0, 3, 0.6)
    assert same(found, [each for each in every if has(each.ids, one)][:1])


@pytest.mark.parametrize("seed", range(3))
def test_terms_and_constraints_hold_together(seed: int) -> None:
    """A prefix may hold a term, or its beginning; repetition may be forbidden."""
    wanted = [term((2, 3)), term((4,))]
    settings = DecodeSettings(no_repeat_ngram=2)
    for prefix in ((2,), (2, 3), (4,)):
        found = search(Table(seed), [wanted], 108, 4, settings, prefix, lengths=LENGTHS[:1])[0]
        expected = [
            each
            for each in every_output(seed, 0)
            if all(has(each.ids, one) for one in wanted)
            and each.ids[: len(prefix)] == prefix
            and len({*pairwise(each.ids)}) == max(0, len(each.ids) - 1)
        ]
        assert expected
        assert same(found, expected[:4])


def test_nan_logits_give_no_output() -> None:
    class Diverged(Table):
        def logits(self, sentence: int, prefix: Ids) -> list[float]:
            return [math.nan] * VOCABULARY

    assert search(Diverged(0), CASES["one token"], 3) == [[], [], []]


@pytest.mark.parametrize("case", CASES)
def test_a_strong_length_penalty_changes_the_scores_alone(case: str) -> None:
    """A penalty above the paper's would reward outputs to which terms are appended."""
    usual = search(Table(1), CASES[case], width=4, n_best=3)
    strong = search(Table(1), CASES[case], width=4, n_best=3, alpha=2.0)
    for before, after in zip(usual, strong, strict=True):
        assert [each.ids for each in after] == [each.ids for each in before]
        for each in after:
            penalty = ((5 + len(each.ids) + 1) / 6) ** 2
            assert each.score == pytest.approx(each.log_prob / penalty)
