"""The aligner finds a known dictionary; its parts follow their formulas."""

import math
import random

import numpy
import pytest

from nmt.text import alignment
from nmt.text.alignment import (
    NONE,
    P0,
    TENSION,
    Aligner,
    Lexicon,
    cell_blocks,
    digamma,
    expected_probabilities,
)
from nmt.text.shards import FlatSegments, flatten

WORDS = 30


def corpus(count: int) -> tuple[FlatSegments, FlatSegments, list[int]]:
    """Return reversed sources as targets, word w as WORDS + w, and where each token comes from."""
    draw = random.Random(3)
    sources = [draw.sample(range(WORDS), draw.randint(1, 6)) for _ in range(count)]
    targets = [[WORDS + word for word in reversed(row)] for row in sources]
    positions = [position for row in sources for position in reversed(range(len(row)))]
    return flatten(sources), flatten(targets), positions


def test_the_dictionary_of_a_toy_corpus_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    source, target, positions = corpus(400)
    whole = Aligner.learn(source, target, 2 * WORDS)
    found = whole.align(source, target)
    linked = found != NONE
    assert linked.mean() > 0.95
    assert (found == positions)[linked].mean() > 0.97
    # Blocks of other sizes change nothing.
    monkeypatch.setattr(alignment, "BLOCK_CELLS", 50)
    parts = Aligner.learn(source, target, 2 * WORDS)
    assert numpy.allclose(whole.forward.probabilities, parts.forward.probabilities, atol=1e-12)
    assert (found == parts.align(source, target)).all()


def test_both_directions_must_agree() -> None:
    source, target, _ = corpus(50)
    learned = Aligner.learn(source, target, 2 * WORDS)
    forward = learned.align(source, target)
    # Aligned backward, the same links are found: a link (j, i) is in both or in none.
    backward = Aligner(learned.backward, learned.forward, ()).align(target, source)
    starts = numpy.repeat(numpy.cumsum(source.lengths) - source.lengths, target.lengths)
    own = numpy.concatenate([numpy.arange(length) for length in target.lengths])
    linked = forward != NONE
    assert (backward[(starts + forward)[linked]] == own[linked]).all()
    assert linked.sum() == (backward != NONE).sum()


def test_the_prior_prefers_the_diagonal() -> None:
    (cells,) = cell_blocks(flatten([[5, 6], [7]]), flatten([[8, 9], [4]]), 10)
    near, far = math.exp(0), math.exp(-TENSION / 2)
    share = (1 - P0) / (near + far)
    assert cells.prior == pytest.approx(
        [share * near, share * far] * 1 + [share * far, share * near, 1 - P0]
    )
    assert cells.keys.tolist() == [58, 68, 59, 69, 74]
    assert cells.positions.tolist() == [0, 1, 0, 1, 0]


def test_digamma_has_its_known_values() -> None:
    euler = 0.5772156649015329
    known = [-euler, 1 - euler, -euler - 2 * math.log(2), -100.5608854578687]
    assert digamma(numpy.array([1.0, 2.0, 0.5, 0.01])) == pytest.approx(known, abs=1e-7)


def test_expected_probabilities_follow_their_formula() -> None:
    counts, groups = numpy.array([3.0, 1.0, 2.0]), numpy.array([0, 0, 1])
    found = expected_probabilities(counts, groups, 2)
    a = alignment.DIRICHLET
    psi = digamma(numpy.array([3 + a, 1 + a, 4 + 2 * a]))
    wanted = [math.exp(psi[0] - psi[2]), math.exp(psi[1] - psi[2]), 1]
    assert found == pytest.approx(wanted)


def test_tokens_that_were_never_seen_together_are_placed_by_the_prior() -> None:
    source, target, _ = corpus(20)
    lexicon = Lexicon.learn(source, target, 200)
    assert lexicon.find(numpy.array([150 * 200 + 151])).tolist() == [len(lexicon.keys)]
    unseen = lexicon.best_sources(flatten([[150, 151]]), flatten([[152, 153]]))
    assert unseen.tolist() in ([0, 1], [NONE, NONE])
