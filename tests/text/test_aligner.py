"""The aligner finds a known dictionary; its parts follow their formulas."""

import math
import random

import numpy
import pytest

from nmt.text import aligner
from nmt.text.aligner import (
    NONE,
    P0,
    TENSION,
    Aligner,
    TokenPairs,
    cells_of,
    digamma,
    expected_probabilities,
    learn_lexicon,
)

WORDS = 30
SMALL = TokenPairs(*map(numpy.array, ([5, 6, 7], [8, 9, 4], [2, 1], [2, 1])))


def flat(rows: list[list[int]]) -> numpy.typing.NDArray[numpy.int64]:
    return numpy.array([each for row in rows for each in row], numpy.int64)


def lengths(rows: list[list[int]]) -> numpy.typing.NDArray[numpy.int64]:
    return numpy.array([*map(len, rows)], numpy.int64)


def corpus(count: int) -> tuple[TokenPairs, list[int]]:
    """Return pairs whose targets are the reversed sources, word w as WORDS + w.

    Also returns the place that each target token comes from.
    """
    draw = random.Random(3)
    sources = [draw.sample(range(WORDS), draw.randint(1, 6)) for _ in range(count)]
    targets = [[WORDS + each for each in reversed(row)] for row in sources]
    places = [place for row in sources for place in reversed(range(len(row)))]
    return TokenPairs(flat(sources), flat(targets), lengths(sources), lengths(targets)), places


def test_the_dictionary_of_a_toy_corpus_is_found() -> None:
    pairs, places = corpus(400)
    found = Aligner.learn(pairs, 2 * WORDS).align(pairs)
    linked = found != NONE
    assert linked.mean() > 0.95
    assert (found == places)[linked].mean() > 0.97


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, _ = corpus(100)
    whole = Aligner.learn(pairs, 2 * WORDS)
    monkeypatch.setattr(aligner, "BLOCK_CELLS", 50)
    parts = Aligner.learn(pairs, 2 * WORDS)
    assert numpy.allclose(whole.forward.probabilities, parts.forward.probabilities, atol=1e-12)
    assert (whole.align(pairs) == parts.align(pairs)).all()


def test_both_directions_must_agree() -> None:
    pairs, _ = corpus(50)
    learned = Aligner.learn(pairs, 2 * WORDS)
    forward = learned.align(pairs)
    # Aligned backward, the same links are found: a link (j, i) is in both or in none.
    backward = Aligner(learned.backward, learned.forward).align(pairs.swapped())
    starts = numpy.repeat(
        numpy.cumsum(pairs.source_lengths) - pairs.source_lengths, pairs.target_lengths
    )
    own = numpy.concatenate([numpy.arange(each) for each in pairs.target_lengths])
    linked = forward != NONE
    assert (backward[(starts + forward)[linked]] == own[linked]).all()
    assert linked.sum() == (backward != NONE).sum()


def test_the_prior_prefers_the_diagonal() -> None:
    cells = cells_of(SMALL, 10)
    near, far = math.exp(0), math.exp(-TENSION / 2)
    share = (1 - P0) / (near + far)
    assert cells.prior == pytest.approx(
        [share * near, share * far] * 1 + [share * far, share * near, 1 - P0]
    )
    assert cells.keys.tolist() == [58, 68, 59, 69, 74]
    assert cells.places.tolist() == [0, 1, 0, 1, 0]


def test_digamma_has_its_known_values() -> None:
    euler = 0.5772156649015329
    known = [-euler, 1 - euler, -euler - 2 * math.log(2), -100.5608854578687]
    assert digamma(numpy.array([1.0, 2.0, 0.5, 0.01])) == pytest.approx(known, abs=1e-7)


def test_expected_probabilities_follow_their_formula() -> None:
    counts, groups = numpy.array([3.0, 1.0, 2.0]), numpy.array([0, 0, 1])
    found = expected_probabilities(counts, groups, 2)
    a = aligner.DIRICHLET
    psi = digamma(numpy.array([3 + a, 1 + a, 4 + 2 * a]))
    wanted = [math.exp(psi[0] - psi[2]), math.exp(psi[1] - psi[2]), 1]
    assert found == pytest.approx(wanted)


def test_tokens_that_were_never_seen_together_are_placed_by_the_prior() -> None:
    pairs, _ = corpus(20)
    lexicon = learn_lexicon(pairs, 200)
    assert lexicon.find(numpy.array([150 * 200 + 151])).tolist() == [len(lexicon.keys)]
    unseen = TokenPairs(*map(numpy.array, ([150, 151], [152, 153], [2], [2])))
    assert aligner.best_sources(unseen, lexicon).tolist() in ([0, 1], [NONE, NONE])
